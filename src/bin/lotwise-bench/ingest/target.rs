//! The table that everything is written to, and the ways to write to it without Lotwise.

use std::ops::Range;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use lotwise::ingest::keys::store::{self, NewKey};
use lotwise::ingest::keys::{Scope, Secret};
use sqlx::postgres::PgPool;
use tokio_postgres::types::ToSql;

use super::rows;
use crate::support::db::TestDb;

/// Rows of one INSERT.
const INSERT_ROWS: usize = 1_000;

/// A database with the plant `bench`, its sensors and a key for readings.
pub struct Target {
    url: String,
    psql: PathBuf,
    pool: PgPool,
    plant: i32,
    sensors: Vec<i32>,
    /// The key's secret.
    pub key: String,
}

impl Target {
    /// Makes plant, sensors and key.
    pub async fn prepare(db: &TestDb, psql: PathBuf) -> anyhow::Result<Self> {
        let pool = db.pool().await;
        let plant: i32 = sqlx::query_scalar(
            "INSERT INTO plant (key, name, time_zone) VALUES ('bench', 'Bench', 'UTC') RETURNING id",
        )
        .fetch_one(&pool)
        .await?;
        let keys: Vec<String> = (0..rows::SENSORS).map(rows::key).collect();
        sqlx::query(
            "INSERT INTO sensor (plant_id, key, name, quantity, unit, kind)
             SELECT $1, key, key, 'temperature', '°C', 'gauge' FROM unnest($2::text[]) key",
        )
        .bind(plant)
        .bind(&keys)
        .execute(&pool)
        .await?;
        let sensors =
            sqlx::query_scalar("SELECT id FROM sensor ORDER BY key").fetch_all(&pool).await?;
        let secret = Secret::generate()?;
        let key =
            NewKey { name: "bench", scopes: &[Scope::Readings], plants: &[], expires_at: None };
        store::insert(&pool, &key, &secret.hash()).await?;
        Ok(Self {
            url: db.url.clone(),
            psql,
            pool,
            plant,
            sensors,
            key: secret.reveal().to_owned(),
        })
    }

    /// Empties the table. Its partition is there, with one row, before the clock starts, and the
    /// checkpoint lets every way of writing start from the same state.
    pub async fn empty(&self) -> anyhow::Result<()> {
        for statement in [
            "TRUNCATE reading",
            "SELECT ensure_partitions($1, $1)",
            "INSERT INTO reading (time, value, plant_id, sensor_id) VALUES ($1, 0, 0, 0)",
            "CHECKPOINT",
        ] {
            let query = sqlx::query(statement);
            let query = if statement.contains("$1") { query.bind(rows::before()) } else { query };
            query.execute(&self.pool).await?;
        }
        Ok(())
    }

    /// Fails unless the table holds so many rows.
    pub async fn check(&self, expected: usize) -> anyhow::Result<()> {
        let stored: i64 = sqlx::query_scalar("SELECT count(*) FROM reading WHERE plant_id = $1")
            .bind(self.plant)
            .fetch_one(&self.pool)
            .await?;
        ensure!(usize::try_from(stored) == Ok(expected), "{stored} rows of {expected} are stored");
        Ok(())
    }

    /// The floor: one binary COPY of the rows by psql, its start included.
    pub async fn copy(&self, rows: Range<usize>) -> anyhow::Result<Duration> {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), rows::copy_file(rows, self.plant, &self.sensors))?;
        let copy = format!(
            "\\copy lotwise.reading (time, value, plant_id, sensor_id) from '{}' with (format binary)",
            file.path().display()
        );
        // Arguments are seen by everyone on the machine: the password is no part of them.
        let mut url = url::Url::parse(&self.url)?;
        let config: tokio_postgres::Config = self.url.parse()?;
        let _ = url.set_password(None);
        let mut psql = tokio::process::Command::new(&self.psql);
        if let Some(password) = config.get_password() {
            psql.env("PGPASSWORD", String::from_utf8_lossy(password).as_ref());
        }
        psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", &copy, "-d", url.as_str()])
            .stdin(Stdio::null());
        let start = Instant::now();
        let status = psql.status().await.context("psql not started: is it in the PATH?")?;
        let took = start.elapsed();
        ensure!(status.success(), "psql failed: {status}");
        Ok(took)
    }

    /// Multi-row INSERT of 1,000 rows, prepared, one connection, each committed.
    pub async fn insert(&self, rows: Range<usize>) -> anyhow::Result<Vec<Duration>> {
        let (client, connection) =
            tokio_postgres::connect(&self.url, tokio_postgres::NoTls).await?;
        let connection = tokio::spawn(connection);
        let values: Vec<String> = (0..INSERT_ROWS)
            .map(|i| format!("(${}, ${}, ${}, ${})", 4 * i + 1, 4 * i + 2, 4 * i + 3, 4 * i + 4))
            .collect();
        let statement = format!(
            "INSERT INTO lotwise.reading (time, value, plant_id, sensor_id) VALUES {}",
            values.join(", ")
        );
        let statement = client.prepare(&statement).await?;
        let rows = rows::columns(rows, &self.sensors);
        let mut committed = Vec::new();
        for batch in rows.chunks(INSERT_ROWS) {
            let parameters: Vec<&(dyn ToSql + Sync)> = batch
                .iter()
                .flat_map(|(time, value, sensor)| {
                    [time as &(dyn ToSql + Sync), value, &self.plant, sensor]
                })
                .collect();
            let start = Instant::now();
            client.execute(&statement, &parameters).await?;
            committed.push(start.elapsed());
        }
        drop(client);
        connection.await??;
        Ok(committed)
    }
}
