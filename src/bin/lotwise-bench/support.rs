//! What the measurements share with the integration tests: a database of their own, the factory in
//! it, the plugin's host.
#![allow(dead_code, reason = "the tests use the rest")]

#[path = "../../../tests/it/support/db.rs"]
pub mod db;
#[path = "../../../tests/it/support/fixture.rs"]
pub mod fixture;
#[path = "../../../tests/it/support/frame.rs"]
pub mod frame;
#[path = "../../../tests/it/support/host.rs"]
pub mod host;
#[path = "../../../tests/it/support/panel.rs"]
pub mod panel;
#[path = "../../../tests/it/support/tsl.rs"]
pub mod tsl;
