//! What was sent, what was acknowledged, and therefore what may be stored at the end.
//!
//! A write is *over* when it is answered or its sender gives up. A value may be the final one unless
//! another write of the same key was acknowledged and began after this one was over. So the final
//! value is the last acknowledged one, a later one that was not acknowledged (it may have been
//! stored all the same), or one that was under way at the same time.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A sensor and a time in milliseconds.
pub type Place = (String, i64);

/// A write of one value. Every value is sent as a new reading once only, so it tells which write is
/// stored.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Write {
    value: u64,
    began: u64,
    /// `u64::MAX` while it is under way.
    over: u64,
    acknowledged: bool,
}

/// A request's writes, to be settled once.
#[must_use]
#[derive(Debug)]
pub struct Sent {
    began: u64,
    rows: Vec<(Place, u64)>,
}

#[derive(Debug, Default)]
struct Book {
    /// A logical clock: each beginning and end of a request is a tick.
    now: u64,
    places: HashMap<Place, Vec<Write>>,
    acknowledged: u64,
}

/// Shared by all senders.
#[derive(Debug, Default)]
pub struct Ledger {
    book: Mutex<Book>,
}

/// What is wrong in the table; empty when nothing is.
#[derive(Debug, Default, PartialEq)]
pub struct Findings {
    /// Acknowledged, and not there.
    pub lost: Vec<String>,
    /// There with a value that a later acknowledged write had replaced.
    pub stale: Vec<String>,
    /// There more than once.
    pub repeated: Vec<String>,
    /// There and never sent.
    pub foreign: Vec<String>,
}

impl Ledger {
    /// A request is about to be sent. Of several values for one place only the last counts: a batch
    /// is one write.
    pub fn send(&self, rows: &[(Place, u64)]) -> Sent {
        let last: HashMap<&Place, u64> =
            rows.iter().map(|(place, value)| (place, *value)).collect();
        let rows: Vec<(Place, u64)> =
            last.into_iter().map(|(p, value)| (p.clone(), value)).collect();
        let mut book = self.book();
        book.now += 1;
        let began = book.now;
        for (place, value) in &rows {
            let write = Write { value: *value, began, over: u64::MAX, acknowledged: false };
            book.places.entry(place.clone()).or_default().push(write);
        }
        Sent { began, rows }
    }

    /// The request was answered with a success.
    pub fn acknowledged(&self, sent: Sent) {
        self.settle(sent, true);
    }

    /// The request was refused, or its answer never came.
    pub fn gave_up(&self, sent: Sent) {
        self.settle(sent, false);
    }

    fn settle(&self, sent: Sent, acknowledged: bool) {
        let mut book = self.book();
        book.now += 1;
        let over = book.now;
        if acknowledged {
            book.acknowledged += sent.rows.len() as u64;
        }
        for (place, _) in &sent.rows {
            let writes = book.places.get_mut(place).expect("was sent");
            for write in writes.iter_mut().filter(|write| write.began == sent.began) {
                (write.over, write.acknowledged) = (over, acknowledged);
            }
            if acknowledged {
                writes.retain(|write| write.over >= sent.began);
            }
        }
    }

    /// How many places were sent, and how many writes were acknowledged.
    pub fn size(&self) -> (usize, u64) {
        let book = self.book();
        (book.places.len(), book.acknowledged)
    }

    /// Compares with the table's rows.
    pub fn compare(&self, stored: &[(Place, f64)]) -> Findings {
        let book = self.book();
        let mut findings = Findings::default();
        let mut seen: HashMap<&Place, f64> = HashMap::new();
        for (place, value) in stored {
            if let Some(first) = seen.insert(place, *value) {
                findings.repeated.push(format!("{place:?}: {first} and {value}"));
            }
            let Some(writes) = book.places.get(place) else {
                findings.foreign.push(format!("{place:?} = {value}: no such reading was sent"));
                continue;
            };
            if writes.iter().any(|write| write.value as f64 == *value) {
                continue;
            }
            let newest = writes.iter().map(|write| write.value).max().unwrap_or_default();
            let what = format!("{place:?} = {value}, and may only be one of {writes:?}");
            // Values grow as time goes on; a larger one was sent for another place, or by nobody.
            if *value < newest as f64 {
                findings.stale.push(what)
            } else {
                findings.foreign.push(what)
            }
        }
        for (place, writes) in &book.places {
            if !seen.contains_key(place) && writes.iter().any(|write| write.acknowledged) {
                findings.lost.push(format!("{place:?}: {writes:?}"));
            }
        }
        findings
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Findings {
    /// Whether everything is as it must be.
    pub fn are_none(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [
            ("lost", &self.lost),
            ("stale", &self.stale),
            ("repeated", &self.repeated),
            ("never sent", &self.foreign),
        ];
        for (name, examples) in kinds {
            writeln!(f, "{name}: {}", examples.len())?;
            for example in examples.iter().take(5) {
                writeln!(f, "    {example}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Findings, Ledger, Place};

    fn at(time: i64) -> Place {
        ("s".to_owned(), time)
    }

    fn found(ledger: &Ledger, stored: &[(i64, f64)]) -> [usize; 4] {
        let stored: Vec<_> = stored.iter().map(|(time, value)| (at(*time), *value)).collect();
        let Findings { lost, stale, repeated, foreign } = ledger.compare(&stored);
        [lost.len(), stale.len(), repeated.len(), foreign.len()]
    }

    #[test]
    fn notices_what_is_lost_repeated_or_made_up() {
        let ledger = Ledger::default();
        let sent = ledger.send(&[(at(1), 10), (at(2), 11)]);
        assert_eq!(found(&ledger, &[]), [0, 0, 0, 0], "nothing is acknowledged yet");
        ledger.acknowledged(sent);
        assert_eq!(found(&ledger, &[(1, 10.0), (2, 11.0)]), [0, 0, 0, 0]);
        assert_eq!(found(&ledger, &[(1, 10.0)]), [1, 0, 0, 0]);
        assert_eq!(found(&ledger, &[(1, 10.0), (2, 11.0), (2, 11.0)]), [0, 0, 1, 0]);
        assert_eq!(found(&ledger, &[(1, 10.0), (2, 11.0), (3, 1.0)]), [0, 0, 0, 1]);
        assert_eq!(found(&ledger, &[(1, 10.0), (2, 12.0)]), [0, 0, 0, 1]);
    }

    #[test]
    fn the_last_acknowledged_value_or_a_later_one_is_right() {
        let ledger = Ledger::default();
        let first = ledger.send(&[(at(1), 10)]);
        ledger.acknowledged(first);
        let second = ledger.send(&[(at(1), 11)]);
        ledger.acknowledged(second);
        assert_eq!(found(&ledger, &[(1, 11.0)]), [0, 0, 0, 0]);
        assert_eq!(found(&ledger, &[(1, 10.0)]), [0, 1, 0, 0]);
        let third = ledger.send(&[(at(1), 12)]);
        ledger.gave_up(third);
        assert_eq!(found(&ledger, &[(1, 11.0)]), [0, 0, 0, 0]);
        assert_eq!(found(&ledger, &[(1, 12.0)]), [0, 0, 0, 0]);
        let fourth = ledger.send(&[(at(1), 13)]);
        ledger.acknowledged(fourth);
        assert_eq!(
            found(&ledger, &[(1, 12.0)]),
            [0, 1, 0, 0],
            "given up before the last one began"
        );
    }

    #[test]
    fn writes_at_the_same_time_may_end_either_way() {
        let ledger = Ledger::default();
        let (one, other) = (ledger.send(&[(at(1), 10)]), ledger.send(&[(at(1), 11)]));
        ledger.acknowledged(other);
        ledger.acknowledged(one);
        assert_eq!(found(&ledger, &[(1, 10.0)]), [0, 0, 0, 0]);
        assert_eq!(found(&ledger, &[(1, 11.0)]), [0, 0, 0, 0]);
    }

    #[test]
    fn the_last_value_within_a_batch_counts() {
        let ledger = Ledger::default();
        let sent = ledger.send(&[(at(1), 10), (at(1), 11)]);
        ledger.acknowledged(sent);
        assert_eq!(found(&ledger, &[(1, 11.0)]), [0, 0, 0, 0]);
        assert_eq!(found(&ledger, &[(1, 10.0)]), [0, 1, 0, 0]);
    }
}
