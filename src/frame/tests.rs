use super::*;
use arrow::array::{Array, TimestampNanosecondArray};
use arrow::ipc::reader::FileReader;
use chrono::{DateTime, Utc};
use std::io::Cursor;

fn decode(frame: &Frame) -> (arrow::datatypes::SchemaRef, Vec<RecordBatch>) {
    let reader =
        FileReader::try_new(Cursor::new(frame.clone().into_arrow("A").unwrap()), None).unwrap();
    (reader.schema(), reader.map(Result::unwrap).collect())
}

#[test]
fn labels_and_config_of_a_field_both_arrive() {
    let field = Field::number("value", [Some(1.5), None])
        .labels([("line", "M1".to_owned())])
        .unit("kWh")
        .display_name("Line 1");
    let (schema, batches) = decode(&Frame::new("f", "timeseries-multi", vec![field]));
    let metadata = schema.field(0).metadata();
    assert_eq!(metadata["labels"], r#"{"line":"M1"}"#);
    let config: Value = serde_json::from_str(&metadata["config"]).unwrap();
    assert_eq!(config, json!({"unit": "kwatth", "displayNameFromDS": "Line 1"}));
    assert_eq!(schema.metadata()["refId"], "A");
    assert_eq!(batches[0].num_rows(), 2);
    assert_eq!(batches[0].column(0).null_count(), 1);
}

#[test]
fn times_are_nanoseconds_and_infinities_gaps() {
    let t: DateTime<Utc> = "2026-03-29T01:00:00.000001Z".parse().unwrap();
    let fields =
        vec![Field::time("time", [Some(t)]), Field::number("value", [Some(f64::INFINITY)])];
    let (_, batches) = decode(&Frame::new("", "", fields));
    let times = batches[0].column(0).as_any().downcast_ref::<TimestampNanosecondArray>().unwrap();
    assert_eq!(times.value(0), 1_774_746_000_000_001_000);
    assert_eq!(batches[0].column(1).null_count(), 1);
}

#[test]
fn instants_that_are_all_there_are_not_nullable() {
    let t: DateTime<Utc> = "2026-03-29T01:00:00Z".parse().unwrap();
    let fields = vec![Field::time("all", [Some(t), Some(t)]), Field::time("some", [Some(t), None])];
    let (schema, _) = decode(&Frame::new("", "", fields));
    assert!(!schema.field(0).is_nullable() && schema.field(1).is_nullable());
}

#[test]
fn figures_that_no_row_has_are_left_out_and_kept_without_rows() {
    let names = |rows: usize, cost: Option<f64>| -> Vec<String> {
        let fields = vec![
            Field::text("place", vec![Some("press".to_owned()); rows]),
            Field::number("energy", vec![None; rows]),
            Field::number("cost", vec![cost; rows]),
            Field::number("other", vec![None; rows]),
        ];
        let frame = Frame::new("f", "", fields).without_unknown(&["energy", "cost"]);
        frame.fields.iter().map(|f| f.name().to_owned()).collect()
    };
    assert_eq!(names(2, Some(1.0)), ["place", "cost", "other"]);
    assert_eq!(names(2, None), ["place", "other"]);
    assert_eq!(names(0, None), ["place", "energy", "cost", "other"]);
}

#[test]
fn an_empty_frame_is_still_a_file() {
    let (schema, batches) = decode(&Frame::new("", "", vec![]));
    assert!(schema.fields().is_empty() && batches.is_empty());
}

#[test]
fn fields_of_unequal_length_are_an_error() {
    let fields = vec![Field::number("a", [Some(1.0)]), Field::number("b", [])];
    assert!(Frame::new("", "", fields).into_arrow("A").is_err());
}

#[test]
fn columns_without_unknowns_arrive_and_what_is_not_finite_is_a_gap() {
    let fields = vec![
        Field::instants("time", vec![1, 1_774_746_000_000_001_000, i64::MAX]),
        Field::numbers("value", vec![1.5, f64::NAN, f64::NEG_INFINITY]),
        Field::numbers("all", vec![0.0, -1.0, 2.0]),
    ];
    let (_, batches) = decode(&Frame::new("", "", fields));
    let times = batches[0].column(0).as_any().downcast_ref::<TimestampNanosecondArray>().unwrap();
    assert_eq!(times.values()[..2], [1, 1_774_746_000_000_001_000]);
    assert_eq!(batches[0].column(1).null_count(), 2);
    assert_eq!(batches[0].column(2).null_count(), 0);
}
