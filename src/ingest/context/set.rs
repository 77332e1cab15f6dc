//! Many items in a few statements.
//!
//! A batch is stored as a set, all or nothing. Where it does not fit, because an item has to be
//! refused, smaller sets are tried, and of those that do not fit either each item alone: so every
//! refusal says exactly what it says about a single item.

use sqlx::Connection;
use sqlx::postgres::PgConnection;

use super::{ItemError, Resource};
use crate::ingest::database::{Unavailable, sqlstate};

/// What became of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Set {
    /// All items are stored.
    Stored,
    /// Some item is not for a set: undo, and store them one by one.
    Declined,
}

impl Set {
    /// Stored when each item led to a row.
    pub(super) fn of(rows: u64, items: usize) -> Self {
        if usize::try_from(rows) == Ok(items) { Self::Stored } else { Self::Declined }
    }
}

/// Items in a set after the first attempt: little is repeated for one that is refused.
const SMALL: usize = 64;

/// Stores items, with their index in the request; returns the refused ones.
///
/// # Errors
/// The database does not take them now.
pub(super) async fn store<R: Resource>(
    conn: &mut PgConnection,
    items: &[(usize, R)],
) -> Result<Vec<(usize, ItemError)>, Unavailable> {
    if as_set(conn, items).await? == Set::Stored {
        return Ok(Vec::new());
    }
    let mut refused = Vec::new();
    for few in items.chunks(SMALL) {
        if few.len() < items.len() && as_set(conn, few).await? == Set::Stored {
            continue;
        }
        for (index, item) in few {
            let mut savepoint = conn.begin().await?;
            match item.upsert(&mut savepoint).await {
                Ok(()) => savepoint.commit().await?,
                Err(error) => {
                    let error = error.or_unavailable()?;
                    savepoint.rollback().await?;
                    refused.push((*index, error));
                }
            }
        }
    }
    Ok(refused)
}

async fn as_set<R: Resource>(
    conn: &mut PgConnection,
    items: &[(usize, R)],
) -> Result<Set, Unavailable> {
    if items.len() < 2 {
        return Ok(Set::Declined);
    }
    let items: Vec<&R> = items.iter().map(|(_, item)| item).collect();
    let mut savepoint = conn.begin().await?;
    let done = match R::upsert_set(&mut savepoint, &items).await {
        Err(error) if is_an_items_fault(&error) => Set::Declined,
        done => done?,
    };
    match done {
        Set::Stored => savepoint.commit().await?,
        Set::Declined => savepoint.rollback().await?,
    }
    Ok(done)
}

/// One row twice (21000), a value, or a constraint.
fn is_an_items_fault(error: &sqlx::Error) -> bool {
    let code = sqlstate(error).unwrap_or_default();
    ["21", "22", "23"].iter().any(|class| code.starts_with(class))
}
