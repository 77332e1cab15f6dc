use std::collections::HashMap;

use super::{Settings, SettingsError};

fn parse(port: &str) -> Result<Settings, SettingsError> {
    let json =
        format!(r#"{{"host": "db", "database": "lotwise", "user": "reader", "port": {port}}}"#);
    Settings::parse(json.as_bytes(), &HashMap::new())
}

#[test]
fn takes_the_port_as_number_or_as_text() {
    // Provisioned from a variable, it arrives as text.
    for (port, expected) in
        [("55432", 55432), (r#""55432""#, 55432), (r#""""#, 5432), ("null", 5432)]
    {
        assert_eq!(parse(port).expect(port).port, expected, "{port}");
    }
}

#[test]
fn refuses_what_is_no_port() {
    for port in ["70000", "-1", r#""abc""#, "[]"] {
        assert!(parse(port).is_err(), "{port}");
    }
}
