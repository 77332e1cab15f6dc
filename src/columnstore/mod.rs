//! The columnstore of the readings: old chunks are kept by sensor and column, at about an eighth of
//! the size. TimescaleDB's community edition only.
//!
//! Run by the owner role. Figures stay the same, and readings that come late into a chunk of the
//! columnstore are stored like any others (`ingest::copy_pool` lifts the limit that TimescaleDB sets
//! on it), only slower: hence a chunk should be older than most corrections.

pub mod cli;

use chrono::{DateTime, Utc};
use sqlx::Connection;
use sqlx::postgres::PgConnection;

use crate::reader;
use crate::schema;

/// Why there is no columnstore; says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ColumnstoreError {
    /// Another kind of database.
    #[error(
        "the database is {0}: a columnstore needs TimescaleDB's community edition (the package timescaledb-2-postgresql-*, not timescaledb-2-oss-*)"
    )]
    Edition(String),
    /// Logins are held to plants.
    #[error(
        "logins are held to plants by row security (`lotwise reader list`), which TimescaleDB does not allow together with a columnstore: keep one of the two"
    )]
    RowSecurity,
    /// The database refused.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// A chunk of the readings.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct Chunk {
    /// Name of the table.
    pub name: String,
    /// Start, UTC.
    pub starts: DateTime<Utc>,
    /// End, UTC.
    pub ends: DateTime<Utc>,
    /// Whether it is in the columnstore.
    pub is_columnar: bool,
    /// Bytes on disk, indexes included.
    pub bytes: i64,
}

/// As a row store keeps them together, and as every query reads them: by sensor, in order of time.
const ENABLE: &str = "ALTER TABLE lotwise.reading SET (timescaledb.compress,
    timescaledb.compress_segmentby = 'plant_id, sensor_id', timescaledb.compress_orderby = 'time')";

const NO_POLICY: &str =
    "SELECT public.remove_compression_policy('lotwise.reading', if_exists => true)";

const POLICY: &str = "SELECT public.add_compression_policy('lotwise.reading', compress_after => make_interval(days => $1))";

/// The chunks of the readings, oldest first; on every edition.
pub(crate) const CHUNKS: &str =
    "SELECT format('%I.%I', c.chunk_schema, c.chunk_name) AS name, c.range_start AS starts,
        c.range_end AS ends, c.is_compressed AS is_columnar, coalesce(s.total_bytes, 0) AS bytes
    FROM timescaledb_information.chunks c
    LEFT JOIN public.chunks_detailed_size('lotwise.reading') s
        ON s.chunk_schema = c.chunk_schema AND s.chunk_name = c.chunk_name
    WHERE c.hypertable_schema = 'lotwise' AND c.hypertable_name = 'reading' ORDER BY c.range_start";

/// Chunks older than so many days go to the columnstore, by a job of the database.
///
/// # Errors
/// [`ColumnstoreError`], whose text says what to do.
pub async fn turn_on(conn: &mut PgConnection, after_days: i32) -> Result<(), ColumnstoreError> {
    check_edition(conn).await?;
    if reader::walls_stand(conn).await? {
        return Err(ColumnstoreError::RowSecurity);
    }
    let mut tx = conn.begin().await?;
    if !schema::has_columnstore(&mut tx).await? {
        sqlx::query(ENABLE).execute(&mut *tx).await?;
    }
    sqlx::query(NO_POLICY).execute(&mut *tx).await?;
    sqlx::query(POLICY).bind(after_days).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(())
}

/// Moves the chunks that end before a time to the columnstore now; how many.
///
/// # Errors
/// [`ColumnstoreError`], whose text says what to do.
pub async fn move_before(
    conn: &mut PgConnection,
    before: DateTime<Utc>,
) -> Result<usize, ColumnstoreError> {
    let chunks = chunks(conn).await?;
    let due = chunks.iter().filter(|c| !c.is_columnar && c.ends <= before);
    let mut moved = 0;
    for chunk in due {
        sqlx::query("SELECT public.compress_chunk($1::regclass)")
            .bind(&chunk.name)
            .execute(&mut *conn)
            .await?;
        moved += 1;
    }
    Ok(moved)
}

/// Moves all chunks back to rows and forgets the columnstore; how many were moved.
///
/// # Errors
/// [`ColumnstoreError`], whose text says what to do.
pub async fn turn_off(conn: &mut PgConnection) -> Result<usize, ColumnstoreError> {
    check_edition(conn).await?;
    if !schema::has_columnstore(conn).await? {
        return Ok(0);
    }
    sqlx::query(NO_POLICY).execute(&mut *conn).await?;
    let mut moved = 0;
    for chunk in chunks(conn).await?.iter().filter(|c| c.is_columnar) {
        sqlx::query("SELECT public.decompress_chunk($1::regclass)")
            .bind(&chunk.name)
            .execute(&mut *conn)
            .await?;
        moved += 1;
    }
    sqlx::query("ALTER TABLE lotwise.reading SET (timescaledb.compress = false)")
        .execute(conn)
        .await?;
    Ok(moved)
}

/// The chunks of the readings, oldest first.
///
/// # Errors
/// [`ColumnstoreError`], whose text says what to do.
pub async fn chunks(conn: &mut PgConnection) -> Result<Vec<Chunk>, ColumnstoreError> {
    check_edition(conn).await?;
    Ok(sqlx::query_as(CHUNKS).fetch_all(conn).await?)
}

async fn check_edition(conn: &mut PgConnection) -> Result<(), ColumnstoreError> {
    match schema::database_kind(conn).await? {
        kind if kind.is_community() => Ok(()),
        kind => Err(ColumnstoreError::Edition(kind.to_string())),
    }
}
