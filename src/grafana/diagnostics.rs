//! CheckHealth ("Save & test") and CollectMetrics.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use grafana_plugin_sdk::pluginv2 as pb;
use grafana_plugin_sdk::pluginv2::check_health_response::HealthStatus;
use serde_json::json;
use tonic::{Request, Response, Status, async_trait};

use super::Plugin;
use super::instance::Instance;
use super::telemetry;
use crate::db::{DbError, column};
use crate::domain::{DatabaseKind, Say};
use crate::schema;
use crate::sql::{Statement, latest};

/// What was found at a data source.
struct Found {
    kind: DatabaseKind,
    version: i64,
    /// `None` when the schema is not the one that this plugin reads.
    contents: Option<Contents>,
    /// The read hosts that do not answer as they should, with why.
    faulty: Vec<(String, Fault)>,
    read_hosts: usize,
}

/// Why a read host is not used.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error("its schema has version {0}")]
    Version(i64),
}

impl Say for Fault {
    fn in_spanish(&self) -> String {
        match self {
            Self::Db(e) => e.in_spanish(),
            Self::Version(version) => format!("su esquema tiene la versión {version}"),
        }
    }
}

/// What a data source that works has to show.
struct Contents {
    plants: usize,
    sensors: usize,
    newest: Option<DateTime<Utc>>,
    writable: bool,
}

#[async_trait]
impl pb::diagnostics_server::Diagnostics for Plugin {
    async fn check_health(
        &self,
        request: Request<pb::CheckHealthRequest>,
    ) -> Result<Response<pb::CheckHealthResponse>, Status> {
        let request = request.into_inner();
        let checked = match self.instances.get(request.plugin_context.as_ref()) {
            Ok(instance) => check(&instance).await,
            Err(e) => Err(e),
        };
        let said: &dyn Say = match &checked {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, "health check failed");
                error
            }
        };
        let (status, mut details) = match &checked {
            Ok(found) => (found.status(), found.details()),
            Err(_) => (HealthStatus::Error, json!({})),
        };
        // Grafana does not say who looks: the configuration page takes the one in its language.
        details["messages"] = json!({"en": said.to_string(), "es": said.in_spanish()});
        Ok(Response::new(pb::CheckHealthResponse {
            status: status.into(),
            message: said.to_string(),
            json_details: details.to_string().into_bytes(),
        }))
    }

    async fn collect_metrics(
        &self,
        _: Request<pb::CollectMetricsRequest>,
    ) -> Result<Response<pb::CollectMetricsResponse>, Status> {
        let text = telemetry::text() + &self.instances.metrics();
        let metrics = pb::collect_metrics_response::Payload { prometheus: text.into_bytes() };
        Ok(Response::new(pb::CollectMetricsResponse { metrics: Some(metrics) }))
    }
}

async fn check(instance: &Instance) -> Result<Found, DbError> {
    let db = &instance.db;
    let kind = db.fetch(schema::KIND_SQL).await?;
    let kind = kind.first().ok_or_else(|| DbError::Unexpected("no kind".to_owned()))?;
    let extension: Option<String> = column(kind, 0)?;
    let license: Option<String> = column(kind, 1)?;
    let version = db.fetch(schema::VERSION_SQL).await?;
    let version: Option<i64> = version.first().map(|row| column(row, 0)).transpose()?.flatten();
    let version = version.unwrap_or(0);
    Ok(Found {
        kind: DatabaseKind::parse(extension.as_deref(), license.as_deref()),
        version,
        contents: match version {
            schema::LATEST => Some(contents(instance).await?),
            _ => None,
        },
        faulty: faulty_read_hosts(instance).await,
        read_hosts: instance.settings.read_hosts.len(),
    })
}

/// Asks each read host by itself for its schema's version.
async fn faulty_read_hosts(instance: &Instance) -> Vec<(String, Fault)> {
    let mut servers = instance.db.apart();
    servers.pop();
    let ask = servers.into_iter().map(|(address, db)| async move {
        let why = match db.fetch(schema::VERSION_SQL).await {
            Err(error) => Fault::Db(error),
            Ok(rows) => {
                let version: Option<i64> =
                    rows.first().and_then(|row| column(row, 0).ok()).flatten();
                if version == Some(schema::LATEST) {
                    return None;
                }
                Fault::Version(version.unwrap_or(0))
            }
        };
        Some((address.to_string(), why))
    });
    futures_util::future::join_all(ask).await.into_iter().flatten().collect()
}

async fn contents(instance: &Instance) -> Result<Contents, DbError> {
    let db = &instance.db;
    instance.forget_catalog().await;
    let catalog = instance.catalog().await?;
    let sensors: Vec<_> = catalog.sensors.iter().collect();
    let Statement { sql, params, .. } = latest::statement(&sensors, catalog.raw_from);
    let rows = db.query(&sql, params).await?;
    let times = rows.iter().map(|r| latest::read(r).map(|(_, time, _)| time));
    let newest = times.collect::<Result<Vec<_>, _>>()?.into_iter().max();
    let writable = db.fetch(WRITABLE).await?;
    let writable = writable.first().map(|row| column(row, 0)).transpose()?.unwrap_or(false);
    Ok(Contents { plants: catalog.plants.len(), sensors: sensors.len(), newest, writable })
}

const WRITABLE: &str = "SELECT has_table_privilege('lotwise.reading', 'INSERT, UPDATE, DELETE')";

impl Found {
    fn status(&self) -> HealthStatus {
        if self.contents.is_some() { HealthStatus::Ok } else { HealthStatus::Error }
    }

    /// For programs.
    fn details(&self) -> serde_json::Value {
        let mut details = json!({
            "databaseKind": self.kind.to_string(),
            "schemaVersion": self.version,
        });
        let Some(contents) = &self.contents else { return details };
        details["plants"] = json!(contents.plants);
        details["sensors"] = json!(contents.sensors);
        details["newestReading"] = json!(contents.newest());
        if self.read_hosts > 0 {
            let fault =
                |(host, why): &(String, Fault)| json!({"host": host, "error": why.to_string()});
            details["readHosts"] = json!(self.read_hosts);
            details["readHostsFaulty"] = self.faulty.iter().map(fault).collect();
        }
        details
    }
}

impl Contents {
    fn newest(&self) -> Option<String> {
        self.newest.map(|time| time.to_rfc3339_opts(SecondsFormat::Secs, true))
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, version, latest) = (&self.kind, self.version, schema::LATEST);
        let Some(contents) = &self.contents else {
            let what = if version < latest { "run `lotwise migrate`" } else { "update the plugin" };
            return write!(
                f,
                "Connected, but the schema has version {version} and this plugin needs {latest}: {what}"
            );
        };
        let Contents { plants, sensors, .. } = contents;
        write!(
            f,
            "Connected. {kind}, schema version {version}, {plants} plants, {sensors} sensors, "
        )?;
        match contents.newest() {
            Some(time) => write!(f, "newest reading {time}.")?,
            None => {
                f.write_str(
                    "no readings yet: post some with `lotwise demo` or POST /v1/readings.",
                )?;
            }
        }
        for (host, why) in &self.faulty {
            write!(f, " Mind: the read host {host} is not used: {why}.")?;
        }
        if contents.writable {
            f.write_str(
                " Mind: this user may write; give the data source a user with the role lotwise_reader.",
            )?;
        }
        Ok(())
    }
}

impl Say for Found {
    fn in_spanish(&self) -> String {
        let (kind, version, latest) = (self.kind.in_spanish(), self.version, schema::LATEST);
        let Some(contents) = &self.contents else {
            let what =
                if version < latest { "ejecute `lotwise migrate`" } else { "actualice el plugin" };
            return format!(
                "Conectado, pero el esquema tiene la versión {version} y este plugin necesita la {latest}: {what}"
            );
        };
        let Contents { plants, sensors, .. } = contents;
        let newest = match contents.newest() {
            Some(time) => format!("última lectura {time}"),
            None => {
                "aún sin lecturas: envíe algunas con `lotwise demo` o POST /v1/readings".to_owned()
            }
        };
        let mut said = format!(
            "Conectado. {kind}, esquema versión {version}, {plants} plantas, {sensors} sensores, {newest}."
        );
        for (host, why) in &self.faulty {
            let why = why.in_spanish();
            said += &format!(" Atención: la réplica de lectura {host} no se usa: {why}.");
        }
        if contents.writable {
            said += " Atención: este usuario puede escribir; dé a la fuente de datos un usuario con el rol lotwise_reader.";
        }
        said
    }
}
