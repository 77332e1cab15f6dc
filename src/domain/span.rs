//! Lengths of time as people write them: `30s`, `90m`, `24h`, `7d`.

/// The text is no length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no length of time, such as 30s, 90m, 24h or 7d")]
pub struct NoSpan;

/// The length in seconds. A bare `0` needs no unit.
///
/// # Errors
/// [`NoSpan`], for what has another unit, a fraction, or more seconds than a `u32` holds.
pub fn seconds(text: &str) -> Result<u32, NoSpan> {
    let units = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];
    let found = units.iter().find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, *seconds)));
    let seconds = match found {
        Some((number, unit)) if number.bytes().all(|b| b.is_ascii_digit()) => {
            number.parse::<u32>().ok().and_then(|n| n.checked_mul(unit))
        }
        Some(_) => None,
        None => (text == "0").then_some(0),
    };
    seconds.ok_or(NoSpan)
}

/// The length in its largest unit without a remainder, as [`seconds`] reads it.
pub fn words(seconds: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
    match units.iter().find(|(unit, _)| seconds > 0 && seconds.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{}{name}", seconds / unit),
        None => format!("{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::{NoSpan, seconds, words};

    #[test]
    fn reads_and_writes_lengths_of_time() {
        for (text, value) in [("0", 0), ("0s", 0), ("30s", 30), ("90m", 5_400), ("7d", 604_800)] {
            assert_eq!(seconds(text), Ok(value), "{text}");
        }
        for text in ["", "24", "h", "-1h", "+1h", "1.5h", "24 h", "99999999999s", "99999d1"] {
            assert_eq!(seconds(text), Err(NoSpan), "{text}");
        }
        for (value, text) in [(0, "0s"), (61, "61s"), (900, "15m"), (86_400, "1d"), (90_000, "25h")]
        {
            assert_eq!(words(value), text);
            assert_eq!(seconds(text).map(u64::from), Ok(value));
        }
    }
}
