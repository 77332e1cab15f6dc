//! Frames as their reader sees them, decoded from the bytes that Grafana gets.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;

use arrow::array::{
    Array, AsArray, BooleanArray, Float64Array, StringArray, TimestampNanosecondArray,
};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, TimeUnit};
use arrow::ipc::reader::FileReader;
use serde_json::Value;

/// The values of a field.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Nanoseconds since 1970.
    Time(Vec<Option<i64>>),
    /// Numbers.
    Number(Vec<Option<f64>>),
    /// Texts.
    Text(Vec<Option<String>>),
    /// Yes or no.
    Bool(Vec<Option<bool>>),
}

/// A field.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Name of the field's metadata, which Grafana reads.
    pub name: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Config: unit, display name.
    pub config: Value,
    /// Values.
    pub values: Values,
}

/// A frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// Name.
    pub name: String,
    /// Ref id of the query.
    pub ref_id: String,
    /// Grafana's meta.
    pub meta: Value,
    /// Number of rows.
    pub rows: usize,
    /// Fields.
    pub columns: Vec<Column>,
}

impl Decoded {
    /// Decodes an Arrow IPC file.
    pub fn read(bytes: &[u8]) -> Self {
        let reader = FileReader::try_new(Cursor::new(bytes), None).expect("an Arrow IPC file");
        let schema = reader.schema();
        let batches: Vec<_> = reader.collect::<Result<_, _>>().expect("record batches");
        let batch = concat_batches(&schema, &batches).expect("one batch");
        let json = |text: Option<&String>| {
            text.map_or(Value::Null, |text| serde_json::from_str(text).expect("JSON metadata"))
        };
        let columns = schema.fields().iter().zip(batch.columns()).map(|(field, array)| {
            let metadata = field.metadata();
            let labels = json(metadata.get("labels"));
            Column {
                name: metadata["name"].clone(),
                labels: match labels {
                    Value::Null => BTreeMap::new(),
                    labels => serde_json::from_value(labels).expect("labels"),
                },
                config: json(metadata.get("config")),
                values: values(array),
            }
        });
        let metadata = schema.metadata();
        Self {
            name: metadata["name"].clone(),
            ref_id: metadata["refId"].clone(),
            meta: json(metadata.get("meta")),
            rows: batch.num_rows(),
            columns: columns.collect(),
        }
    }

    /// The field of a name.
    pub fn column(&self, name: &str) -> &Column {
        let names = || self.columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>();
        let found = self.columns.iter().find(|c| c.name == name);
        found.unwrap_or_else(|| panic!("no field {name:?} among {:?}", names()))
    }

    /// The numbers of a field.
    pub fn numbers(&self, name: &str) -> &[Option<f64>] {
        match &self.column(name).values {
            Values::Number(values) => values,
            other => panic!("{name} holds no numbers but {other:?}"),
        }
    }

    /// The texts of a field; "" where there is none.
    pub fn texts(&self, name: &str) -> Vec<&str> {
        match &self.column(name).values {
            Values::Text(values) => values.iter().map(|v| v.as_deref().unwrap_or("")).collect(),
            other => panic!("{name} holds no texts but {other:?}"),
        }
    }

    /// The instants of a field, in nanoseconds.
    pub fn times(&self, name: &str) -> &[Option<i64>] {
        match &self.column(name).values {
            Values::Time(values) => values,
            other => panic!("{name} holds no instants but {other:?}"),
        }
    }

    /// The one column of numbers of a frame that is fit for alert rules. Grafana's expressions take
    /// the texts of each row as its labels, so no two rows may have the same.
    pub fn rule_column(&self) -> &str {
        assert_eq!(self.meta["type"], "numeric-long");
        assert_eq!(self.meta["typeVersion"], serde_json::json!([0, 1]));
        let (texts, numbers): (Vec<&Column>, Vec<&Column>) =
            self.columns.iter().partition(|c| matches!(c.values, Values::Text(_)));
        assert!(self.rows > 0 && !texts.is_empty(), "{self:?}");
        let labels: BTreeSet<Vec<&str>> = (0..self.rows)
            .map(|row| texts.iter().map(|c| self.texts(&c.name)[row]).collect())
            .collect();
        assert_eq!(labels.len(), self.rows, "rows that labels do not tell apart: {labels:?}");
        let [number] = numbers[..] else { panic!("not one column of numbers: {numbers:?}") };
        assert!(matches!(number.values, Values::Number(_)), "{number:?}");
        &number.name
    }
}

fn values(array: &dyn Array) -> Values {
    fn all<T, A>(array: A) -> Vec<Option<T>>
    where
        A: IntoIterator<Item = Option<T>>,
    {
        array.into_iter().collect()
    }
    match array.data_type() {
        DataType::Timestamp(TimeUnit::Nanosecond, None) => {
            let array: &TimestampNanosecondArray = array.as_primitive();
            Values::Time(all(array))
        }
        DataType::Float64 => {
            let array: &Float64Array = array.as_primitive();
            Values::Number(all(array))
        }
        DataType::Utf8 => {
            let array: &StringArray = array.as_string();
            Values::Text(array.iter().map(|v| v.map(str::to_owned)).collect())
        }
        DataType::Boolean => {
            let array: &BooleanArray = array.as_boolean();
            Values::Bool(all(array))
        }
        other => panic!("Grafana's decoder does not take {other}"),
    }
}
