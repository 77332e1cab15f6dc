//! Data frames as Grafana decodes them: Arrow IPC files with the metadata of Grafana's Go SDK.
//!
//! What Grafana's decoder accepts, measured: the file format (not the stream), timestamps in
//! nanoseconds, `Float64`, `Utf8`, `Boolean`; names, labels and config as field metadata.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::TimestampNanosecondArray;
use arrow::array::{ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field as ArrowField, Schema, TimeUnit};
use arrow::error::ArrowError;
use arrow::ipc::writer::FileWriter;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

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
}

/// A named column with what Grafana needs to show it.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    name: String,
    labels: BTreeMap<String, String>,
    config: serde_json::Map<String, Value>,
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

    /// Name of the field.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Values of the field.
    pub fn column(&self) -> &Column {
        &self.column
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

    /// Sets what Grafana shows as the field's description.
    #[must_use]
    pub fn description(self, text: &str) -> Self {
        self.config("description", json!(text))
    }

    fn config(mut self, key: &str, value: Value) -> Self {
        self.config.insert(key.to_owned(), value);
        self
    }

    fn arrow(&self) -> (ArrowField, ArrayRef) {
        let (kind, array): (DataType, ArrayRef) = match &self.column {
            Column::Time(v) => {
                let nanos = v.iter().map(|t| t.and_then(|t| t.timestamp_nanos_opt()));
                let array: TimestampNanosecondArray = nanos.collect();
                (DataType::Timestamp(TimeUnit::Nanosecond, None), Arc::new(array))
            }
            Column::Number(v) => {
                (DataType::Float64, Arc::new(v.iter().copied().collect::<Float64Array>()))
            }
            Column::Text(v) => {
                (DataType::Utf8, Arc::new(v.iter().map(Option::as_deref).collect::<StringArray>()))
            }
            Column::Bool(v) => {
                (DataType::Boolean, Arc::new(v.iter().copied().collect::<BooleanArray>()))
            }
        };
        let mut metadata = HashMap::from([("name".to_owned(), self.name.clone())]);
        if !self.labels.is_empty() {
            metadata.insert("labels".to_owned(), json!(self.labels).to_string());
        }
        if !self.config.is_empty() {
            metadata.insert("config".to_owned(), Value::Object(self.config.clone()).to_string());
        }
        (ArrowField::new(&self.name, kind, true).with_metadata(metadata), array)
    }
}

/// Something that the reader of a panel should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Good to know.
    Info(String),
    /// The figures are not what they seem.
    Warning(String),
}

impl Notice {
    fn json(&self) -> Value {
        match self {
            Self::Info(text) => json!({"severity": "info", "text": text}),
            Self::Warning(text) => json!({"severity": "warning", "text": text}),
        }
    }
}

/// A table with metadata.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// Name of the frame.
    pub name: String,
    /// Fields of equal length.
    pub fields: Vec<Field>,
    /// Grafana's frame meta: `type`, `notices`, `executedQueryString`, `custom` ...
    pub meta: Value,
}

impl Frame {
    /// A frame of a kind that Grafana's alerting knows, such as `timeseries-multi`; empty for none.
    pub fn new(name: &str, kind: &str, fields: Vec<Field>) -> Self {
        let meta = match kind {
            "" => json!({}),
            kind => json!({"type": kind, "typeVersion": [0, 1]}),
        };
        Self { name: name.to_owned(), fields, meta }
    }

    /// Adds notices, which Grafana shows in the panel's corner.
    pub fn notify(&mut self, notices: &[Notice]) {
        if let (Value::Object(meta), false) = (&mut self.meta, notices.is_empty()) {
            meta.insert("notices".to_owned(), notices.iter().map(Notice::json).collect());
        }
    }

    /// The numbers of a field; `None` without such a field of numbers.
    pub fn numbers(&self, field: &str) -> Option<&[Option<f64>]> {
        match self.fields.iter().find(|f| f.name == field)?.column() {
            Column::Number(values) => Some(values),
            _ => None,
        }
    }

    /// The texts of a field; `None` without such a field of texts.
    pub fn texts(&self, field: &str) -> Option<&[Option<String>]> {
        match self.fields.iter().find(|f| f.name == field)?.column() {
            Column::Text(values) => Some(values),
            _ => None,
        }
    }

    /// The frame as an Arrow IPC file.
    ///
    /// # Errors
    /// [`ArrowError`] when the fields differ in length.
    pub fn to_arrow(&self, ref_id: &str) -> Result<Vec<u8>, ArrowError> {
        let (fields, arrays): (Vec<_>, Vec<_>) = self.fields.iter().map(Field::arrow).unzip();
        let metadata = HashMap::from([
            ("name".to_owned(), self.name.clone()),
            ("refId".to_owned(), ref_id.to_owned()),
            ("meta".to_owned(), self.meta.to_string()),
        ]);
        let schema = Arc::new(Schema::new_with_metadata(fields, metadata));
        let mut writer = FileWriter::try_new(Vec::new(), &schema)?;
        if !arrays.is_empty() {
            writer.write(&RecordBatch::try_new(schema, arrays)?)?;
        }
        writer.into_inner()
    }
}

/// Grafana's id of a unit; `None` for a bare number.
fn grafana_unit(unit: &str) -> Option<String> {
    let id = match unit {
        "" | "unit" | "units" => return None,
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
        "bar" => "pressurebar",
        "Pa" => "pressurepa",
        "V" => "volt",
        "A" => "amp",
        "Hz" => "hertz",
        other => return Some(format!("suffix: {other}")),
    };
    Some(id.to_owned())
}

#[cfg(test)]
mod tests;
