use std::collections::HashMap;

use super::{Settings, SettingsError, TlsMode};

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

#[test]
fn takes_libpqs_words_for_tls_and_an_unset_variable_for_the_default() {
    let parse = |mode: &str| {
        let json =
            format!(r#"{{"host": "db", "database": "d", "user": "u", "tlsMode": "{mode}"}}"#);
        Settings::parse(json.as_bytes(), &HashMap::new()).map(|s| s.tls)
    };
    assert_eq!(parse("").unwrap(), TlsMode::Require);
    assert_eq!(parse("verify-full").unwrap(), TlsMode::VerifyFull);
    assert_eq!(parse("disable").unwrap(), TlsMode::Disable);
    assert!(parse("prefer").is_err());
}

#[test]
fn read_hosts_have_the_port_of_the_host_where_they_name_none() {
    let of = |hosts: &str| {
        let json =
            format!(r#"{{"host":"h","port":5433,"database":"d","user":"u","readHosts":{hosts}}}"#);
        Settings::parse(json.as_bytes(), &HashMap::new()).map(|s| s.read_hosts)
    };
    let hosts = of(r#"["a", " b:6000 ", "", "[::1]:7000", "[::2]", "::3"]"#).expect("hosts");
    let want = [("a", 5433), ("b", 6000), ("::1", 7000), ("::2", 5433), ("::3", 5433)];
    assert_eq!(hosts, want.map(|(host, port)| (host.to_owned(), port)));
    assert!(of("[]").expect("none").is_empty());
    for wrong in [r#"["a:b"]"#, r#"["a b"]"#, r#"["a,b"]"#, r#"[":1"]"#, r#"["a/b"]"#] {
        let said = of(wrong).expect_err("no host").to_string();
        assert!(said.contains("use a host name or address"), "{said}");
    }
    let nine = format!("[{}]", ["\"a\""; 9].join(","));
    assert!(of(&nine).expect_err("too many").to_string().contains("at most 8"));
}
