//! Data frames as Grafana decodes them: Arrow IPC files with the metadata of Grafana's Go SDK.
//!
//! What Grafana's decoder accepts, measured: the file format (not the stream), timestamps in
//! nanoseconds, `Float64`, `Utf8`, `Boolean`; names, labels and config as field metadata.

mod field;

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow::error::ArrowError;
use arrow::ipc::writer::FileWriter;
use serde_json::{Value, json};

use crate::domain::Language;
pub use field::{Column, Field};

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

    /// The same with the descriptions of its fields in that language. Until then they are English.
    #[must_use]
    pub fn in_language(self, language: Language) -> Self {
        let fields = self.fields.into_iter().map(|field| field.in_language(language)).collect();
        Self { fields, ..self }
    }

    /// The same without those of these fields of numbers that no row has one of: in a panel they would
    /// add up to nothing, which they are not. Without rows they stay.
    #[must_use]
    pub fn without_unknown(self, names: &[&str]) -> Self {
        let is_unknown = |field: &Field| match field.column() {
            Column::Number(values) => !values.is_empty() && values.iter().all(Option::is_none),
            _ => false,
        };
        let stays = |field: &Field| !(names.contains(&field.name()) && is_unknown(field));
        let fields = self.fields.into_iter().filter(stays).collect();
        Self { fields, ..self }
    }

    /// Adds notices, which Grafana shows in the panel's corner.
    pub fn notify(&mut self, notices: &[Notice]) {
        if let (Value::Object(meta), false) = (&mut self.meta, notices.is_empty()) {
            meta.insert("notices".to_owned(), notices.iter().map(Notice::json).collect());
        }
    }

    /// Adds notices to those there are.
    pub fn notify_more(&mut self, notices: &[Notice]) {
        let Value::Object(meta) = &mut self.meta else { return };
        if let Value::Array(list) = meta.entry("notices").or_insert_with(|| json!([])) {
            list.extend(notices.iter().map(Notice::json));
        }
    }

    /// The numbers of a field; `None` without such a field of numbers.
    pub fn numbers(&self, field: &str) -> Option<&[Option<f64>]> {
        match self.fields.iter().find(|f| f.name() == field)?.column() {
            Column::Number(values) => Some(values),
            _ => None,
        }
    }

    /// The texts of a field; `None` without such a field of texts.
    pub fn texts(&self, field: &str) -> Option<&[Option<String>]> {
        match self.fields.iter().find(|f| f.name() == field)?.column() {
            Column::Text(values) => Some(values),
            _ => None,
        }
    }

    /// The frame as an Arrow IPC file.
    ///
    /// # Errors
    /// [`ArrowError`] when the fields differ in length.
    pub fn into_arrow(self, ref_id: &str) -> Result<Vec<u8>, ArrowError> {
        let Self { name, fields, meta } = self;
        let meta = meta.to_string();
        let meta_length = meta.len();
        let (fields, arrays): (Vec<_>, Vec<_>) = fields.into_iter().map(Field::into_arrow).unzip();
        let metadata = HashMap::from([
            ("name".to_owned(), name),
            ("refId".to_owned(), ref_id.to_owned()),
            ("meta".to_owned(), meta),
        ]);
        let schema = Arc::new(Schema::new_with_metadata(fields, metadata));
        // Room for the columns at once: a vector that grows is copied, and held twice meanwhile.
        let columns: usize = arrays.iter().map(|a| a.get_buffer_memory_size()).sum();
        let bytes = Vec::with_capacity(columns + 2 * meta_length + 8_192);
        let mut writer = FileWriter::try_new(bytes, &schema)?;
        if !arrays.is_empty() {
            writer.write(&RecordBatch::try_new(schema, arrays)?)?;
        }
        writer.into_inner()
    }
}

#[cfg(test)]
mod tests;
