//! Database errors in words that say what to do.

use std::sync::Arc;

use deadpool_postgres::PoolError;
use deadpool_postgres::TimeoutType;
use tokio_postgres::error::SqlState;

use super::SettingsError;
use crate::domain::Say;

/// What went wrong with the database, and what to do about it. All but [`DbError::Unexpected`] are
/// the database's (Grafana: downstream), not the plugin's.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// Settings that cannot work.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Nothing answers.
    #[error(
        "no PostgreSQL answers at {address} ({reason}): check host and port, and that the database is running"
    )]
    Unreachable {
        /// `host:port/database`.
        address: String,
        /// The driver's words.
        reason: String,
    },
    /// The role or its password is wrong, or it may not connect.
    #[error(
        "the database {address} refused the user ({reason}): check user and password on the data source's configuration page"
    )]
    Refused {
        /// `host:port/database`.
        address: String,
        /// The database's words.
        reason: String,
    },
    /// TLS could not be agreed on.
    #[error(
        "no TLS connection to {address} ({reason}): choose TLS mode disable if the server has no TLS, or check the certificates"
    )]
    Tls {
        /// `host:port/database`.
        address: String,
        /// The driver's words.
        reason: String,
    },
    /// The database does not exist.
    #[error("{reason} on {address}: check the database name")]
    NoDatabase {
        /// `host:port/database`.
        address: String,
        /// The database's words.
        reason: String,
    },
    /// No Lotwise schema, or an older one.
    #[error(
        "{address} has no Lotwise schema that this plugin can read ({reason}): run `lotwise migrate` against it"
    )]
    NoSchema {
        /// `host:port/database`.
        address: String,
        /// The database's words.
        reason: String,
    },
    /// The role may not read a table.
    #[error("the user may not read from {address} ({reason}): grant it the role lotwise_reader")]
    NotAllowed {
        /// `host:port/database`.
        address: String,
        /// The database's words.
        reason: String,
    },
    /// Given up after the statement timeout.
    #[error(
        "the query took longer than the statement timeout: choose a shorter time range, a wider bucket or fewer places, or raise the timeout in the data source"
    )]
    Timeout,
    /// All connections are busy.
    #[error(
        "all database connections of this data source are busy: try again, or raise its number of connections"
    )]
    Busy,
    /// Went away while the query ran.
    #[error(
        "the database {address} went away during the query ({reason}): check that it is running; the next refresh connects again"
    )]
    Lost {
        /// `host:port/database`.
        address: String,
        /// The driver's words.
        reason: String,
    },
    /// Anything else the database says.
    #[error("the database {address} reports: {reason}")]
    Other {
        /// `host:port/database`.
        address: String,
        /// The database's words.
        reason: String,
    },
    /// The failure of another request that this one waited for.
    #[error(transparent)]
    Shared(Arc<DbError>),
    /// An answer that this plugin does not understand.
    #[error(
        "the database answered something unexpected ({0}): this is a fault in Lotwise, please report it"
    )]
    Unexpected(String),
}

impl DbError {
    /// Sorts a driver error by its SQLSTATE and its cause.
    pub(super) fn from_postgres(e: tokio_postgres::Error, address: &str) -> Self {
        let address = address.to_owned();
        let Some(db) = e.as_db_error() else {
            let reason = root_cause(&e);
            let text = e.to_string();
            return if text.contains("TLS") || reason.contains("certificate") {
                Self::Tls { address, reason }
            } else if e.is_closed() || text.contains("communicating with the server") {
                Self::Lost { address, reason }
            } else if text.contains("password missing") || text.contains("invalid configuration") {
                Self::Refused { address, reason }
            } else if text.contains("error connecting") || text.contains("timed out") {
                Self::Unreachable { address, reason }
            } else {
                Self::Other { address, reason }
            };
        };
        let reason = db.message().to_owned();
        match db.code() {
            &SqlState::INVALID_PASSWORD | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
                Self::Refused { address, reason }
            }
            &SqlState::INVALID_CATALOG_NAME => Self::NoDatabase { address, reason },
            &SqlState::UNDEFINED_TABLE
            | &SqlState::UNDEFINED_COLUMN
            | &SqlState::UNDEFINED_FUNCTION
            | &SqlState::INVALID_SCHEMA_NAME => Self::NoSchema { address, reason },
            &SqlState::INSUFFICIENT_PRIVILEGE => Self::NotAllowed { address, reason },
            &SqlState::QUERY_CANCELED => Self::Timeout,
            &SqlState::TOO_MANY_CONNECTIONS => Self::Busy,
            &SqlState::ADMIN_SHUTDOWN
            | &SqlState::CRASH_SHUTDOWN
            | &SqlState::CANNOT_CONNECT_NOW
            // What a replica says when it has to remove rows that the query reads.
            | &SqlState::T_R_SERIALIZATION_FAILURE => Self::Lost { address, reason },
            _ => Self::Other { address, reason },
        }
    }

    /// True when another server with the same data may answer.
    pub(super) fn is_of_the_server(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Refused { .. }
                | Self::Tls { .. }
                | Self::NoDatabase { .. }
                | Self::NoSchema { .. }
                | Self::Lost { .. }
        )
    }

    /// How metrics call it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Busy => "busy",
            Self::Shared(error) => error.kind(),
            error if error.is_of_the_server() => "unavailable",
            _ => "error",
        }
    }

    /// Sorts an error of the pool.
    pub(super) fn from_pool(e: PoolError, address: &str) -> Self {
        match e {
            PoolError::Backend(e) => match Self::from_postgres(e, address) {
                // No query ran yet: there is something else at the address, or it is starting up.
                Self::Lost { address, reason } | Self::Other { address, reason } => {
                    Self::Unreachable { address, reason }
                }
                other => other,
            },
            PoolError::Timeout(TimeoutType::Wait) => Self::Busy,
            PoolError::Timeout(_) => Self::Unreachable {
                address: address.to_owned(),
                reason: "no answer in time".to_owned(),
            },
            other => Self::Other { address: address.to_owned(), reason: other.to_string() },
        }
    }
}

impl Say for DbError {
    fn in_spanish(&self) -> String {
        match self {
            Self::Settings(e) => e.in_spanish(),
            Self::Unreachable { address, reason } => format!(
                "ningún PostgreSQL responde en {address} ({reason}): revise servidor y puerto, y que la base de datos esté en marcha"
            ),
            Self::Refused { address, reason } => format!(
                "la base de datos {address} rechazó al usuario ({reason}): revise usuario y contraseña en la página de configuración de la fuente de datos"
            ),
            Self::Tls { address, reason } => format!(
                "no hay conexión TLS con {address} ({reason}): elija el modo TLS Desactivado si el servidor no tiene TLS, o revise los certificados"
            ),
            Self::NoDatabase { address, reason } => {
                format!("{reason} en {address}: revise el nombre de la base de datos")
            }
            Self::NoSchema { address, reason } => format!(
                "{address} no tiene un esquema de Lotwise que este plugin pueda leer ({reason}): ejecute `lotwise migrate` en ella"
            ),
            Self::NotAllowed { address, reason } => format!(
                "el usuario no puede leer de {address} ({reason}): concédale el rol lotwise_reader"
            ),
            Self::Timeout => {
                "la consulta duró más que el tiempo máximo por sentencia: elija un intervalo de tiempo más corto, un paso más ancho o menos lugares, o suba ese tiempo en la fuente de datos"
                    .to_owned()
            }
            Self::Busy => {
                "todas las conexiones de esta fuente de datos están ocupadas: inténtelo de nuevo, o suba su número de conexiones"
                    .to_owned()
            }
            Self::Lost { address, reason } => format!(
                "la base de datos {address} dejó de responder durante la consulta ({reason}): revise que esté en marcha; la próxima actualización vuelve a conectar"
            ),
            Self::Other { address, reason } => {
                format!("la base de datos {address} comunica: {reason}")
            }
            Self::Shared(e) => e.in_spanish(),
            Self::Unexpected(what) => format!(
                "la base de datos respondió algo inesperado ({what}): es un fallo de Lotwise, comuníquelo, por favor"
            ),
        }
    }
}

/// False when the connection that the error came over may be broken.
pub(super) fn is_usable_after(e: &tokio_postgres::Error) -> bool {
    let broken = [
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::PROTOCOL_VIOLATION,
    ];
    e.code().is_some_and(|code| !broken.contains(code))
}

/// The innermost cause, which says more than "error connecting to server".
fn root_cause(e: &dyn std::error::Error) -> String {
    let mut cause = e;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
