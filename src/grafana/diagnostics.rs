//! CheckHealth ("Save & test") and CollectMetrics.

use chrono::{DateTime, SecondsFormat, Utc};
use grafana_plugin_sdk::pluginv2 as pb;
use serde_json::json;
use tonic::{Request, Response, Status, async_trait};

use super::Plugin;
use super::instance::Instance;
use super::telemetry;
use crate::db::{DbError, column};
use crate::domain::DatabaseKind;
use crate::schema;
use crate::sql::{Statement, latest};

/// What was found at a data source.
struct Found {
    kind: DatabaseKind,
    version: i64,
    /// `None` when the schema is not the one that this plugin reads.
    contents: Option<Contents>,
    /// The read hosts that do not answer as they should, with why.
    faulty: Vec<(String, String)>,
    read_hosts: usize,
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
        let (status, message, details) = match checked {
            Ok(found) => report(&found),
            Err(error) => {
                tracing::warn!(%error, "health check failed");
                (pb::check_health_response::HealthStatus::Error, error.to_string(), json!({}))
            }
        };
        Ok(Response::new(pb::CheckHealthResponse {
            status: status.into(),
            message,
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
async fn faulty_read_hosts(instance: &Instance) -> Vec<(String, String)> {
    let mut servers = instance.db.apart();
    servers.pop();
    let ask = servers.into_iter().map(|(address, db)| async move {
        let why = match db.fetch(schema::VERSION_SQL).await {
            Err(error) => error.to_string(),
            Ok(rows) => {
                let version: Option<i64> =
                    rows.first().and_then(|row| column(row, 0).ok()).flatten();
                if version == Some(schema::LATEST) {
                    return None;
                }
                format!("its schema has version {}", version.unwrap_or(0))
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

fn report(found: &Found) -> (pb::check_health_response::HealthStatus, String, serde_json::Value) {
    use pb::check_health_response::HealthStatus;
    let Some(contents) = &found.contents else {
        let message = format!(
            "Connected, but the schema has version {} and this plugin needs {}: {}",
            found.version,
            schema::LATEST,
            if found.version < schema::LATEST {
                "run `lotwise migrate`"
            } else {
                "update the plugin"
            },
        );
        let details = json!({
            "databaseKind": found.kind.to_string(),
            "schemaVersion": found.version,
        });
        return (HealthStatus::Error, message, details);
    };
    let newest = contents.newest.map(|t| t.to_rfc3339_opts(SecondsFormat::Secs, true));
    let faulty = found.faulty.iter().map(|(host, why)| json!({"host": host, "error": why}));
    let mut details = json!({
        "databaseKind": found.kind.to_string(),
        "schemaVersion": found.version,
        "plants": contents.plants,
        "sensors": contents.sensors,
        "newestReading": newest,
    });
    if found.read_hosts > 0 {
        details["readHosts"] = json!(found.read_hosts);
        details["readHostsFaulty"] = faulty.collect();
    }
    let mut message = format!(
        "Connected. {}, schema version {}, {} plants, {} sensors, {}.",
        found.kind,
        found.version,
        contents.plants,
        contents.sensors,
        match newest {
            Some(time) => format!("newest reading {time}"),
            None =>
                "no readings yet: post some with `lotwise demo` or POST /v1/readings".to_owned(),
        }
    );
    for (host, why) in &found.faulty {
        message.push_str(&format!(" Mind: the read host {host} is not used: {why}."));
    }
    if contents.writable {
        message.push_str(
            " Mind: this user may write; give the data source a user with the role lotwise_reader.",
        );
    }
    (HealthStatus::Ok, message, details)
}
