use proptest::prelude::*;

use super::{Naming, Precision, parse, parts};
use crate::ingest::payload::Parsed;
use crate::ingest::reading::Instant;

fn shown(body: &[u8], precision: Precision) -> Vec<String> {
    let now = Instant::from_epoch(1_000_000, 1).expect("now");
    let parsed = parse(body, precision, now);
    let rows = parsed.rows.iter().map(|r| {
        let plant = r.plant.as_deref().unwrap_or("-");
        (r.position, format!("{plant} {} {} {}", r.sensor, r.time.micros(), r.value.get()))
    });
    let errors =
        parsed.errors.iter().map(|e| (e.position, format!("{}: {}", e.reason.code(), e.reason)));
    let mut all: Vec<_> = rows.chain(errors).collect();
    all.sort_by_key(|(position, _)| *position);
    all.into_iter().map(|(position, text)| format!("{position} {text}")).collect()
}

#[test]
fn names_sensors_by_tag_measurement_and_field() {
    let body = b"T1 value=21.5 1700000000000000000\n\
        # a comment\r\n\
        \n\
        oven,sensor=T2,plant=porto value=1i,power=2u,on=true 1700000000000000999\r\n\
        weight\\ of\\ lot value=-0.5e3\n";
    assert_eq!(
        shown(body, Precision::Nanoseconds),
        [
            "1 - T1 1700000000000000 21.5",
            "4 porto T2 1700000000000000 1",
            "4 porto T2.power 1700000000000000 2",
            "4 porto T2.on 1700000000000000 1",
            "5 - weight of lot 1000000000000 -500",
        ]
    );
}

#[test]
fn takes_each_precision() {
    for (precision, stamp) in [("ns", "1000000000"), ("us", "1000000"), ("ms", "1000"), ("s", "1")]
    {
        let precision = Precision::parse(precision).expect("precision");
        assert_eq!(shown(format!("a value=1 {stamp}").as_bytes(), precision), ["1 - a 1000000 1"]);
    }
    assert_eq!(Precision::parse("h"), None);
}

#[test]
fn bad_lines_keep_their_numbers_and_good_ones_stay() {
    let body = b"a value=1 1\nb value= 2\nc value=3 3\nd value=\"on\",x=1 4\ne value=1 x\n\xff value=1 1\n\
        f value=1e999 1\ng value=NaN 1\nh 1\ni value=1 -5\nj value=18446744073709551616u 1\nk value=9 9\\\nl value=1 7";
    insta::assert_snapshot!(shown(body, Precision::Seconds).join("\n"), @r#"
    1 - a 1000000 1
    2 malformed: no field that can be read; a line is `measurement,tag=text field=number timestamp`
    3 - c 3000000 3
    4 - d.x 4000000 1
    4 not_a_number: field "value" is a text, not a number
    5 malformed: Could not parse entire line. Found trailing content: ' x'; a line is `measurement,tag=text field=number timestamp`
    6 malformed: the line is not UTF-8
    7 not_finite: the value is not a finite number
    8 malformed: no field that can be read; a line is `measurement,tag=text field=number timestamp`
    9 malformed: no field that can be read; a line is `measurement,tag=text field=number timestamp`
    10 time_out_of_range: the time is not between the years 1970 and 2100: check its unit (JSON: milliseconds; line protocol: see `precision`)
    11 malformed: Unable to parse unsigned integer value '18446744073709551616'; a line is `measurement,tag=text field=number timestamp`
    12 malformed: Could not parse entire line. Found trailing content: '\'; a line is `measurement,tag=text field=number timestamp`
    13 - l 7000000 1
    "#);
}

#[test]
fn an_open_quote_does_not_swallow_the_lines_after_it() {
    let body = b"a text=\"never closed,value=1 1\nb value=2 2\nc value=3 3\n";
    let all = shown(body, Precision::Seconds);
    assert!(all[0].starts_with("1 malformed"), "{all:?}");
    assert_eq!(all[1..], ["2 - b 2000000 2", "3 - c 3000000 3"]);
}

#[test]
fn a_text_with_line_breaks_keeps_its_line_together() {
    let body = b"a value=1,text=\"first\nsecond\" 1\nb value=2 2\n";
    assert_eq!(
        shown(body, Precision::Seconds),
        [
            "1 - a 1000000 1",
            "1 not_a_number: field \"text\" is a text, not a number",
            "3 - b 2000000 2"
        ]
    );
}

proptest! {
    #[test]
    fn never_panics(body in prop::collection::vec(any::<u8>(), 0..200)) {
        shown(&body, Precision::Seconds);
    }

    #[test]
    fn never_panics_on_almost_lines(body in "[a-c,= \\\\\"\n#0-9ieut.-]{0,80}") {
        shown(body.as_bytes(), Precision::Nanoseconds);
    }

    #[test]
    fn a_good_line_survives_any_neighbours(
        before in "[^\n]{0,40}", after in "[^\n]{0,40}"
    ) {
        let body = format!("{before}\ngood value=42 7\n{after}\n");
        // A quote that opens before and closes after is the one way to claim the line.
        prop_assume!(!before.contains('"'));
        let all = shown(body.as_bytes(), Precision::Seconds);
        prop_assert!(all.contains(&"2 - good 7000000 42".to_owned()), "{all:?}");
    }

    #[test]
    fn parts_of_any_size_make_the_whole(
        lines in prop::collection::vec("(T1 value=[0-9]|T1,sensor=a value=1,b=2|T1 value=x|T1 t=\"[a\n]{0,3}|#|)", 0..12),
        rows in 1..5usize,
    ) {
        let body = lines.join("\n");
        let now = Instant::from_epoch(1, 1).expect("time");
        let whole = parse(body.as_bytes(), Precision::Seconds, now);
        let mut joined = Parsed::default();
        for part in parts(body.as_bytes(), Precision::Seconds, now, Naming::default(), rows) {
            // A line may have several fields.
            prop_assert!(part.rows.len() + part.errors.len() <= rows + 1);
            joined.rows.extend(part.rows);
            joined.errors.extend(part.errors);
        }
        prop_assert_eq!(joined, whole);
    }
}
