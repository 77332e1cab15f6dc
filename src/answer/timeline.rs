//! Changes over time as texts, as Grafana's state timeline shows them: a frame a lane.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::frame::{Field, Frame};
use crate::plan::Ask;

/// One lane of a timeline, filled in the order of time.
pub(super) struct Lane {
    name: String,
    labels: Vec<(&'static str, String)>,
    times: Vec<DateTime<Utc>>,
    texts: Vec<Option<String>>,
    /// End of the newest entry.
    until: Option<DateTime<Utc>>,
}

impl Lane {
    pub(super) fn new(
        name: &str,
        labels: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Self {
        let labels = labels.into_iter().filter(|label| !label.1.is_empty()).collect();
        Self { name: name.to_owned(), labels, times: vec![], texts: vec![], until: None }
    }

    /// Adds what lasted from `start` to `end`, cut at the range; one that is open lasts until now.
    pub(super) fn add(
        &mut self,
        ask: &Ask,
        start: DateTime<Utc>,
        end: Option<DateTime<Utc>>,
        text: &str,
    ) {
        let end = end.unwrap_or(ask.now.max(start));
        let Some(inside) = ask.range.clip(start, Some(end)) else { return };
        // What came before has ended, so nothing lasts up to here.
        if let Some(until) = self.until.filter(|until| *until < inside.from()) {
            self.push(until, None);
        }
        self.push(inside.from(), Some(text.to_owned()));
        self.until = Some(inside.to());
    }

    fn push(&mut self, time: DateTime<Utc>, text: Option<String>) {
        self.times.push(time);
        self.texts.push(text);
    }

    /// The lane as a frame, with colours and names of its values.
    pub(super) fn frame(mut self, mappings: Option<Value>) -> Frame {
        if let Some(until) = self.until {
            self.push(until, None);
        }
        let text = Field::text("state", self.texts).labels(self.labels).display_name(&self.name);
        let text = match mappings {
            Some(mappings) => text.mappings(mappings),
            None => text,
        };
        let time = Field::time("time", self.times.into_iter().map(Some));
        Frame::new(&self.name, "", vec![time, text])
    }
}
