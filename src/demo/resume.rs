//! Finds out how far the factory's data reaches.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::factory::layout::PLANTS;
use crate::client::{Client, ClientError};

/// What the API's states say about the data that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Everything that began before this second is there, for all plants.
    pub newest: i64,
    /// Runs and states that began before this second were never posted, or ended long ago.
    pub oldest: i64,
}

#[derive(Deserialize)]
struct State {
    started_at: DateTime<Utc>,
}

/// What is there; `None` where a plant has nothing.
///
/// States are posted last, in the order of their start and after the readings of their slice. So
/// readings and runs reach at least to the newest state's start; what lies behind it is posted
/// again, which changes nothing. No state lasts as long as the 10,000 that are asked for.
pub async fn known(client: &Client) -> Result<Option<Known>, ClientError> {
    let mut known: Option<Known> = None;
    for plant in &PLANTS {
        let query = [("plant", plant.key), ("limit", "10000")];
        let states: Vec<State> = client.items("states", &query).await?;
        let starts = || states.iter().map(|state| state.started_at.timestamp());
        let (Some(newest), Some(oldest)) = (starts().max(), starts().min()) else {
            return Ok(None);
        };
        known = Some(known.map_or(Known { newest, oldest }, |other| Known {
            newest: other.newest.min(newest),
            oldest: other.oldest.min(oldest),
        }));
    }
    Ok(known)
}
