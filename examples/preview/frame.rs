//! Turns a frame as a plugin sends it (an Arrow IPC file) into the JSON that Grafana gives to its
//! front end.
//!
//! Refuses what Grafana's decoder refuses, so that a frame which is good here is good there. Knows
//! nothing of queries.

use std::io::Cursor;

use arrow::{
    array::{ArrayRef, AsArray, RecordBatch},
    datatypes::{
        DataType, Field, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
        Metadata, TimeUnit, TimestampNanosecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
    },
    error::ArrowError,
    ipc::reader::FileReader,
};
use serde_json::{Map, Value, json};

/// Why a frame cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// Not an Arrow IPC file; Grafana does not read the stream format.
    #[error("the frame is not an Arrow IPC file: {0}")]
    Arrow(#[from] ArrowError),
    /// A type that Grafana's data frames lack.
    #[error("Grafana cannot decode the field {field:?} of type {data_type}")]
    Type {
        /// Name of the field.
        field: String,
        /// Its Arrow type.
        data_type: DataType,
    },
    /// `labels`, `config` or `meta` is not JSON.
    #[error("{what} is not JSON: {source}")]
    Metadata {
        /// Which entry of the metadata.
        what: String,
        /// What the parser said.
        source: serde_json::Error,
    },
}

/// Decodes the Arrow file in `bytes` to `{schema, data}`.
pub fn to_json(bytes: &[u8]) -> Result<Value, FrameError> {
    let reader = FileReader::try_new(Cursor::new(bytes), None)?;
    let schema = reader.schema();
    let batches = reader.collect::<Result<Vec<_>, _>>()?;

    let mut fields = Vec::new();
    let mut columns = Vec::new();
    for (index, field) in schema.fields().iter().enumerate() {
        let mut column = Column::default();
        for batch in &batches {
            column.append(field, batch, index)?;
        }
        fields.push(field_schema(field)?);
        columns.push(column);
    }

    let metadata = schema.metadata();
    let mut frame = Map::new();
    for key in ["name", "refId"] {
        if let Some(text) = metadata.get(key).filter(|text| !text.is_empty()) {
            frame.insert(key.to_owned(), json!(text));
        }
    }
    if let Some(meta) = parsed(metadata, "meta", "the frame's meta")? {
        frame.insert("meta".to_owned(), meta);
    }
    frame.insert("fields".to_owned(), Value::Array(fields));
    Ok(json!({ "schema": frame, "data": data_json(columns) }))
}

/// A field's values over all batches, with what JSON numbers cannot say beside them.
#[derive(Default)]
struct Column {
    values: Vec<Value>,
    /// What is finer than a millisecond; only times have it.
    nanos: Vec<i64>,
    nan: Vec<usize>,
    infinite: Vec<usize>,
    negative_infinite: Vec<usize>,
}

impl Column {
    fn append(
        &mut self,
        field: &Field,
        batch: &RecordBatch,
        index: usize,
    ) -> Result<(), FrameError> {
        let array = batch.column(index);
        match field.data_type() {
            DataType::Boolean => self.extend(array.as_boolean().iter()),
            DataType::Int8 => self.extend(array.as_primitive::<Int8Type>().iter()),
            DataType::Int16 => self.extend(array.as_primitive::<Int16Type>().iter()),
            DataType::Int32 => self.extend(array.as_primitive::<Int32Type>().iter()),
            DataType::Int64 => self.extend(array.as_primitive::<Int64Type>().iter()),
            DataType::UInt8 => self.extend(array.as_primitive::<UInt8Type>().iter()),
            DataType::UInt16 => self.extend(array.as_primitive::<UInt16Type>().iter()),
            DataType::UInt32 => self.extend(array.as_primitive::<UInt32Type>().iter()),
            DataType::UInt64 => self.extend(array.as_primitive::<UInt64Type>().iter()),
            DataType::Float32 => {
                let numbers = array.as_primitive::<Float32Type>().iter();
                self.extend_floats(numbers.map(|number| number.map(f64::from)));
            }
            DataType::Float64 => self.extend_floats(array.as_primitive::<Float64Type>().iter()),
            DataType::Utf8 => self.extend(array.as_string::<i32>().iter()),
            DataType::Utf8View => self.extend(array.as_string_view().iter()),
            DataType::Binary => self.extend_json(field, array)?,
            DataType::Timestamp(TimeUnit::Nanosecond, _) => self.extend_times(array),
            other => {
                return Err(FrameError::Type {
                    field: field.name().clone(),
                    data_type: other.clone(),
                });
            }
        }
        Ok(())
    }

    fn extend<T: Into<Value>>(&mut self, values: impl Iterator<Item = Option<T>>) {
        self.values.extend(values.map(|value| value.map_or(Value::Null, Into::into)));
    }

    fn extend_floats(&mut self, numbers: impl Iterator<Item = Option<f64>>) {
        for number in numbers {
            let row = self.values.len();
            match number {
                Some(number) if number.is_nan() => self.nan.push(row),
                Some(f64::INFINITY) => self.infinite.push(row),
                Some(f64::NEG_INFINITY) => self.negative_infinite.push(row),
                _ => {}
            }
            // `Value::from` makes null of what is not finite.
            self.values.push(number.map_or(Value::Null, Value::from));
        }
    }

    fn extend_times(&mut self, array: &ArrayRef) {
        for nanoseconds in array.as_primitive::<TimestampNanosecondType>() {
            self.nanos.push(nanoseconds.map_or(0, |time| time.rem_euclid(1_000_000)));
            self.values
                .push(nanoseconds.map_or(Value::Null, |time| json!(time.div_euclid(1_000_000))));
        }
    }

    fn extend_json(&mut self, field: &Field, array: &ArrayRef) -> Result<(), FrameError> {
        for bytes in array.as_binary::<i32>() {
            let value = bytes.map(serde_json::from_slice).transpose();
            self.values.push(
                value
                    .map_err(|source| FrameError::Metadata {
                        what: format!("a value of the field {:?}", field.name()),
                        source,
                    })?
                    .unwrap_or(Value::Null),
            );
        }
        Ok(())
    }

    fn entities(&self) -> Value {
        let mut entities = Map::new();
        for (name, rows) in
            [("NaN", &self.nan), ("Inf", &self.infinite), ("NegInf", &self.negative_infinite)]
        {
            if !rows.is_empty() {
                entities.insert(name.to_owned(), json!(rows));
            }
        }
        if entities.is_empty() { Value::Null } else { Value::Object(entities) }
    }
}

fn field_schema(field: &Field) -> Result<Value, FrameError> {
    let (kind, go_type) = match field.data_type() {
        DataType::Timestamp(TimeUnit::Nanosecond, _) => ("time", "time.Time"),
        DataType::Boolean => ("boolean", "bool"),
        DataType::Utf8 | DataType::Utf8View => ("string", "string"),
        DataType::Binary => ("other", "json.RawMessage"),
        DataType::Float64 => ("number", "float64"),
        DataType::Float32 => ("number", "float32"),
        DataType::Int64 => ("number", "int64"),
        DataType::Int32 => ("number", "int32"),
        DataType::Int16 => ("number", "int16"),
        DataType::Int8 => ("number", "int8"),
        DataType::UInt64 => ("number", "uint64"),
        DataType::UInt32 => ("number", "uint32"),
        DataType::UInt16 => ("number", "uint16"),
        DataType::UInt8 => ("number", "uint8"),
        other => {
            return Err(FrameError::Type { field: field.name().clone(), data_type: other.clone() });
        }
    };
    let mut schema = Map::new();
    schema.insert("name".to_owned(), json!(field.name()));
    schema.insert("type".to_owned(), json!(kind));
    let mut type_info = json!({ "frame": go_type });
    if field.is_nullable() {
        type_info["nullable"] = json!(true);
    }
    schema.insert("typeInfo".to_owned(), type_info);
    for key in ["labels", "config"] {
        let what = format!("{key} of the field {:?}", field.name());
        if let Some(value) = parsed(field.metadata(), key, &what)? {
            schema.insert(key.to_owned(), value);
        }
    }
    Ok(Value::Object(schema))
}

fn parsed(metadata: &Metadata, key: &str, what: &str) -> Result<Option<Value>, FrameError> {
    let Some(text) = metadata.get(key).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let value = serde_json::from_str(text)
        .map_err(|source| FrameError::Metadata { what: what.to_owned(), source })?;
    Ok(Some(value).filter(|value| *value != Value::Null))
}

fn data_json(columns: Vec<Column>) -> Value {
    let mut data = Map::new();
    let entities: Vec<Value> = columns.iter().map(Column::entities).collect();
    if entities.iter().any(|entity| !entity.is_null()) {
        data.insert("entities".to_owned(), Value::Array(entities));
    }
    let has_nanos = |column: &Column| column.nanos.iter().any(|nanos| *nanos != 0);
    if columns.iter().any(has_nanos) {
        let nanos = columns.iter().map(|column| match has_nanos(column) {
            true => json!(column.nanos),
            false => Value::Null,
        });
        data.insert("nanos".to_owned(), nanos.collect());
    }
    let values = columns.into_iter().map(|column| Value::Array(column.values));
    data.insert("values".to_owned(), values.collect());
    Value::Object(data)
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
