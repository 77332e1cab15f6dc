//! The ingest service over HTTP, on both kinds of database.

mod access;
mod bodies;
mod command;
mod context;
mod costs;
mod csv;
mod documented;
mod examples;
mod faults;
mod idempotency;
mod mappings;
mod observed;
mod quarantine;
mod rates;
mod readings;
mod registration;
mod runs;
mod sets;
mod spool;
mod tls;
mod windows;
mod writing;

/// One test on both kinds of database.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod timescale { $(
            #[tokio::test]
            async fn $name() { super::$name(crate::support::db::Server::Timescale).await }
        )* }
        mod plain { $(
            #[tokio::test]
            async fn $name() { super::$name(crate::support::db::Server::Plain).await }
        )* }
    };
}
pub(crate) use on_both;
