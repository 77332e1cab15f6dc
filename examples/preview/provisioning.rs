//! Reads the files that provision Grafana: data sources (YAML) and dashboards (JSON).
//!
//! Variables in values are filled in from the environment as Grafana does it: `$NAME`, `${NAME}`,
//! `$__env{NAME}`, `$__file{PATH}`, and `$$` for a dollar sign. A filled-in value is always a text.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Map, Value};

/// The data sources of one file.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct DatasourceFile {
    datasources: Vec<ProvisionedDatasource>,
}

/// One data source as a file describes it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ProvisionedDatasource {
    /// Name shown to people.
    pub name: String,
    /// What dashboards refer to.
    pub uid: String,
    /// Id of the plugin.
    #[serde(rename = "type")]
    pub plugin: String,
    /// Unused by Lotwise, but part of every data source.
    pub url: String,
    /// As `url`.
    pub user: String,
    /// As `url`.
    pub database: String,
    /// Panels that name no data source use this one.
    pub is_default: bool,
    /// Settings.
    pub json_data: Map<String, Value>,
    /// Secrets.
    pub secure_json_data: BTreeMap<String, String>,
}

/// Reads `DIR/datasources/*.yaml`.
pub fn datasources(provisioning: &Path) -> Result<Vec<ProvisionedDatasource>> {
    let mut found = Vec::new();
    for path in files(&provisioning.join("datasources"), &["yaml", "yml"])? {
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let file = parse_datasources(&text, &|name| std::env::var(name).ok());
        found.extend(file.with_context(|| path.display().to_string())?);
    }
    for (index, datasource) in found.iter_mut().enumerate() {
        if datasource.uid.is_empty() {
            datasource.uid = format!("provisioned-{index}");
        }
    }
    Ok(found)
}

/// Reads every dashboard under `DIR/dashboards`. A file that is not JSON is named in the log and
/// left out, so that one bad dashboard hides no other.
pub fn dashboards(provisioning: &Path) -> Result<Vec<Value>> {
    let mut found = Vec::new();
    for path in files(&provisioning.join("dashboards"), &["json"])? {
        let parsed = fs::read(&path)
            .map_err(anyhow::Error::from)
            .and_then(|bytes| Ok(serde_json::from_slice::<Value>(&bytes)?));
        match parsed {
            Ok(dashboard) => found.push(dashboard),
            Err(error) => {
                tracing::error!(file = %path.display(), %error, "dashboard cannot be read");
            }
        }
    }
    Ok(found)
}

/// Reads the rules of `DIR/alerting/*.yaml`, those of all groups, as they are written there.
pub fn alert_rules(provisioning: &Path) -> Result<Vec<Value>> {
    let mut found = Vec::new();
    for path in files(&provisioning.join("alerting"), &["yaml", "yml"])? {
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let file: Value =
            serde_yaml_ng::from_str(&text).with_context(|| path.display().to_string())?;
        let groups = file["groups"].as_array().into_iter().flatten();
        found.extend(groups.filter_map(|group| group["rules"].as_array()).flatten().cloned());
    }
    Ok(found)
}

fn parse_datasources(
    text: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<ProvisionedDatasource>> {
    let mut value: Value = serde_yaml_ng::from_str(text)?;
    fill_in(&mut value, lookup)?;
    Ok(serde_json::from_value::<DatasourceFile>(value)?.datasources)
}

fn files(folder: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    if !folder.exists() {
        return Ok(found);
    }
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path, extensions)?);
        } else if path
            .extension()
            .is_some_and(|extension| extensions.iter().any(|wanted| *wanted == extension))
        {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn fill_in(value: &mut Value, lookup: &dyn Fn(&str) -> Option<String>) -> Result<()> {
    match value {
        Value::String(text) => *text = interpolate(text, lookup)?,
        Value::Array(items) => {
            for item in items {
                fill_in(item, lookup)?;
            }
        }
        Value::Object(entries) => {
            for entry in entries.values_mut() {
                fill_in(entry, lookup)?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn interpolate(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let braced = |opening: &str| {
            let inner = rest.strip_prefix(opening)?;
            let end = inner.find('}')?;
            Some((&inner[..end], &inner[end + 1..]))
        };
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((path, after)) = braced("__file{") {
            let secret = fs::read_to_string(path).with_context(|| format!("$__file{{{path}}}"))?;
            out.push_str(secret.trim());
            rest = after;
        } else if let Some((name, after)) = braced("__env{").or_else(|| braced("{")) {
            out.push_str(&lookup(name).unwrap_or_default());
            rest = after;
        } else {
            let end = rest
                .find(|character: char| !(character.is_ascii_alphanumeric() || character == '_'))
                .unwrap_or(rest.len());
            if end == 0 {
                out.push('$');
            } else {
                out.push_str(&lookup(&rest[..end]).unwrap_or_default());
            }
            rest = &rest[end..];
        }
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(name: &str) -> Option<String> {
        match name {
            "HOST" => Some("db.example".to_owned()),
            "DB_PORT" => Some("5432".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn variables_are_filled_in() {
        for (text, expected) in [
            ("plain", "plain"),
            ("$HOST", "db.example"),
            ("${HOST}:$DB_PORT/x", "db.example:5432/x"),
            ("$__env{HOST}", "db.example"),
            ("a$$b", "a$b"),
            ("costs 5$", "costs 5$"),
            ("[$UNSET]", "[]"),
            ("${HOST", "${HOST"),
            ("é$HOST é", "édb.example é"),
        ] {
            assert_eq!(interpolate(text, &environment).unwrap(), expected, "{text:?}");
        }
        assert!(interpolate("$__file{/does/not/exist}", &environment).is_err());
    }

    #[test]
    fn the_example_rules_are_found() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("provisioning");
        let rules = alert_rules(&folder).unwrap();
        let uids: Vec<&str> = rules.iter().filter_map(|rule| rule["uid"].as_str()).collect();
        assert!(uids.len() >= 4 && uids.contains(&"lotwise-anomaly-open"), "{uids:?}");
        assert!(rules.iter().all(|rule| rule["data"].is_array()), "{rules:?}");
        assert!(alert_rules(Path::new("/does/not/exist")).unwrap().is_empty());
    }

    #[test]
    fn a_data_source_as_grafana_documents_it() {
        let file = "
apiVersion: 1
datasources:
  - name: Lotwise
    uid: lotwise
    type: buutech-lotwise-datasource
    isDefault: true
    jsonData:
      host: $HOST
      port: $DB_PORT
      plants: [madrid]
      maxConnections: 4
    secureJsonData:
      password: ${PASSWORD}
";
        let found = parse_datasources(file, &environment).unwrap();
        let [datasource] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(datasource.plugin, "buutech-lotwise-datasource");
        assert!(datasource.is_default);
        assert_eq!(
            Value::Object(datasource.json_data.clone()),
            serde_json::json!({"host": "db.example", "port": "5432", "plants": ["madrid"], "maxConnections": 4})
        );
        assert_eq!(datasource.secure_json_data["password"], "");
    }

    #[test]
    fn a_file_without_data_sources() {
        assert!(parse_datasources("apiVersion: 1", &environment).unwrap().is_empty());
    }
}
