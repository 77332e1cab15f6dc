//! How fast a key may send: token buckets that may go into debt.
//!
//! How many readings a request holds is known only when it has been read, and a batch may be larger
//! than the bucket. So a request is let in while the bucket holds something, and what it turns out
//! to hold is taken from it, below zero if need be; the next one waits until that is paid back. Over
//! time nobody gets more than the rate, and no batch is refused for ever.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::ingest::keys::rules::{Limits, Rate};

/// Readings or requests that may be sent now; below zero, how many were sent too early.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Bucket {
    level: f64,
    at: Instant,
}

impl Bucket {
    fn full(rate: Rate, burst_s: f64, now: Instant) -> Self {
        Self { level: rate.per_second() * burst_s, at: now }
    }

    /// Adds what the time since the last call has brought.
    fn fill(&mut self, rate: Rate, burst_s: f64, now: Instant) {
        let seconds = now.saturating_duration_since(self.at).as_secs_f64();
        // A rate that was unlimited a moment ago has left an infinite level.
        let full = rate.per_second() * burst_s;
        self.level = (self.level + seconds * rate.per_second()).min(full);
        self.at = now;
    }

    /// Seconds until there is something in it; `None`: there is.
    fn wait_s(&self, rate: Rate) -> Option<f64> {
        (self.level <= 0.0).then(|| -self.level / rate.per_second())
    }
}

/// What of a key is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Measure {
    /// Readings a second.
    Readings,
    /// Requests a second.
    Requests,
}

impl Measure {
    /// As the metrics have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Readings => "readings",
            Self::Requests => "requests",
        }
    }
}

/// A request that came too early.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("this API key may send {rate} {} a second: try again in {wait_s} s", .measure.as_str())]
pub struct TooFast {
    /// What there was too much of.
    pub measure: Measure,
    /// How much of it is allowed.
    pub rate: Rate,
    /// Whole seconds after which a request is let in, at least 1.
    pub wait_s: u64,
}

/// The buckets of one key. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<Mutex<Option<Buckets>>>);

#[derive(Debug, Clone, Copy)]
struct Buckets {
    readings: Bucket,
    requests: Bucket,
}

impl Meter {
    /// Lets a request in, or says when.
    ///
    /// # Errors
    /// [`TooFast`]; the request is not counted then.
    pub fn admit(&self, limits: &Limits, now: Instant) -> Result<(), TooFast> {
        let mut buckets = self.lock();
        let buckets = filled(&mut buckets, limits, now);
        let checks = [
            (Measure::Requests, limits.requests, buckets.requests),
            (Measure::Readings, limits.readings, buckets.readings),
        ];
        for (measure, rate, bucket) in checks {
            if let Some(wait_s) = bucket.wait_s(rate) {
                // A conversion to an integer stops at its ends.
                return Err(TooFast { measure, rate, wait_s: (wait_s.ceil() as u64).max(1) });
            }
        }
        buckets.requests.level -= 1.0;
        Ok(())
    }

    /// Counts the readings of a request that was let in.
    pub fn charge(&self, limits: &Limits, readings: usize, now: Instant) {
        filled(&mut self.lock(), limits, now).readings.level -= readings as f64;
    }

    /// Gives back what was counted, of a request that the database did not take.
    pub fn refund(&self, limits: &Limits, readings: usize, now: Instant) {
        let mut buckets = self.lock();
        let buckets = filled(&mut buckets, limits, now);
        buckets.readings.level += readings as f64;
        buckets.readings.fill(limits.readings, limits.burst_s, now);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Buckets>> {
        // Numbers are sound even if a thread panicked while it held the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn filled<'a>(buckets: &'a mut Option<Buckets>, limits: &Limits, now: Instant) -> &'a mut Buckets {
    let Limits { readings, requests, burst_s, .. } = *limits;
    let buckets = buckets.get_or_insert_with(|| Buckets {
        readings: Bucket::full(readings, burst_s, now),
        requests: Bucket::full(requests, burst_s, now),
    });
    buckets.readings.fill(readings, burst_s, now);
    buckets.requests.fill(requests, burst_s, now);
    buckets
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::{Measure, Meter};
    use crate::ingest::keys::rules::{Limits, Rate};

    fn limits(readings: &str, requests: &str, burst_s: f64) -> Limits {
        let rate = |text| Rate::parse(text).expect("rate");
        Limits { readings: rate(readings), requests: rate(requests), burst_s, ..Limits::default() }
    }

    #[test]
    fn nothing_holds_back_who_has_no_limit() {
        let (meter, now) = (Meter::default(), Instant::now());
        let limits = limits("none", "none", 10.0);
        for _ in 0..1_000 {
            assert_eq!(meter.admit(&limits, now), Ok(()));
            meter.charge(&limits, 1_000_000, now);
        }
    }

    #[test]
    fn a_batch_larger_than_the_burst_passes_and_is_paid_back() {
        let (meter, start) = (Meter::default(), Instant::now());
        let limits = limits("100", "none", 2.0);
        let at = |s| start + Duration::from_secs_f64(s);
        assert_eq!(meter.admit(&limits, start), Ok(()));
        meter.charge(&limits, 1_000, start);
        let refused = meter.admit(&limits, at(0.5)).expect_err("in debt");
        // 800 too many at a hundred a second, of which half a second has passed.
        assert_eq!((refused.measure, refused.wait_s), (Measure::Readings, 8));
        assert!(meter.admit(&limits, at(7.9)).is_err());
        assert_eq!(meter.admit(&limits, at(8.1)), Ok(()));
        // A long pause saves no more than the burst.
        meter.charge(&limits, 300, at(1_000.0));
        assert_eq!(meter.admit(&limits, at(1_000.0)).map_err(|e| e.wait_s), Err(1));
        meter.refund(&limits, 300, at(1_000.0));
        assert_eq!(meter.admit(&limits, at(1_000.0)), Ok(()));
    }

    #[test]
    fn requests_are_counted_one_by_one() {
        let (meter, start) = (Meter::default(), Instant::now());
        let limits = limits("none", "2", 1.5);
        let let_in = |s: f64| meter.admit(&limits, start + Duration::from_secs_f64(s));
        assert_eq!([let_in(0.0), let_in(0.0), let_in(0.0)], [Ok(()); 3]);
        let refused = let_in(0.0).expect_err("too fast");
        assert_eq!((refused.measure, refused.wait_s), (Measure::Requests, 1));
        assert!(refused.to_string().contains("2 requests a second: try again in 1 s"));
        assert_eq!([let_in(0.6), let_in(0.6)], [Ok(()); 2]);
        assert!(let_in(0.9).is_err());
    }

    #[test]
    fn a_new_limit_holds_at_once() {
        let (meter, now) = (Meter::default(), Instant::now());
        assert_eq!(meter.admit(&limits("none", "none", 10.0), now), Ok(()));
        let slow = limits("10", "none", 1.0);
        meter.charge(&slow, 30, now);
        assert_eq!(meter.admit(&slow, now).map_err(|e| e.wait_s), Err(2));
        assert_eq!(meter.admit(&limits("none", "none", 10.0), now), Ok(()));
        assert_eq!(meter.admit(&slow, now + Duration::from_secs(1)), Ok(()));
    }

    proptest! {
        /// In any time of work nobody gets more than the burst, the rate, and one batch.
        #[test]
        fn over_time_the_rate_holds(steps in prop::collection::vec((0u64..5_000, 1usize..500), 1..200)) {
            let (meter, start) = (Meter::default(), Instant::now());
            let limits = limits("50", "none", 3.0);
            let (mut now, mut sent) = (start, 0);
            for (ms, batch) in steps {
                now += Duration::from_millis(ms);
                if meter.admit(&limits, now).is_ok() {
                    meter.charge(&limits, batch, now);
                    sent += batch;
                }
            }
            let allowed = 50.0 * (3.0 + (now - start).as_secs_f64()) + 500.0;
            prop_assert!(sent as f64 <= allowed, "{sent} of {allowed}");
        }

        /// Who waits as long as it is told is let in.
        #[test]
        fn the_wait_is_long_enough(batch in 1usize..100_000, rate in 0.01f64..1e6) {
            let (meter, now) = (Meter::default(), Instant::now());
            let limits = limits(&rate.to_string(), "none", 1.0);
            meter.charge(&limits, batch, now);
            if let Err(refused) = meter.admit(&limits, now) {
                let later = now + Duration::from_secs(refused.wait_s) + Duration::from_millis(1);
                prop_assert_eq!(meter.admit(&limits, later), Ok(()));
            }
        }
    }
}
