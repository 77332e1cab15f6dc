//! The plugin's own database layer, on a test database.

use std::collections::HashMap;

use lotwise::db::{Db, Settings};

/// A pool as the plugin makes one, as the superuser of the test server.
pub fn plugin_db(url: &str) -> Db {
    let url = url::Url::parse(url).expect("URL of the test server");
    let json = serde_json::json!({
        "host": url.host_str().unwrap_or("127.0.0.1"),
        "port": url.port().unwrap_or(5432),
        "database": url.path().trim_start_matches('/'),
        "user": url.username(),
        "tlsMode": "disable",
        "statementTimeoutSeconds": 120,
    });
    let password = url.password().unwrap_or_default().to_owned();
    let secure = HashMap::from([("password".to_owned(), password)]);
    let settings = Settings::parse(json.to_string().as_bytes(), &secure).expect("settings");
    Db::new(&settings).expect("pool")
}
