use proptest::prelude::*;

use super::{parse, parts};
use crate::ingest::payload::Parsed;

fn shown(parsed: &Parsed<'_>) -> (Vec<String>, Vec<String>) {
    let rows = parsed.rows.iter().map(|r| {
        let plant = r.plant.as_deref().unwrap_or("-");
        format!("{} {plant} {} {} {}", r.position, r.sensor, r.time.micros(), r.value.get())
    });
    let errors =
        parsed.errors.iter().map(|e| format!("{} {}: {}", e.position, e.reason.code(), e.reason));
    (rows.collect(), errors.collect())
}

#[test]
fn reads_both_forms_of_time_and_a_plant_per_row() {
    let body = br#"{"plant":"madrid","readings":[
        {"sensor":"T1","time":"2026-03-01T06:00:00.5+01:00","value":21.5},
        {"sensor":"a\"b","time":1772341200000,"value":-3,"plant":"porto"}]}"#;
    let parsed = parse(body).expect("body");
    assert_eq!(parsed.plant.as_deref(), Some("madrid"));
    let (rows, errors) = shown(&parsed);
    assert_eq!(rows, ["0 - T1 1772341200500000 21.5", "1 porto a\"b 1772341200000000 -3"]);
    assert!(errors.is_empty());
}

#[test]
fn a_bad_row_leaves_its_neighbours_alone() {
    let body = br#"{"readings":[
        {"sensor":"T1","time":0,"value":1},
        {"sensor":"T1","time":1},
        7,
        {"sensor":"T1","time":"yesterday","value":1},
        {"sensor":"T1","time":1.5,"value":1},
        {"sensor":"T1","time":2,"value":"1"},
        {"sensor":"T1","time":2,"value":1e999},
        {"sensor":"T1","time":-1,"value":1},
        {"sensor":"T1","time":2,"value":null},
        {"sensor":"T1","timestamp":2,"value":1},
        {"sensor":"T1","time":3,"value":2}]}"#;
    let (rows, errors) = shown(&parse(body).expect("body"));
    assert_eq!(rows, ["0 - T1 0 1", "10 - T1 3000 2"]);
    insta::assert_snapshot!(errors.join("\n"), @r#"
    1 malformed: missing field `value`
    2 malformed: invalid type: integer `7`, expected a reading {"sensor", "time", "value"}
    3 malformed: "yesterday" is not an RFC 3339 time with offset, such as 2026-03-01T06:00:00Z
    4 malformed: invalid type: floating point `1.5`, expected an RFC 3339 time or whole milliseconds since 1970
    5 malformed: invalid type: string "1", expected f64
    6 malformed: number out of range
    7 time_out_of_range: the time is not between the years 1970 and 2100: check its unit (JSON: milliseconds; line protocol: see `precision`)
    8 malformed: invalid type: null, expected f64
    9 malformed: unknown field `timestamp`, expected one of `plant`, `sensor`, `time`, `value`
    "#);
}

#[test]
fn a_body_that_is_no_batch_fails_as_a_whole() {
    for body in [
        " [\"madrid\", []]",
        "",
        "[]",
        "{}",
        r#"{"readings":[NaN]}"#,
        r#"{"readings":[{]}"#,
        "\u{1}",
    ] {
        assert!(parse(body.as_bytes()).is_err(), "{body}");
    }
    assert!(parse(b"{\"readings\":[]}").expect("empty").rows.is_empty());
}

/// serde would take a list for the fields' values in order, which nobody means.
#[test]
fn a_row_that_is_a_list_is_refused() {
    let body = br#"{"readings":[["madrid","T1",0,1], {"sensor":"T1","time":0,"value":1}]}"#;
    let (rows, errors) = shown(&parse(body).expect("body"));
    assert_eq!(rows, ["1 - T1 0 1"]);
    assert_eq!(errors, ["0 malformed: invalid type: a list, expected an object with named fields"]);
}

proptest! {
    #[test]
    fn parts_of_any_size_make_the_whole(
        items in prop::collection::vec("(\\{\"sensor\":\"[],{}]{1,2}\",\"time\":1,\"value\":2\\}|7|\\[\\{\\},1\\]|\"[],]\"|\\{\"x\": \\[\\]\\}| null )", 0..12),
        rows in 1..5usize,
    ) {
        let body = format!("{{\"readings\": [ {} ] , \"plant\":\"madrid\"}}", items.join(" , "));
        let whole = parse(body.as_bytes()).expect("body");
        prop_assert_eq!(whole.rows.len() + whole.errors.len(), items.len());
        let mut joined = Parsed { plant: whole.plant.clone(), ..Parsed::default() };
        for part in parts(body.as_bytes(), rows).expect("body") {
            prop_assert!(part.rows.len() + part.errors.len() <= rows);
            prop_assert_eq!(&part.plant, &whole.plant);
            joined.rows.extend(part.rows);
            joined.errors.extend(part.errors);
        }
        prop_assert_eq!(joined, whole);
    }

    #[test]
    fn never_panics(body in "[\\[\\]{},:\"a0-9 ]{0,60}") {
        let _ = parse(format!("{{\"readings\":{body}}}").as_bytes());
        let _ = parse(body.as_bytes());
    }
}
