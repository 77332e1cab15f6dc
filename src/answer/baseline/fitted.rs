//! Fits models off the async threads and keeps them, under a hash of what they were fitted to: a late
//! reading or a corrected run is another key.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::super::AnswerError;
use crate::analytics::baseline::{Model, Observations, Refusal, fit};

/// A model, or the reason why there is none.
pub(super) type Fitted = Arc<Result<Model, Refusal>>;

type Key = [u8; 32];

/// Models that are kept; each is a few kilobytes.
const KEPT: usize = 512;

static CACHE: Mutex<VecDeque<(Key, Fitted)>> = Mutex::new(VecDeque::new());

/// The model of some observations.
pub(super) async fn model(data: &Observations) -> Result<Fitted, AnswerError> {
    let key = key(data);
    if let Some(kept) = kept(key) {
        return Ok(kept);
    }
    let data = data.clone();
    let task = tokio::task::spawn_blocking(move || Arc::new(fit(&data)));
    let fitted = task.await.map_err(|_| AnswerError::Panic)?;
    let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
    cache.push_back((key, fitted.clone()));
    while cache.len() > KEPT {
        cache.pop_front();
    }
    Ok(fitted)
}

/// A kept model, which becomes the newest.
fn kept(key: Key) -> Option<Fitted> {
    let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
    let at = cache.iter().position(|(known, _)| *known == key)?;
    let entry = cache.remove(at)?;
    let fitted = entry.1.clone();
    cache.push_back(entry);
    Some(fitted)
}

/// Hash of everything that the fit looks at.
fn key(data: &Observations) -> Key {
    let mut hash = Sha256::new();
    for names in [&data.references, &data.states, &data.drivers] {
        hash.update((names.len() as u64).to_le_bytes());
        for name in names {
            hash.update((name.len() as u64).to_le_bytes());
            hash.update(name);
        }
    }
    for interval in &data.intervals {
        let lengths = [interval.made.len(), interval.resting.len(), interval.drivers.len()];
        lengths.iter().for_each(|length| hash.update((*length as u64).to_le_bytes()));
        let positions = interval.made.iter().map(|m| m.reference);
        for position in positions.chain(interval.resting.iter().map(|r| r.0)) {
            hash.update((position as u64).to_le_bytes());
        }
        let made = interval.made.iter().flat_map(|m| [m.units, m.hours]);
        let resting = interval.resting.iter().map(|r| r.1);
        let numbers = [interval.hours, interval.energy].into_iter().chain(made).chain(resting);
        for number in numbers.chain(interval.drivers.iter().copied()) {
            hash.update(number.to_bits().to_le_bytes());
        }
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analytics::baseline::{Interval, Made};

    fn data(last: f64) -> Observations {
        let interval = |hour: usize| Interval {
            hours: 1.0,
            energy: if hour == 99 { last } else { 5.0 + 10.0 * (hour % 2) as f64 },
            made: if hour % 2 == 1 {
                vec![Made { reference: 0, units: 10.0, hours: 1.0 }]
            } else {
                Vec::new()
            },
            ..Interval::default()
        };
        Observations {
            references: vec!["a".into()],
            intervals: (0..100).map(interval).collect(),
            ..Observations::default()
        }
    }

    #[tokio::test]
    async fn the_same_data_is_fitted_once_and_other_data_anew() {
        let first = model(&data(15.0)).await.unwrap();
        assert!(first.is_ok(), "{first:?}");
        assert!(Arc::ptr_eq(&first, &model(&data(15.0)).await.unwrap()));
        assert!(!Arc::ptr_eq(&first, &model(&data(16.0)).await.unwrap()));
        let mut renamed = data(15.0);
        renamed.references = vec!["b".into()];
        assert_ne!(key(&renamed), key(&data(15.0)));
    }
}
