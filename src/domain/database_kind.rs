//! The three kinds of database that Lotwise runs on. Pure: the probe's SQL is in [`crate::schema`].

use std::fmt;

use super::Say;

/// Which kind of database a connection leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseKind {
    /// PostgreSQL without the extension; readings are in native partitions.
    Plain,
    /// TimescaleDB under the Apache licence: hypertables, but no gap fill, compression or policies.
    TimescaleApache {
        /// Version of the extension.
        version: String,
    },
    /// TimescaleDB under the Timescale licence, with everything.
    TimescaleCommunity {
        /// Version of the extension.
        version: String,
    },
}

impl DatabaseKind {
    /// Reads the probe's answer: the extension's version and the setting `timescaledb.license`.
    ///
    /// The licence is asked and not the list of functions: the Apache edition has the functions of
    /// the community edition too, and they fail when they are called. No setting is read as Apache,
    /// which promises least.
    pub fn parse(extension_version: Option<&str>, license: Option<&str>) -> Self {
        match extension_version {
            None => Self::Plain,
            Some(version) => {
                let version = version.to_owned();
                match license {
                    Some("timescale") => Self::TimescaleCommunity { version },
                    _ => Self::TimescaleApache { version },
                }
            }
        }
    }

    /// Whether `reading` can be a hypertable here.
    pub fn has_timescaledb(&self) -> bool {
        !matches!(self, Self::Plain)
    }

    /// Whether `reading` can have a columnstore and policies here.
    pub fn is_community(&self) -> bool {
        matches!(self, Self::TimescaleCommunity { .. })
    }
}

impl Say for DatabaseKind {
    fn in_spanish(&self) -> String {
        match self {
            Self::Plain => "PostgreSQL sin más".to_owned(),
            Self::TimescaleApache { version } => format!("TimescaleDB {version} (edición Apache)"),
            Self::TimescaleCommunity { version } => {
                format!("TimescaleDB {version} (edición de la comunidad)")
            }
        }
    }
}

impl fmt::Display for DatabaseKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain => write!(f, "plain PostgreSQL"),
            Self::TimescaleApache { version } => {
                write!(f, "TimescaleDB {version} (Apache edition)")
            }
            Self::TimescaleCommunity { version } => {
                write!(f, "TimescaleDB {version} (community edition)")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::DatabaseKind;

    #[test]
    fn is_told_by_extension_and_licence() {
        let shown = |version, license| DatabaseKind::parse(version, license).to_string();
        assert_eq!(shown(None, None), "plain PostgreSQL");
        // The library may be preloaded, with its settings, in a database without the extension.
        assert_eq!(shown(None, Some("timescale")), "plain PostgreSQL");
        assert_eq!(shown(Some("2.19.3"), Some("apache")), "TimescaleDB 2.19.3 (Apache edition)");
        assert_eq!(
            shown(Some("2.23.0"), Some("timescale")),
            "TimescaleDB 2.23.0 (community edition)"
        );
        assert_eq!(shown(Some("2.23.0"), None), "TimescaleDB 2.23.0 (Apache edition)");
    }
}
