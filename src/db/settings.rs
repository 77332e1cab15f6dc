//! Data source settings: how to connect, with what limits.

use std::collections::HashMap;
use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::domain::{Say, Words};
use crate::tls;

/// A secret that never shows in a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The secret itself, for the driver only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// How the connection is protected; the words of libpq's `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    /// No TLS.
    Disable,
    /// TLS without checking who answers.
    #[default]
    #[serde(alias = "")]
    Require,
    /// TLS with a certificate of a known authority.
    VerifyCa,
    /// TLS with a certificate of a known authority for this host.
    VerifyFull,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct JsonData {
    host: String,
    read_hosts: Vec<String>,
    #[serde(deserialize_with = "port")]
    port: Option<u16>,
    database: String,
    user: String,
    tls_mode: TlsMode,
    plants: Vec<String>,
    lines: Vec<String>,
    max_connections: Option<usize>,
    statement_timeout_seconds: Option<u32>,
    max_points: Option<usize>,
}

/// A port as a number or as text, which is what Grafana makes of a variable in a provisioning file.
fn port<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u16>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Port {
        Number(u16),
        Text(String),
    }
    match Option::<Port>::deserialize(deserializer)? {
        None => Ok(None),
        Some(Port::Number(port)) => Ok(Some(port)),
        Some(Port::Text(text)) if text.trim().is_empty() => Ok(None),
        Some(Port::Text(text)) => text.trim().parse().map(Some).map_err(D::Error::custom),
    }
}

/// Validated settings of one data source.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Servers that are asked first, by turns: read replicas of the database.
    pub read_hosts: Vec<(String, u16)>,
    /// Database name.
    pub database: String,
    /// Role.
    pub user: String,
    /// Password of the role.
    pub password: Option<Secret>,
    /// Protection of the connection.
    pub tls: TlsMode,
    /// Certificate authority, PEM; `None` is the system's.
    pub tls_ca: Option<String>,
    /// Client certificate and key, PEM.
    pub tls_client: Option<(String, Secret)>,
    /// Plant keys that this data source may show; empty is all.
    pub plants: Vec<String>,
    /// Line keys that this data source may show; empty is all.
    pub lines: Vec<String>,
    /// Most connections.
    pub max_connections: usize,
    /// After this many seconds a statement is given up.
    pub statement_timeout_s: u32,
    /// Most points in one answer.
    pub max_points: usize,
}

/// Settings that cannot work; says which field to change.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Not the JSON of settings.
    #[error("the data source settings are not understood: {0}")]
    Json(#[from] serde_json::Error),
    /// A field that must be filled.
    #[error("{} is empty: fill it in on the data source's configuration page", .0[0])]
    Missing(Words),
    /// A certificate or key that cannot be read.
    #[error("{field} cannot be used: {reason}; paste it in PEM form (-----BEGIN ...)")]
    Pem {
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A read host that is no host, or too many of them.
    #[error("read host {0:?} cannot be used: {why}", why = .1[0])]
    ReadHost(String, Words),
    /// The pool refused its configuration.
    #[error("the connection pool cannot be made: {0}")]
    Pool(String),
}

impl Say for SettingsError {
    fn in_spanish(&self) -> String {
        match self {
            Self::Json(e) => format!("los ajustes de la fuente de datos no se entienden: {e}"),
            Self::Missing([_, field]) => format!(
                "{field} está vacío: rellénelo en la página de configuración de la fuente de datos"
            ),
            Self::Pem { field, reason } => format!(
                "{} no se puede usar: {reason}; péguelo en formato PEM (-----BEGIN ...)",
                match *field {
                    tls::AUTHORITIES => "Autoridad de certificación",
                    tls::CLIENT_CERTIFICATE => "Certificado de cliente",
                    tls::CLIENT_KEY => "Clave de cliente",
                    other => other,
                }
            ),
            Self::ReadHost(host, [_, why]) => {
                format!("la réplica de lectura {host:?} no se puede usar: {why}")
            }
            Self::Pool(reason) => format!("no se puede crear el grupo de conexiones: {reason}"),
        }
    }
}

const HOST_FORM: Words = [
    "use a host name or address, or host:port",
    "use un nombre o una dirección de servidor, o servidor:puerto",
];

impl Settings {
    /// Settings from Grafana's `jsonData` and decrypted `secureJsonData`.
    ///
    /// # Errors
    /// [`SettingsError`], naming the field to change.
    pub fn parse(json: &[u8], secure: &HashMap<String, String>) -> Result<Self, SettingsError> {
        let data: JsonData =
            if json.is_empty() { JsonData::default() } else { serde_json::from_slice(json)? };
        let filled = |value: String, field| {
            let value = value.trim().to_owned();
            if value.is_empty() { Err(SettingsError::Missing(field)) } else { Ok(value) }
        };
        let secret = |key| secure.get(key).filter(|v| !v.is_empty()).cloned();
        let tls_client = match (secret("tlsClientCert"), secret("tlsClientKey")) {
            (None, None) => None,
            (Some(cert), Some(key)) => Some((cert, Secret(key))),
            (None, _) => {
                return Err(SettingsError::Missing([
                    tls::CLIENT_CERTIFICATE,
                    "Certificado de cliente",
                ]));
            }
            (_, None) => return Err(SettingsError::Missing([tls::CLIENT_KEY, "Clave de cliente"])),
        };
        let port = data.port.unwrap_or(5432);
        Ok(Self {
            host: filled(data.host, ["Host", "Servidor"])?,
            port,
            read_hosts: read_hosts(&data.read_hosts, port)?,
            database: filled(data.database, ["Database", "Base de datos"])?,
            user: filled(data.user, ["User", "Usuario"])?,
            password: secret("password").map(Secret),
            tls: data.tls_mode,
            tls_ca: secret("tlsCACert"),
            tls_client,
            plants: data.plants,
            lines: data.lines,
            max_connections: data.max_connections.unwrap_or(8).clamp(1, 100),
            statement_timeout_s: data.statement_timeout_seconds.unwrap_or(30).clamp(1, 3600),
            max_points: data.max_points.unwrap_or(1_000_000).clamp(1_000, 5_000_000),
        })
    }
}

/// Most read hosts: each has a pool of its own.
const MAX_READ_HOSTS: usize = 8;

/// `replica-1`, `replica-2:5433` or `[::1]:5433`; the port is the primary's where none is named.
fn read_hosts(texts: &[String], port: u16) -> Result<Vec<(String, u16)>, SettingsError> {
    let mut hosts = Vec::new();
    for text in texts.iter().map(|text| text.trim()).filter(|text| !text.is_empty()) {
        let wrong = |why| SettingsError::ReadHost(text.to_owned(), why);
        let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, Ok(port)),
            Some((host, rest)) => (host, rest.trim_start_matches(':').parse()),
            None => match text.rsplit_once(':') {
                // More than one colon: an address of IPv6 without brackets.
                Some((host, port)) if !host.contains(':') => (host, port.parse()),
                _ => (text, Ok(port)),
            },
        };
        let port = port.map_err(|_| wrong(HOST_FORM))?;
        if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c == ',' || c == '/') {
            return Err(wrong(HOST_FORM));
        }
        if hosts.len() == MAX_READ_HOSTS {
            return Err(wrong([
                "at most 8 are asked by turns",
                "se pregunta por turnos a 8 como mucho",
            ]));
        }
        hosts.push((host.to_owned(), port));
    }
    Ok(hosts)
}

#[cfg(test)]
mod tests;
