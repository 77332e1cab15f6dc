//! The trace that a request belongs to, as Grafana's gRPC client says it (W3C Trace Context).
//!
//! Its id goes into every log line of the request and, when the trace is sampled, into the name of the
//! application that its SQL runs under. Spans are not exported: Grafana's own span around the call to
//! the plugin has the duration, and the statements' are in the metrics and the database's log, while
//! OpenTelemetry's SDK with its exporter would double the program's dependencies.

use std::sync::Arc;

use tonic::metadata::MetadataMap;

/// Ids of a request's trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trace {
    /// Trace id, 32 hexadecimal digits.
    pub(super) id: Arc<str>,
    /// True when Grafana keeps the trace.
    pub(super) sampled: bool,
}

impl Trace {
    /// `traceparent: 00-<trace id>-<span id>-<flags>`; none where it is missing or not one.
    pub(super) fn of(metadata: &MetadataMap) -> Option<Self> {
        let text = metadata.get("traceparent")?.to_str().ok()?;
        let mut parts = text.split('-');
        let (version, id, span, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let hex = |text: &str, length: usize| {
            text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        };
        let valid =
            hex(version, 2) && version != "ff" && (version != "00" || parts.next().is_none());
        let ids =
            hex(id, 32) && hex(span, 16) && [id, span].iter().all(|id| id.contains(|c| c != '0'));
        if !valid || !ids || !hex(flags, 2) {
            return None;
        }
        let flags = u8::from_str_radix(flags, 16).ok()?;
        Some(Self { id: id.into(), sampled: flags & 1 == 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_standard_allows_is_a_trace() {
        let of = |text: &str| {
            let mut metadata = MetadataMap::new();
            metadata.insert("traceparent", text.parse().expect("metadata"));
            Trace::of(&metadata)
        };
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        let trace = of(&format!("00-{id}-00f067aa0ba902b7-01")).expect("a trace");
        assert_eq!((&*trace.id, trace.sampled), (id, true));
        assert!(!of(&format!("00-{id}-00f067aa0ba902b7-00")).expect("a trace").sampled);
        assert!(of(&format!("cc-{id}-00f067aa0ba902b7-01-later")).is_some());
        for wrong in [
            String::new(),
            format!("ff-{id}-00f067aa0ba902b7-01"),
            format!("00-{id}-00f067aa0ba902b7-01-more"),
            format!("00-{id}-0000000000000000-01"),
            format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            format!("00-{}-00f067aa0ba902b7-01", id.to_uppercase()),
            format!("00-{}';--00f067aa0ba902b7-01", &id[..28]),
        ] {
            assert_eq!(of(&wrong), None, "{wrong}");
        }
    }
}
