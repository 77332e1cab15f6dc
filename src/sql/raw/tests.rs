use tokio_postgres::types::{FromSql, Type};

use super::*;
use crate::catalog::Sensor;
use crate::domain::SensorKind;
use crate::sql::packed::{HEAD, ITEM};

fn sensor(interval_s: f64) -> Sensor {
    Sensor {
        id: 7,
        plant: 3,
        line: None,
        machine: None,
        key: "s".into(),
        name: String::new(),
        quantity: "power".into(),
        unit: "kW".into(),
        kind: SensorKind::Gauge,
        interval_s,
        max_gap_s: 300.0,
        rollover: None,
        parent: None,
    }
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).expect("time")
}

fn pieces(interval_s: f64, from: i64, to: i64) -> Vec<(i64, i64)> {
    let sensor = sensor(interval_s);
    let window =
        Window { sensor: &sensor, range: TimeRange::new(at(from), at(to)).expect("range") };
    cut(&window).iter().map(|p| (p.from().timestamp(), p.to().timestamp())).collect()
}

#[test]
fn pieces_are_some_thousand_readings_and_make_up_the_window() {
    assert_eq!(pieces(60.0, 5, 100), [(5, 100)]);
    assert_eq!(pieces(1.0, 0, 25_000), [(0, 10_000), (10_000, 20_000), (20_000, 25_000)]);
    // An hour at least, and at most a thousand.
    assert_eq!(pieces(0.01, 0, 7_200), [(0, 3_600), (3_600, 7_200)]);
    let year = pieces(1.0, 0, 366 * 86_400);
    assert_eq!((year.len(), year[999].1), (1_000, 366 * 86_400));
    assert!(year.windows(2).all(|p| p[0].1 == p[1].0));
    assert_eq!(pieces(1e300, 0, 86_400), [(0, 86_400)]);
}

fn packed(items: &[&[u8]]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 4, 160];
    bytes.extend((items.len() as u32).to_be_bytes());
    bytes.extend([0, 0, 0, 1]);
    for item in items {
        bytes.extend((item.len() as u32).to_be_bytes());
        bytes.extend(*item);
    }
    bytes
}

fn unpack(bytes: &[u8]) -> Option<Vec<i64>> {
    let packed = Packed::from_sql(&Type::TIMESTAMPTZ_ARRAY, bytes).ok()?;
    Some(packed.items().map(i64::from_be_bytes).collect())
}

#[test]
fn arrays_are_unpacked_and_other_bytes_refused() {
    let (one, two) = (1_i64.to_be_bytes(), (-2_i64).to_be_bytes());
    let good = packed(&[&one, &two]);
    assert_eq!(unpack(&good), Some(vec![1, -2]));
    assert_eq!(unpack(&good[..good.len() - 1]), None, "cut short");
    assert_eq!(unpack(&good[..HEAD + ITEM]), None, "fewer than it says");
    assert_eq!(unpack(&packed(&[&one, &[0; 4]])), None, "an item of four bytes");
    assert_eq!(unpack(&[0; 12]), None, "PostgreSQL's empty array, which the statement never sends");
    let mut nulls = good;
    nulls[7] = 1;
    assert_eq!(unpack(&nulls), None, "the flag of nulls");
}

#[test]
fn times_are_nanoseconds_since_1970() {
    assert_eq!(nanoseconds(0), Some(946_684_800_000_000_000));
    assert_eq!(nanoseconds(-946_684_800_000_001), Some(-1_000));
    assert_eq!((nanoseconds(i64::MAX), nanoseconds(i64::MIN)), (None, None));
}
