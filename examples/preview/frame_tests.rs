use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{
        Array, BinaryArray, BooleanArray, Date32Array, Float64Array, Int64Array, LargeStringArray,
        StringArray, StringViewArray, TimestampMicrosecondArray, TimestampNanosecondArray,
    },
    datatypes::Schema,
    ipc::writer::{FileWriter, StreamWriter},
};

use super::*;

fn metadata(entries: &[(&str, &str)]) -> HashMap<String, String> {
    entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn file(frame: &[(&str, &str)], fields: Vec<(Field, ArrayRef)>) -> Vec<u8> {
    let (fields, columns): (Vec<_>, Vec<_>) = fields.into_iter().unzip();
    let schema = Arc::new(Schema::new_with_metadata(fields, metadata(frame)));
    let mut writer = FileWriter::try_new(Vec::new(), &schema).unwrap();
    if !columns.is_empty() {
        writer.write(&RecordBatch::try_new(schema, columns).unwrap()).unwrap();
    }
    writer.finish().unwrap();
    writer.into_inner().unwrap()
}

fn one(array: impl Array + 'static) -> Vec<u8> {
    let field = Field::new("value", array.data_type().clone(), true);
    file(&[], vec![(field, Arc::new(array))])
}

#[test]
fn a_series_keeps_labels_config_and_meta() {
    let time = Field::new("time", DataType::Timestamp(TimeUnit::Nanosecond, None), false);
    let value = Field::new("value", DataType::Float64, true).with_metadata(metadata(&[
        ("labels", r#"{"plant":"madrid"}"#),
        ("config", r#"{"unit":"kwatth"}"#),
    ]));
    let bytes = file(
        &[("name", "M1"), ("refId", "A"), ("meta", r#"{"type":"timeseries-multi"}"#)],
        vec![
            (time, Arc::new(TimestampNanosecondArray::from(vec![1_000_000_000, 2_000_000_000]))),
            (value, Arc::new(Float64Array::from(vec![Some(1.5), None]))),
        ],
    );
    assert_eq!(
        to_json(&bytes).unwrap(),
        json!({
            "schema": {
                "name": "M1", "refId": "A", "meta": {"type": "timeseries-multi"},
                "fields": [
                    {"name": "time", "type": "time", "typeInfo": {"frame": "time.Time"}},
                    {"name": "value", "type": "number",
                     "typeInfo": {"frame": "float64", "nullable": true},
                     "labels": {"plant": "madrid"}, "config": {"unit": "kwatth"}},
                ],
            },
            "data": {"values": [[1000, 2000], [1.5, null]]},
        })
    );
}

#[test]
fn what_json_numbers_cannot_say_stands_beside_them() {
    let floats = Float64Array::from(vec![f64::NAN, 1.0, f64::INFINITY, f64::NEG_INFINITY]);
    let data = to_json(&one(floats)).unwrap()["data"].clone();
    assert_eq!(data["values"], json!([[null, 1.0, null, null]]));
    assert_eq!(data["entities"], json!([{"NaN": [0], "Inf": [2], "NegInf": [3]}]));

    // 1.5 ms before 1970, a whole millisecond, and nothing
    let times = TimestampNanosecondArray::from(vec![Some(-1_500_000), Some(3_000_000), None]);
    let data = to_json(&one(times)).unwrap()["data"].clone();
    assert_eq!(data["values"], json!([[-2, 3, null]]));
    assert_eq!(data["nanos"], json!([[500_000, 0, 0]]));
}

#[test]
fn every_type_that_grafana_takes() {
    for (bytes, kind, values) in [
        (one(BooleanArray::from(vec![Some(true), None])), "boolean", json!([true, null])),
        (one(Int64Array::from(vec![i64::MAX])), "number", json!([i64::MAX])),
        (one(StringArray::from(vec![Some("M1"), None])), "string", json!(["M1", null])),
        (
            one(StringViewArray::from(vec!["a longer text than twelve"])),
            "string",
            json!(["a longer text than twelve"]),
        ),
        (one(BinaryArray::from(vec![br#"{"a":1}"#.as_slice()])), "other", json!([{"a": 1}])),
    ] {
        let frame = to_json(&bytes).unwrap();
        assert_eq!(frame["schema"]["fields"][0]["type"], kind);
        assert_eq!(frame["data"]["values"][0], values);
    }
}

#[test]
fn frames_without_rows_or_fields() {
    let empty = to_json(&one(Float64Array::from(Vec::<f64>::new()))).unwrap();
    assert_eq!(empty["data"], json!({"values": [[]]}));
    let bare = to_json(&file(&[("refId", "A")], vec![])).unwrap();
    assert_eq!(bare, json!({"schema": {"refId": "A", "fields": []}, "data": {"values": []}}));
}

#[test]
fn refuses_what_grafana_refuses() {
    for bytes in [
        one(LargeStringArray::from(vec!["x"])),
        one(Date32Array::from(vec![1])),
        one(TimestampMicrosecondArray::from(vec![1])),
    ] {
        assert!(matches!(to_json(&bytes), Err(FrameError::Type { .. })));
    }

    let schema = Schema::new(vec![Field::new("value", DataType::Float64, true)]);
    let mut stream = StreamWriter::try_new(Vec::new(), &schema).unwrap();
    stream.finish().unwrap();
    let stream = stream.into_inner().unwrap();
    assert!(matches!(to_json(&stream), Err(FrameError::Arrow(_))));
    assert!(to_json(b"").is_err());

    let field = Field::new("value", DataType::Float64, true)
        .with_metadata(metadata(&[("labels", "{not json")]));
    let bytes = file(&[], vec![(field, Arc::new(Float64Array::from(vec![1.0])) as ArrayRef)]);
    assert!(matches!(to_json(&bytes), Err(FrameError::Metadata { .. })));
}
