//! The Grafana backend datasource plugin.
fn main() {}
