//! What Grafana sends for a panel, a picker or "Save & test", made short for tests.

use std::collections::{BTreeMap, HashMap};

use grafana_plugin_sdk::pluginv2 as pb;
use serde_json::{Value, json};
use tokio_stream::StreamExt;
use tonic::Status;

use super::frame::Decoded;
use super::host::{Host, Launch};
use super::{db::TestDb, fixture};

/// The plugin's executable, as built for the tests; other users of this module name their own.
pub const PLUGIN: &str = match option_env!("CARGO_BIN_EXE_gpx_lotwise") {
    Some(path) => path,
    None => "gpx_lotwise",
};

/// A data source as configured in Grafana.
#[derive(Debug, Clone)]
pub struct DataSource {
    /// `jsonData`.
    pub json: Value,
    /// Decrypted `secureJsonData`.
    pub secure: HashMap<String, String>,
}

impl DataSource {
    /// The data source of a `postgres://` URL, without TLS.
    pub fn of(url: &str) -> Self {
        let url = url::Url::parse(url).expect("URL of the test database");
        let json = json!({
            "host": url.host_str(),
            "port": url.port().unwrap_or(5432),
            "database": url.path().trim_start_matches('/'),
            "user": url.username(),
            "tlsMode": "disable",
        });
        let password = url.password().map(|p| ("password".to_owned(), p.to_owned()));
        Self { json, secure: password.into_iter().collect() }
    }

    /// With one setting changed.
    #[must_use]
    pub fn set(mut self, key: &str, value: Value) -> Self {
        self.json[key] = value;
        self
    }

    /// With one secret changed.
    #[must_use]
    pub fn secret(mut self, key: &str, value: &str) -> Self {
        self.secure.insert(key.to_owned(), value.to_owned());
        self
    }

    /// The context of a request of a user with this role.
    pub fn context(&self, role: &str) -> pb::PluginContext {
        pb::PluginContext {
            org_id: 1,
            plugin_id: "buutech-lotwise-datasource".to_owned(),
            user: Some(pb::User {
                login: "test".to_owned(),
                role: role.to_owned(),
                ..Default::default()
            }),
            data_source_instance_settings: Some(pb::DataSourceInstanceSettings {
                id: 1,
                uid: "lotwise".to_owned(),
                name: "Lotwise".to_owned(),
                json_data: self.json.to_string().into_bytes(),
                decrypted_secure_json_data: self.secure.clone(),
                ..Default::default()
            }),
            ..Default::default()
        }
    }
}

/// A query of a panel over the factory's four hours.
pub fn query(ref_id: &str, model: Value) -> pb::DataQuery {
    pb::DataQuery {
        ref_id: ref_id.to_owned(),
        max_data_points: 1_000,
        interval_ms: 1_000,
        time_range: Some(pb::TimeRange {
            from_epoch_ms: fixture::from().timestamp_millis(),
            to_epoch_ms: fixture::to().timestamp_millis(),
        }),
        json: model.to_string().into_bytes(),
        query_type: String::new(),
    }
}

/// A running plugin with one data source.
pub struct Plugin {
    /// The process.
    pub host: Host,
    /// The data source of its requests.
    pub source: DataSource,
}

/// The answer of a resource call.
#[derive(Debug)]
pub struct Picked {
    /// HTTP-like status.
    pub status: i32,
    /// JSON body.
    pub body: Value,
}

impl Picked {
    /// The values offered, in order.
    pub fn values(&self) -> Vec<&str> {
        assert_eq!(self.status, 200, "{}", self.body);
        let items = self.body["items"].as_array().expect("items");
        items.iter().map(|item| item["value"].as_str().expect("value")).collect()
    }
}

impl Plugin {
    /// Starts the plugin with a data source for the database.
    pub async fn start(db: &TestDb) -> Self {
        Self::with(DataSource::of(&db.url)).await
    }

    /// Starts the plugin with a data source.
    pub async fn with(source: DataSource) -> Self {
        Self::launch(&Launch::new(PLUGIN), source).await
    }

    /// Starts the plugin in a particular environment.
    pub async fn launch(launch: &Launch, source: DataSource) -> Self {
        Self { host: launch.start().await.expect("start the plugin"), source }
    }

    /// The same process asked for another data source.
    #[must_use]
    pub fn rebound(self, source: DataSource) -> Self {
        Self { source, ..self }
    }

    /// A request with these queries.
    pub fn request(&self, queries: Vec<pb::DataQuery>) -> pb::QueryDataRequest {
        let plugin_context = Some(self.source.context("Viewer"));
        pb::QueryDataRequest { plugin_context, queries, ..Default::default() }
    }

    /// Answers to queries of one request, by ref id.
    pub async fn ask(&self, queries: Vec<pb::DataQuery>) -> BTreeMap<String, pb::DataResponse> {
        let request = self.request(queries);
        let answer = self.host.data().query_data(request).await.expect("QueryData");
        answer.into_inner().responses.into_iter().collect()
    }

    /// The one frame of a query as the scheduler of alert rules sends it, which must succeed.
    pub async fn alert(&self, query: pb::DataQuery) -> Decoded {
        let ref_id = query.ref_id.clone();
        let mut request = self.request(vec![query]);
        request.headers.insert("FromAlert".to_owned(), "true".to_owned());
        let answer = self.host.data().query_data(request).await.expect("QueryData");
        let mut frames = decode(&answer.into_inner().responses[&ref_id]);
        assert_eq!(frames.len(), 1, "{frames:?}");
        frames.remove(0)
    }

    /// The frames of one query, which must succeed.
    pub async fn frames(&self, model: Value) -> Vec<Decoded> {
        let answers = self.ask(vec![query("A", model)]).await;
        decode(&answers["A"])
    }

    /// The error of one query, which must fail.
    pub async fn error(&self, model: Value) -> pb::DataResponse {
        self.failure(query("A", model)).await
    }

    /// The error of one query as asked, which must fail.
    pub async fn failure(&self, query: pb::DataQuery) -> pb::DataResponse {
        let ref_id = query.ref_id.clone();
        let answer = self.ask(vec![query]).await.remove(&ref_id).expect("answer");
        assert!(!answer.error.is_empty() && answer.frames.is_empty(), "{answer:?}");
        answer
    }

    /// Health check: is it fine, what it says, details.
    pub async fn health(&self) -> (bool, String, Value) {
        let request = pb::CheckHealthRequest {
            plugin_context: Some(self.source.context("Admin")),
            ..Default::default()
        };
        let answer = self.host.diagnostics().check_health(request).await.expect("CheckHealth");
        let answer = answer.into_inner();
        let fine = answer.status() == pb::check_health_response::HealthStatus::Ok;
        let details = serde_json::from_slice(&answer.json_details).expect("details");
        (fine, answer.message, details)
    }

    /// A GET of a resource: `plants`, or `lines?plant=madrid`.
    pub async fn pick(&self, url: &str) -> Picked {
        self.call("GET", url).await.expect("CallResource")
    }

    /// A call of a resource.
    pub async fn call(&self, method: &str, url: &str) -> Result<Picked, Status> {
        let request = pb::CallResourceRequest {
            plugin_context: Some(self.source.context("Viewer")),
            path: url.split('?').next().unwrap_or_default().to_owned(),
            url: url.to_owned(),
            method: method.to_owned(),
            ..Default::default()
        };
        let mut parts = self.host.resource().call_resource(request).await?.into_inner();
        let mut answer = Picked { status: 0, body: Value::Null };
        let mut body = Vec::new();
        while let Some(part) = parts.next().await {
            let part = part?;
            answer.status = if part.code != 0 { part.code } else { answer.status };
            body.extend_from_slice(&part.body);
        }
        answer.body = serde_json::from_slice(&body).expect("a JSON body");
        Ok(answer)
    }
}

/// The frames of an answer, which must be one.
pub fn decode(answer: &pb::DataResponse) -> Vec<Decoded> {
    assert_eq!((answer.error.as_str(), answer.status), ("", 200));
    answer.frames.iter().map(|bytes| Decoded::read(bytes)).collect()
}
