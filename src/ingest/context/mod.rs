//! Production context: plants and what is in them, lots, runs, states, counts, tariffs.
//!
//! Every kind of item is created or changed by its natural key. A field that is left out keeps what
//! is stored, and `null` clears it: so the repeat of an old message does not undo a newer one.

mod field;
pub(super) mod lookup;
mod set;
mod validity;

pub mod count;
pub mod factor;
pub mod lot;
pub mod named;
pub mod place;
pub mod run;
pub mod sensor;
pub mod shift;
pub mod state;
pub mod target;
pub mod tariff;

pub use field::{Name, Update};
pub use set::Set;

use std::future::Future;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use sqlx::postgres::{PgConnection, PgPool};

use crate::domain::Key;
use crate::ingest::auth::Grant;
use crate::ingest::database::{Unavailable, sqlstate};
use crate::ingest::payload::json::{from_object, plain};

/// A kind of item.
pub trait Resource: DeserializeOwned + Send + Sync + 'static {
    /// Its name in paths: `/v1/NAME`.
    const NAME: &'static str;
    /// The list as one JSON text a row. `$1`: plants or null for all, `$2`: most rows.
    const LIST: &'static str;

    /// The plant that the item belongs to.
    fn plant(&self) -> &Key;

    /// Creates or changes the item.
    fn upsert(&self, conn: &mut PgConnection)
    -> impl Future<Output = Result<(), ItemError>> + Send;

    /// Creates or changes many items in a few statements, as if they came one after the other. When
    /// it fails or declines, what it did is undone.
    fn upsert_set(
        _conn: &mut PgConnection,
        _items: &[&Self],
    ) -> impl Future<Output = sqlx::Result<Set>> + Send {
        std::future::ready(Ok(Set::Declined))
    }
}

/// Why an item is refused.
#[derive(Debug, thiserror::Error)]
pub enum ItemError {
    /// It cannot be read.
    #[error("{0}")]
    Malformed(String),
    /// The API key is for other plants.
    #[error("this API key may not write to plant {0:?}")]
    PlantNotAllowed(String),
    /// No such plant.
    #[error("unknown plant \"{0}\": create it first with POST /v1/plants")]
    UnknownPlant(Key),
    /// Something else that it names does not exist.
    #[error("unknown {what} \"{key}\" in plant \"{plant}\": create it first with POST /v1/{what}s")]
    Unknown {
        /// What it is, in the singular.
        what: &'static str,
        /// Its key.
        key: Key,
        /// Where it was looked for.
        plant: Key,
    },
    /// The item that it is about does not exist.
    #[error("{0}")]
    Missing(String),
    /// Two intervals on one place overlap.
    #[error("{0}")]
    Overlap(String),
    /// It contradicts what is stored.
    #[error("{0}")]
    Conflict(String),
    /// It contradicts itself.
    #[error("{0}")]
    Invalid(String),
    /// The database's error.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl ItemError {
    /// The reason for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::PlantNotAllowed(_) => "plant_not_allowed",
            Self::UnknownPlant(_) => "unknown_plant",
            Self::Unknown { what, .. } => match *what {
                "line" => "unknown_line",
                "machine" => "unknown_machine",
                "sensor" => "unknown_sensor",
                "lot" => "unknown_lot",
                "run" => "unknown_run",
                "reference" => "unknown_reference",
                _ => "unknown",
            },
            Self::Missing(_) => "missing",
            Self::Overlap(_) => "overlap",
            Self::Conflict(_) => "conflict",
            Self::Invalid(_) => "invalid",
            Self::Database(_) => "database",
        }
    }

    /// Tells a refused item from a database that does not work.
    pub fn or_unavailable(self) -> Result<Self, Unavailable> {
        let Self::Database(error) = self else { return Ok(self) };
        match (sqlstate(&error).as_deref(), error.as_database_error()) {
            (Some("23P01"), _) => Ok(Self::Overlap(
                "it overlaps an interval on the same place that was stored just now".to_owned(),
            )),
            // A value or a constraint: the item's fault, not the database's.
            (Some(code), Some(db)) if code.starts_with("22") || code.starts_with("23") => {
                Ok(Self::Conflict(format!("the database refuses it: {}", db.message())))
            }
            _ => Err(error.into()),
        }
    }
}

/// Stores the items in the connection's transaction; a refused item leaves the others alone.
/// Returns the refused ones with their index.
///
/// # Errors
/// The database does not take them now; the transaction is to be rolled back.
pub async fn upsert_all<R: Resource>(
    conn: &mut PgConnection,
    grant: &Grant,
    items: &[&RawValue],
) -> Result<Vec<(usize, ItemError)>, Unavailable> {
    let mut refused = Vec::new();
    let mut good: Vec<(usize, R)> = Vec::with_capacity(items.len());
    for (index, text) in items.iter().enumerate() {
        match parse(grant, text) {
            Ok(item) => good.push((index, item)),
            Err(error) => refused.push((index, error)),
        }
    }
    refused.extend(set::store(conn, &good).await?);
    refused.sort_by_key(|(index, _)| *index);
    Ok(refused)
}

fn parse<R: Resource>(grant: &Grant, text: &RawValue) -> Result<R, ItemError> {
    let item: R = from_object(text).map_err(|e| ItemError::Malformed(plain(&e)))?;
    if !grant.allows_plant(item.plant().as_str()) {
        return Err(ItemError::PlantNotAllowed(item.plant().to_string()));
    }
    Ok(item)
}

/// Lists items of the plants (none: of all), each as JSON.
///
/// # Errors
/// The database does not answer.
pub async fn list<R: Resource>(
    pool: &PgPool,
    plants: Option<Vec<String>>,
    limit: i64,
) -> Result<Vec<Box<RawValue>>, Unavailable> {
    let rows: Vec<String> =
        sqlx::query_scalar(R::LIST).bind(plants).bind(limit).fetch_all(pool).await?;
    rows.into_iter()
        .map(|text| RawValue::from_string(text).map_err(|e| sqlx::Error::Decode(e.into()).into()))
        .collect()
}
