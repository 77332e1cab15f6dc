//! One column of a frame, with name, labels and config.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Float64Array, StringArray, TimestampNanosecondArray,
};
use arrow::datatypes::{DataType, Field as ArrowField, TimeUnit};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::domain::{Language, Words};

/// The values of one field, one entry a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    /// Instants.
    Time(Vec<Option<DateTime<Utc>>>),
    /// Numbers; `None` is a gap.
    Number(Vec<Option<f64>>),
    /// Texts.
    Text(Vec<Option<String>>),
    /// Yes or no.
    Bool(Vec<Option<bool>>),
    /// Instants in nanoseconds since 1970 UTC, none of them unknown.
    Instants(Vec<i64>),
    /// Numbers, none of them unknown; NaN and the infinite are gaps.
    Numbers(Vec<f64>),
}

/// A named column with what Grafana needs to show it.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    name: String,
    labels: BTreeMap<String, String>,
    config: serde_json::Map<String, Value>,
    /// The description in Spanish, while its language is not settled.
    spanish: Option<String>,
    column: Column,
}

impl Field {
    /// A field of instants.
    pub fn time(name: &str, values: impl IntoIterator<Item = Option<DateTime<Utc>>>) -> Self {
        Self::new(name, Column::Time(values.into_iter().collect()))
    }

    /// A field of numbers.
    pub fn number(name: &str, values: impl IntoIterator<Item = Option<f64>>) -> Self {
        // Grafana's alerting cannot compare infinities; nothing we compute means one.
        let finite = values.into_iter().map(|v| v.filter(|v| v.is_finite()));
        Self::new(name, Column::Number(finite.collect()))
    }

    /// A field of texts.
    pub fn text(name: &str, values: impl IntoIterator<Item = Option<String>>) -> Self {
        Self::new(name, Column::Text(values.into_iter().collect()))
    }

    /// A field of yes and no.
    pub fn bool(name: &str, values: impl IntoIterator<Item = Option<bool>>) -> Self {
        Self::new(name, Column::Bool(values.into_iter().collect()))
    }

    /// A field of instants, nanoseconds since 1970 UTC, which goes to Arrow without a copy.
    pub fn instants(name: &str, nanoseconds: Vec<i64>) -> Self {
        Self::new(name, Column::Instants(nanoseconds))
    }

    /// A field of numbers that are all known, which goes to Arrow without a copy.
    pub fn numbers(name: &str, values: Vec<f64>) -> Self {
        Self::new(name, Column::Numbers(values))
    }

    /// Name of the field.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Values of the field.
    pub fn column(&self) -> &Column {
        &self.column
    }

    /// What Grafana shows as the field's description.
    pub fn described(&self) -> Option<&str> {
        self.config.get("description").and_then(Value::as_str)
    }

    /// Value of a label.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(String::as_str)
    }

    fn new(name: &str, column: Column) -> Self {
        Self {
            name: name.to_owned(),
            labels: BTreeMap::new(),
            config: serde_json::Map::new(),
            spanish: None,
            column,
        }
    }

    /// Adds labels.
    #[must_use]
    pub fn labels<'a>(mut self, labels: impl IntoIterator<Item = (&'a str, String)>) -> Self {
        self.labels.extend(labels.into_iter().map(|(k, v)| (k.to_owned(), v)));
        self
    }

    /// Sets the unit, by its own name such as `kWh`.
    #[must_use]
    pub fn unit(self, unit: &str) -> Self {
        match grafana_unit(unit) {
            None => self,
            Some(id) => self.config("unit", json!(id)),
        }
    }

    /// Sets the name shown in legends and headings.
    #[must_use]
    pub fn display_name(self, name: &str) -> Self {
        self.config("displayNameFromDS", json!(name))
    }

    /// Sets what Grafana shows as the field's description, in English and in Spanish: the frame's
    /// language decides ([`super::Frame::in_language`]).
    #[must_use]
    pub fn description(mut self, en: &str, es: &str) -> Self {
        self.spanish = Some(es.to_owned());
        self.config("description", json!(en))
    }

    /// [`Self::description`] of words kept elsewhere.
    #[must_use]
    pub fn describe(self, [en, es]: Words) -> Self {
        self.description(en, es)
    }

    /// The same with its description in that language.
    #[must_use]
    pub(super) fn in_language(mut self, language: Language) -> Self {
        match self.spanish.take().filter(|_| language == Language::Es) {
            Some(text) => self.config("description", json!(text)),
            None => self,
        }
    }

    /// Shows the field as an edge of a band: faint, without a line in the legend, and filled down to
    /// the field of that display name.
    #[must_use]
    pub fn band(self, down_to: Option<&str>) -> Self {
        let hidden = json!({"legend": true, "tooltip": false, "viz": false});
        let mut custom = json!({"lineWidth": 0, "showPoints": "never", "hideFrom": hidden});
        if let Some(name) = down_to {
            custom["fillBelowTo"] = json!(name);
            custom["fillOpacity"] = json!(25);
        }
        self.config("custom", custom)
    }

    /// Shows the field as a dashed line.
    #[must_use]
    pub fn dashed(self) -> Self {
        let style = json!({"fill": "dash", "dash": [6, 6]});
        self.config("custom", json!({"lineStyle": style, "fillOpacity": 0}))
    }

    /// All labels.
    pub fn all_labels(&self) -> &BTreeMap<String, String> {
        &self.labels
    }

    /// The same field with other numbers.
    #[must_use]
    pub fn with_numbers(&self, name: &str, values: Vec<Option<f64>>) -> Self {
        Self { name: name.to_owned(), column: Column::Number(values), ..self.clone() }
    }

    /// The same field with rows of another one after its own: its texts, and nothing of figures.
    #[must_use]
    pub fn followed_by(&self, other: Option<&Self>, rows: &[usize]) -> Self {
        let mut field = self.clone();
        match (&mut field.column, other.map(|o| &o.column)) {
            (Column::Text(own), Some(Column::Text(other))) => {
                own.extend(rows.iter().map(|row| other.get(*row).cloned().flatten()));
            }
            (Column::Text(own), _) => own.resize(own.len() + rows.len(), None),
            (Column::Number(own), _) => own.resize(own.len() + rows.len(), None),
            (Column::Bool(own), _) => own.resize(own.len() + rows.len(), None),
            (Column::Time(own), _) => own.resize(own.len() + rows.len(), None),
            // Of series of readings, which are not tables.
            (Column::Instants(own), _) => own.resize(own.len() + rows.len(), 0),
            (Column::Numbers(own), _) => own.resize(own.len() + rows.len(), f64::NAN),
        }
        field
    }

    /// Name shown in legends and headings; the field's own name without one.
    pub fn shown_name(&self) -> &str {
        self.config.get("displayNameFromDS").and_then(Value::as_str).unwrap_or(&self.name)
    }

    fn config(mut self, key: &str, value: Value) -> Self {
        self.config.insert(key.to_owned(), value);
        self
    }

    pub(super) fn into_arrow(self) -> (ArrowField, ArrayRef) {
        let instants = matches!(self.column, Column::Time(_) | Column::Instants(_));
        let (kind, array): (DataType, ArrayRef) = match self.column {
            Column::Time(v) => {
                let nanos = v.iter().map(|t| t.and_then(|t| t.timestamp_nanos_opt()));
                let array: TimestampNanosecondArray = nanos.collect();
                (DataType::Timestamp(TimeUnit::Nanosecond, None), Arc::new(array))
            }
            Column::Number(v) => (DataType::Float64, Arc::new(Float64Array::from(v))),
            Column::Text(v) => {
                (DataType::Utf8, Arc::new(v.iter().map(Option::as_deref).collect::<StringArray>()))
            }
            Column::Bool(v) => (DataType::Boolean, Arc::new(BooleanArray::from(v))),
            Column::Instants(v) => {
                let kind = DataType::Timestamp(TimeUnit::Nanosecond, None);
                (kind, Arc::new(TimestampNanosecondArray::from(v)))
            }
            Column::Numbers(v) => {
                // Grafana's alerting cannot compare infinities.
                let array = match v.iter().all(|v| v.is_finite()) {
                    true => Float64Array::from(v),
                    false => v.iter().map(|v| Some(*v).filter(|v| v.is_finite())).collect(),
                };
                (DataType::Float64, Arc::new(array))
            }
        };
        let mut metadata = HashMap::from([("name".to_owned(), self.name.clone())]);
        if !self.labels.is_empty() {
            metadata.insert("labels".to_owned(), json!(self.labels).to_string());
        }
        if !self.config.is_empty() {
            metadata.insert("config".to_owned(), Value::Object(self.config.clone()).to_string());
        }
        // Grafana's expressions and alert rules read series only by instants that are never null.
        let nullable = !instants || array.null_count() > 0;
        (ArrowField::new(&self.name, kind, nullable).with_metadata(metadata), array)
    }
}

/// Grafana's id of a unit; `None` for a bare number.
fn grafana_unit(unit: &str) -> Option<String> {
    let id = match unit {
        "" | "unit" | "units" | "unknown" => return None,
        "°C" => "celsius",
        "°F" => "fahrenheit",
        "K" => "kelvin",
        "kWh" => "kwatth",
        "Wh" => "watth",
        "kW" => "kwatt",
        "W" => "watt",
        "MW" => "megwatt",
        "%" => "percent",
        "ratio" => "percentunit",
        "s" => "s",
        "h" => "h",
        "bar" => "pressurebar",
        "Pa" => "pressurepa",
        "V" => "volt",
        "A" => "amp",
        "Hz" => "hertz",
        "kg" => "masskg",
        // Those that Grafana has a symbol for.
        "EUR" | "USD" | "GBP" | "CHF" | "SEK" | "NOK" | "DKK" | "ISK" | "PLN" | "CZK" | "BGN"
        | "TRY" | "UAH" | "RUB" | "ILS" | "JPY" | "KRW" | "INR" | "IDR" | "PHP" | "VND" | "MYR"
        | "BRL" | "UYU" | "PYG" | "ZAR" | "XPF" => return Some(format!("currency{unit}")),
        other => return Some(format!("suffix: {other}")),
    };
    Some(id.to_owned())
}
