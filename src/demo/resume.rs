//! Finds out how far the factory's data reaches.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::factory::layout::PLANTS;
use crate::client::{Client, ClientError};

#[derive(Deserialize)]
struct Begun {
    started_at: DateTime<Utc>,
}

/// The second up to which all plants have readings, as far as their states and runs tell; `None`
/// when a plant has none.
///
/// States are posted after the readings of their slice, so the newest one does not begin after the
/// readings end; what lies between the two is posted again, which changes nothing.
pub async fn newest(client: &Client) -> Result<Option<i64>, ClientError> {
    let mut newest: Option<i64> = None;
    for plant in &PLANTS {
        let mut edges = Vec::new();
        for kind in ["states", "runs"] {
            let query = [("plant", plant.key), ("limit", "1000")];
            for interval in client.items::<Begun>(kind, &query).await? {
                edges.push(interval.started_at.timestamp());
            }
        }
        let Some(edge) = edges.into_iter().max() else { return Ok(None) };
        newest = Some(newest.map_or(edge, |other| other.min(edge)));
    }
    Ok(newest)
}
