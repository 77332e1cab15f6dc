use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::rows::{self, Columns, Empty, Rows};
use crate::written::number::{Decimal, NumberFormat, Thousands};
use crate::written::time::{Ambiguous, Clock, Midnight};

fn clock(format: &str, zone: &str) -> Clock {
    Clock {
        format: format.parse().unwrap(),
        zone: Some(zone.parse::<Tz>().unwrap()),
        midnight: Midnight::SameDay,
        ambiguous: Ambiguous::Order,
        shift: TimeDelta::zero(),
    }
}

fn columns(time: &str, value: &str) -> Columns {
    Columns {
        time: time.to_owned(),
        value: value.to_owned(),
        delimiter: b',',
        numbers: NumberFormat::new(Decimal::Point, Thousands::None).unwrap(),
        empty: Empty::Reject,
    }
}

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn read(text: &str, columns: &Columns, clock: &Clock) -> Rows {
    rows::read(text.as_bytes(), columns, clock).unwrap()
}

fn reasons(rows: &Rows) -> Vec<(u64, &str)> {
    rows.rejected.iter().map(|row| (row.line, row.reason.as_str())).collect()
}

#[test]
fn an_hour_that_occurs_twice_is_told_apart_by_order() {
    let text =
        "t,v\n2026-10-25 02:30,1\n2026-10-25 02:00,2\n2026-10-25 02:30,3\n2026-10-25 03:00,4\n";
    let rows = read(text, &columns("t", "v"), &clock("iso", "Europe/Madrid"));
    let times: Vec<DateTime<Utc>> = rows.good.iter().map(|row| row.time).collect();
    let expected =
        ["00:30", "01:00", "01:30", "02:00"].map(|at| utc(&format!("2026-10-25T{at}:00Z")));
    assert_eq!((times, reasons(&rows)), (expected.to_vec(), vec![]));
}

#[test]
fn an_hour_that_the_clocks_skip_is_rejected_with_its_line() {
    let text = "t,v\n2026-03-29 01:30,1\n2026-03-29 02:30,2\n2026-03-29 03:30,3\n";
    let rows = read(text, &columns("t", "v"), &clock("iso", "Europe/Madrid"));
    assert_eq!(rows.good.len(), 2);
    assert_eq!(
        reasons(&rows),
        [(
            3,
            "time '2026-03-29 02:30' does not exist in Europe/Madrid: the clocks go forward over it"
        )]
    );
}

#[test]
fn every_bad_row_is_named_and_no_good_row_is_lost() {
    let text = "\u{feff}time;kWh;note\r\n1/2/2018 0:15;1,5;a\r\nnever;1;b\r\n1/2/2018 0:30;1.5;c\r\n\
                1/2/2018 0:45;;d\r\n1/2/2018 1:00\r\n1/2/2018 0:15;9;e\r\n1/2/2018 1:15;NaN;f\r\n\r\n1/2/2018 1:30;-2;g\r\n";
    let mut columns = columns("time", "kWh");
    columns.delimiter = b';';
    columns.numbers = NumberFormat::new(Decimal::Comma, Thousands::None).unwrap();
    let rows = read(text, &columns, &clock("dmy", "UTC"));
    let good: Vec<(u64, f64)> = rows.good.iter().map(|row| (row.line, row.value)).collect();
    assert_eq!(good, [(2, 1.5), (10, -2.0)]);
    assert_eq!(
        reasons(&rows),
        [
            (3, "time 'never' is not a time in the given format"),
            (4, "value '1.5' has a '.', but decimals are marked by ','"),
            (5, "has an empty value; --skip-empty leaves such rows out"),
            (6, "has no value (only 1 fields)"),
            (7, "has the same time as line 2 (2018-02-01T00:15:00+00:00)"),
            (8, "value 'NaN' is not a finite number"),
        ]
    );
    columns.empty = Empty::Skip;
    assert_eq!(read(text, &columns, &clock("dmy", "UTC")).empty, 1);
}

#[test]
fn columns_go_by_name_or_number_and_a_missing_one_is_explained() {
    let text = "a,a\n2018-01-01 00:00,4\n";
    assert_eq!(read(text, &columns("a", "#2"), &clock("iso", "UTC")).good[0].value, 4.0);
    for (column, says) in
        [("kWh", "the file has: a, a"), ("#3", "the file has 2 columns"), ("#0", "2 columns")]
    {
        let error =
            rows::read(text.as_bytes(), &columns("a", column), &clock("iso", "UTC")).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn the_steel_years_intervals_are_contiguous() {
    let file = std::fs::read("tests/data/steel/Steel_industry_data.csv").unwrap();
    let mut clock = clock("dmy", "Asia/Seoul");
    clock.midnight = Midnight::NextDay;
    let rows = rows::read(&file, &columns("date", "Usage_kWh"), &clock).unwrap();
    assert_eq!((rows.good.len(), reasons(&rows)), (35_040, vec![]));
    assert_eq!(rows.good[0].time, utc("2017-12-31T15:15:00Z"));
    for pair in rows.good.windows(2) {
        assert_eq!(pair[1].time - pair[0].time, TimeDelta::minutes(15), "line {}", pair[1].line);
    }
}

#[test]
fn the_steel_year_collides_when_midnight_is_read_as_usual() {
    let file = std::fs::read("tests/data/steel/Steel_industry_data.csv").unwrap();
    let rows =
        rows::read(&file, &columns("date", "Usage_kWh"), &clock("dmy", "Asia/Seoul")).unwrap();
    // Every midnight lands a day too early: the order of rows shows it, not their count.
    let backwards = rows.good.windows(2).filter(|pair| pair[1].time < pair[0].time).count();
    assert_eq!((rows.good.len(), backwards), (35_040, 365));
}

#[test]
fn the_temperature_series_reads_whole() {
    let file = std::fs::read("tests/data/nab/ambient_temperature_system_failure.csv").unwrap();
    let rows = rows::read(&file, &columns("timestamp", "value"), &clock("iso", "UTC")).unwrap();
    assert_eq!((rows.good.len(), rows.rejected.len()), (7_267, 0));
}
