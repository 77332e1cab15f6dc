//! The data sources that the preview serves, kept in memory.
//!
//! Secrets come in and go to the plugin; no answer ever carries one.

use std::{
    collections::BTreeMap,
    sync::{PoisonError, RwLock},
    time::{SystemTime, UNIX_EPOCH},
};

use grafana_plugin_sdk::pluginv2;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::provisioning::ProvisionedDatasource;

/// A data source with its secrets.
#[derive(Clone)]
pub struct Datasource {
    id: i64,
    uid: String,
    name: String,
    plugin: String,
    url: String,
    user: String,
    database: String,
    is_default: bool,
    json_data: Map<String, Value>,
    secrets: BTreeMap<String, String>,
    version: u64,
    updated_ms: i64,
}

/// What the config editor saves.
#[derive(Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[derive(Default)]
pub struct Change {
    name: Option<String>,
    url: Option<String>,
    user: Option<String>,
    database: Option<String>,
    is_default: Option<bool>,
    json_data: Option<Map<String, Value>>,
    /// Only the secrets that were typed anew.
    secure_json_data: Option<BTreeMap<String, String>>,
}

impl Datasource {
    fn new(id: i64, provisioned: ProvisionedDatasource) -> Self {
        Self {
            id,
            uid: provisioned.uid,
            name: provisioned.name,
            plugin: provisioned.plugin,
            url: provisioned.url,
            user: provisioned.user,
            database: provisioned.database,
            is_default: provisioned.is_default,
            json_data: provisioned.json_data,
            secrets: provisioned.secure_json_data,
            version: 1,
            updated_ms: now_ms(),
        }
    }

    /// Id of the plugin that serves it.
    pub fn plugin(&self) -> &str {
        &self.plugin
    }

    /// Name shown to people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Panels that name no data source use this one.
    pub fn is_default(&self) -> bool {
        self.is_default
    }

    /// As `/api/datasources/uid/:uid` gives it to the config editor.
    pub fn settings_json(&self) -> Value {
        let set: BTreeMap<&str, bool> = self
            .secrets
            .iter()
            .filter(|(_, secret)| !secret.is_empty())
            .map(|(key, _)| (key.as_str(), true))
            .collect();
        json!({
            "id": self.id, "uid": self.uid, "orgId": 1, "name": self.name, "type": self.plugin,
            "access": "proxy", "url": self.url, "user": self.user, "database": self.database,
            "basicAuth": false, "basicAuthUser": "", "withCredentials": false,
            "isDefault": self.is_default, "jsonData": self.json_data, "secureJsonFields": set,
            "version": self.version, "readOnly": false, "apiVersion": "",
        })
    }

    /// As `/api/frontend/settings` gives it to panels.
    pub fn instance_json(&self, meta: &Value) -> Value {
        json!({
            "id": self.id, "uid": self.uid, "name": self.name, "type": self.plugin,
            "access": "proxy", "url": self.url, "isDefault": self.is_default, "readOnly": false,
            "module": meta["module"], "meta": meta, "jsonData": self.json_data, "apiVersion": "",
        })
    }

    /// What the plugin is told with every request.
    pub fn plugin_context(&self, role: &str) -> pluginv2::PluginContext {
        let grafana_config = [
            ("GF_APP_URL", "http://localhost:3300/"),
            ("GF_SQL_ROW_LIMIT", "1000000"),
            ("GF_SQL_MAX_OPEN_CONNS_DEFAULT", "100"),
            ("GF_SQL_MAX_IDLE_CONNS_DEFAULT", "100"),
            ("GF_SQL_MAX_CONN_LIFETIME_SECONDS_DEFAULT", "14400"),
            ("GF_INSTANCE_FEATURE_TOGGLES_ENABLE", "dataplaneFrontendFallback"),
        ];
        let settings = pluginv2::DataSourceInstanceSettings {
            id: self.id,
            uid: self.uid.clone(),
            name: self.name.clone(),
            url: self.url.clone(),
            user: self.user.clone(),
            database: self.database.clone(),
            json_data: Value::Object(self.json_data.clone()).to_string().into_bytes(),
            decrypted_secure_json_data: self.secrets.clone().into_iter().collect(),
            last_updated_ms: self.updated_ms,
            ..Default::default()
        };
        pluginv2::PluginContext {
            org_id: 1,
            plugin_id: self.plugin.clone(),
            user: Some(pluginv2::User {
                login: role.to_lowercase(),
                name: format!("Preview {role}"),
                email: String::new(),
                role: role.to_owned(),
            }),
            data_source_instance_settings: Some(settings),
            grafana_config: grafana_config
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
            user_agent: "Grafana/12.4.0".to_owned(),
            namespace: "default".to_owned(),
            ..Default::default()
        }
    }

    fn apply(&mut self, change: Change) {
        let replace = |field: &mut String, value: Option<String>| {
            if let Some(value) = value {
                *field = value;
            }
        };
        replace(&mut self.name, change.name);
        replace(&mut self.url, change.url);
        replace(&mut self.user, change.user);
        replace(&mut self.database, change.database);
        self.is_default = change.is_default.unwrap_or(self.is_default);
        if let Some(json_data) = change.json_data {
            self.json_data = json_data;
        }
        self.secrets.extend(change.secure_json_data.unwrap_or_default());
        self.version += 1;
        // The plugin keeps its connections until this changes.
        self.updated_ms = now_ms().max(self.updated_ms + 1);
    }
}

/// All data sources.
pub struct Datasources(RwLock<Vec<Datasource>>);

impl Datasources {
    /// Numbers the provisioned data sources.
    pub fn new(provisioned: Vec<ProvisionedDatasource>) -> Self {
        let numbered = (1..).zip(provisioned);
        let datasources = numbered.map(|(id, provisioned)| Datasource::new(id, provisioned));
        Self(RwLock::new(datasources.collect()))
    }

    /// All of them.
    pub fn all(&self) -> Vec<Datasource> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The one with this uid.
    pub fn get(&self, uid: &str) -> Option<Datasource> {
        self.all().into_iter().find(|datasource| datasource.uid == uid)
    }

    /// Changes the one with this uid, until the preview ends.
    pub fn change(&self, uid: &str, change: Change) -> Option<Datasource> {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let datasource = all.iter_mut().find(|datasource| datasource.uid == uid)?;
        datasource.apply(change);
        Some(datasource.clone())
    }
}

fn now_ms() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one() -> Datasources {
        Datasources::new(vec![ProvisionedDatasource {
            name: "Lotwise".to_owned(),
            uid: "lotwise".to_owned(),
            plugin: "buutech-lotwise-datasource".to_owned(),
            secure_json_data: [("password".to_owned(), "hunter2".to_owned())].into(),
            ..ProvisionedDatasource::default()
        }])
    }

    #[test]
    fn secrets_go_to_the_plugin_and_nowhere_else() {
        let datasource = one().get("lotwise").unwrap();
        let seen =
            format!("{}{}", datasource.settings_json(), datasource.instance_json(&json!({})));
        assert!(!seen.contains("hunter2"));
        assert_eq!(datasource.settings_json()["secureJsonFields"], json!({"password": true}));
        let settings = datasource.plugin_context("Viewer").data_source_instance_settings;
        assert_eq!(settings.unwrap().decrypted_secure_json_data["password"], "hunter2");
    }

    #[test]
    fn saving_keeps_the_secrets_that_were_not_typed_anew() {
        let all = one();
        let before = all.get("lotwise").unwrap().updated_ms;
        let change = json!({
            "jsonData": {"host": "localhost"},
            "secureJsonFields": {"password": true},
            "secureJsonData": {"tlsCACert": "PEM"},
        });
        let after = all.change("lotwise", serde_json::from_value(change).unwrap()).unwrap();
        assert_eq!(after.secrets["password"], "hunter2");
        assert_eq!(after.secrets["tlsCACert"], "PEM");
        assert_eq!(after.json_data["host"], "localhost");
        assert!(after.updated_ms > before);
        assert!(all.change("other", Change::default()).is_none());
    }
}
