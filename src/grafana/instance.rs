//! One data source as configured in Grafana: its pool and its catalog, kept between requests.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use grafana_plugin_sdk::pluginv2::PluginContext;

use super::in_flight::InFlight;
use super::telemetry;
use crate::catalog::{self, Catalog};
use crate::db::{Db, DbError, Settings, SettingsError};
use crate::domain::Words;

/// How long a catalog serves before it is read again: how soon a new sensor shows.
const CATALOG_AGE: Duration = Duration::from_secs(10);

/// Parts of a request that Grafana always sends.
const CONTEXT: Words =
    ["The plugin context of the request", "El contexto del plugin de la petición"];
const SOURCE: Words = ["The data source of the request", "La fuente de datos de la petición"];

/// A configured data source.
pub(super) struct Instance {
    pub(super) settings: Settings,
    pub(super) db: Db,
    pub(super) in_flight: InFlight,
    catalog: tokio::sync::Mutex<Kept>,
}

/// How the catalog was read last.
#[derive(Default)]
enum Kept {
    #[default]
    Nothing,
    Read(Instant, Arc<Catalog>),
    Failed(Instant, Arc<DbError>),
}

impl Instance {
    /// The catalog, at most [`CATALOG_AGE`] old. Concurrent requests wait for one reading of it, and
    /// share its failure: the panels of a dashboard do not try a dead server one after the other.
    pub(super) async fn catalog(&self) -> Result<Arc<Catalog>, DbError> {
        let asked = Instant::now();
        let mut kept = self.catalog.lock().await;
        match &*kept {
            Kept::Read(at, catalog) if at.elapsed() < CATALOG_AGE => {
                metrics::counter!(telemetry::CATALOG, "result" => "hit").increment(1);
                return Ok(catalog.clone());
            }
            Kept::Failed(at, error) if *at > asked => return Err(DbError::Shared(error.clone())),
            _ => {}
        }
        metrics::counter!(telemetry::CATALOG, "result" => "miss").increment(1);
        *kept = Kept::Nothing;
        match catalog::load(&self.db, &self.settings.plants, &self.settings.lines).await {
            Ok(fresh) => {
                let fresh = Arc::new(fresh);
                *kept = Kept::Read(Instant::now(), fresh.clone());
                Ok(fresh)
            }
            Err(error) => {
                let error = Arc::new(error);
                *kept = Kept::Failed(Instant::now(), error.clone());
                Err(DbError::Shared(error))
            }
        }
    }

    /// Forgets the catalog: the next request reads it again.
    pub(super) async fn forget_catalog(&self) {
        *self.catalog.lock().await = Kept::Nothing;
    }
}

/// Organisation and uid.
type Key = (i64, String);
/// Hash of the settings and secrets that an instance was made of.
type Fingerprint = u64;

/// All data sources of this process.
#[derive(Default)]
pub(super) struct Instances {
    by_uid: Mutex<HashMap<Key, (Fingerprint, Arc<Instance>)>>,
}

impl Instances {
    /// The data source of a request; made anew when its settings changed.
    pub(super) fn get(&self, context: Option<&PluginContext>) -> Result<Arc<Instance>, DbError> {
        let context = context.ok_or(SettingsError::Missing(CONTEXT))?;
        let source =
            context.data_source_instance_settings.as_ref().ok_or(SettingsError::Missing(SOURCE))?;
        let fingerprint = {
            let mut hasher = DefaultHasher::new();
            source.json_data.hash(&mut hasher);
            let mut secrets: Vec<_> = source.decrypted_secure_json_data.iter().collect();
            secrets.sort();
            secrets.hash(&mut hasher);
            hasher.finish()
        };
        let key = (context.org_id, source.uid.clone());
        let mut known = self.by_uid.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((made_of, instance)) = known.get(&key)
            && *made_of == fingerprint
        {
            return Ok(instance.clone());
        }
        let settings = Settings::parse(&source.json_data, &source.decrypted_secure_json_data)?;
        let db = Db::new(&settings)?;
        let instance = Arc::new(Instance {
            settings,
            db,
            in_flight: InFlight::default(),
            catalog: Default::default(),
        });
        known.insert(key, (fingerprint, instance.clone()));
        Ok(instance)
    }

    /// Pool figures of every data source, in Prometheus' text format.
    pub(super) fn metrics(&self) -> String {
        let known = self.by_uid.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        for (name, help) in [
            ("size", "Open database connections."),
            ("available", "Idle database connections."),
            ("waiting", "Requests that wait for a connection."),
            ("max", "Most database connections."),
            (
                "up",
                "1: the server answers; 0: it did not a moment ago, and others are asked first.",
            ),
        ] {
            text.push_str(&format!(
                "# HELP lotwise_pool_{name} {help}\n# TYPE lotwise_pool_{name} gauge\n"
            ));
            for ((org, uid), (_, instance)) in known.iter() {
                for pool in instance.db.pools() {
                    let status = pool.status;
                    let value = match name {
                        "size" => status.size,
                        "available" => status.available,
                        "waiting" => status.waiting,
                        "max" => status.max_size,
                        _ => usize::from(pool.up),
                    };
                    let [uid, server] = [uid.as_str(), &*pool.address]
                        .map(|text| text.replace(['"', '\\', '\n'], "_"));
                    text.push_str(&format!(
                        "lotwise_pool_{name}{{org=\"{org}\",datasource=\"{uid}\",server=\"{server}\"}} {value}\n"
                    ));
                }
            }
        }
        text
    }
}
