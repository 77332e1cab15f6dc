use proptest::prelude::*;

use super::read;
use crate::ingest::payload::Candidate;
use crate::ingest::payload::line_protocol::{Field, Item, Lines, Naming, Precision};
use crate::ingest::reading::Instant;

fn now() -> Instant {
    Instant::from_epoch(1_700_000_000, 1).expect("time")
}

fn plainly(line: &str) -> Option<Vec<Candidate<'_>>> {
    let mut rows = Vec::new();
    let times = (Precision::Seconds, now());
    read(line, 7, times, Naming::default(), &mut rows).then_some(rows)
}

/// What the full parser makes of it; `None` where it finds a fault.
fn fully(line: &str) -> Option<Vec<Candidate<'_>>> {
    let (mut rows, mut sound) = (Vec::new(), true);
    let mut lines = Lines { rest: line.as_bytes(), number: 7 };
    lines.items((Precision::Seconds, now()), Naming::default(), &mut |item| match item {
        Item::Field(Field {
            position,
            plant,
            sensor: Some(sensor),
            time,
            value: Ok(value),
            ..
        }) => {
            rows.push(Candidate { position, plant, sensor, time, value });
        }
        _ => sound = false,
    });
    sound.then_some(rows)
}

#[test]
fn reads_what_machines_write() {
    for line in [
        "oven value=21.5 60",
        "oven value=21.5",
        "plc,sensor=T1,plant=madrid value=-1,min=2i,max=3u 60",
        "plc,host=a,sensor=T1,sensor=T2 value=1.5e-3,x=2E+2,y=7e1 60",
        "m=1,Línea=3=4 temp.erature=0.1 -0",
    ] {
        let rows = plainly(line);
        assert!(rows.is_some(), "{line}");
        assert_eq!(rows, fully(line), "{line}");
    }
}

#[test]
fn leaves_the_rest_to_the_full_parser() {
    for line in [
        "",
        "#c value=1",
        " oven value=1",
        "oven  value=1",
        "oven value=1 ",
        "oven value=1 60 ",
        "oven value=1 +60",
        "oven value=1 4102444800",
        "oven,value=1",
        "oven, value=1",
        "oven,a value=1",
        "oven,a= value=1",
        "oven value=",
        "oven value=1,",
        "oven value=t",
        "oven value=+1",
        "oven value=.5",
        "oven value=5.",
        "oven value=1e",
        "oven value=1e+-2",
        "oven value=1e999",
        "oven value=-1u",
        "oven value=+1u",
        "oven value=9223372036854775808i",
        "oven value=inf",
        "ov\\en value=1",
        "oven value=\"1\"",
        "oven\tvalue=1",
    ] {
        assert_eq!(plainly(line), None, "{line}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn agrees_with_the_full_parser_on_lines(
        line in "[a-c=]{1,3}(,(plant|sensor|[a-c]{1,2})=[a-cé=]{1,3}){0,3} (value|[a-c.]{1,2})=-?[0-9]{1,3}(\\.[0-9]{0,2})?([eE][+-]?[0-9]{0,3})?[iu]?(,[a-c]=[0-9.iute+-]{0,5}){0,2}( -?[0-9]{0,11})?"
    ) {
        let rows = plainly(&line);
        if rows.is_some() {
            prop_assert_eq!(rows, fully(&line));
        }
    }

    #[test]
    fn agrees_with_the_full_parser_on_almost_lines(line in "[a-c,= #0-9ieEuté.+-]{0,40}") {
        let rows = plainly(&line);
        if rows.is_some() {
            prop_assert_eq!(rows, fully(&line));
        }
    }
}
