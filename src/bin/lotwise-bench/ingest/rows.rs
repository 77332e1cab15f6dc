//! The readings that are sent: a thousand sensors, one reading a second each, in order of time.

use std::fmt::Write;
use std::ops::Range;
use std::sync::LazyLock;

use chrono::{DateTime, Utc};

/// Sensors of the plant, `s0000` and on.
pub const SENSORS: usize = 1_000;

/// The second before the first row: ten minutes ago, as live data are. All rows are in one week,
/// which is one partition.
static START_S: LazyLock<i64> = LazyLock::new(|| {
    const WEEK_S: i64 = 604_800;
    let start = Utc::now().timestamp() - 600;
    let next_week = (start / WEEK_S + 1) * WEEK_S;
    if start + 900 < next_week { start } else { next_week }
});

/// A second of the rows.
pub fn second() -> i64 {
    *START_S + 1
}

/// Row `i` of the sequence: its sensor's number, its second since 1970, and its value.
fn row(i: usize) -> (usize, i64, f64) {
    let second = second() + (i / SENSORS) as i64;
    (i % SENSORS, second, (i * 7_919 % 100_000) as f64 / 100.0)
}

/// A sensor's key.
pub fn key(sensor: usize) -> String {
    format!("s{sensor:04}")
}

/// An instant before all rows, in their partition.
pub fn before() -> DateTime<Utc> {
    DateTime::from_timestamp(*START_S, 0).unwrap_or_default()
}

/// The rows as line protocol in nanoseconds, as Telegraf writes it.
pub fn lines(rows: Range<usize>) -> String {
    let mut text = String::new();
    for i in rows {
        let (sensor, second, value) = row(i);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "plc,sensor={} value={value} {second}000000000", key(sensor));
    }
    text
}

/// The rows as columns: times, values, sensors' ids.
pub fn columns(rows: Range<usize>, ids: &[i32]) -> Vec<(DateTime<Utc>, f64, i32)> {
    rows.map(row)
        .map(|(sensor, second, value)| {
            (DateTime::from_timestamp(second, 0).unwrap_or_default(), value, ids[sensor])
        })
        .collect()
}

/// The rows as a file for binary COPY, columns time, value, plant_id, sensor_id.
pub fn copy_file(rows: Range<usize>, plant: i32, ids: &[i32]) -> Vec<u8> {
    /// Seconds from 1970 to 2000, where PostgreSQL starts to count.
    const EPOCH_2000_S: i64 = 946_684_800;
    let mut file = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec();
    for (sensor, second, value) in rows.map(row) {
        file.extend_from_slice(&4_i16.to_be_bytes());
        file.extend_from_slice(&8_i32.to_be_bytes());
        file.extend_from_slice(&((second - EPOCH_2000_S) * 1_000_000).to_be_bytes());
        file.extend_from_slice(&8_i32.to_be_bytes());
        file.extend_from_slice(&value.to_be_bytes());
        for id in [plant, ids[sensor]] {
            file.extend_from_slice(&4_i32.to_be_bytes());
            file.extend_from_slice(&id.to_be_bytes());
        }
    }
    file.extend_from_slice(&(-1_i16).to_be_bytes());
    file
}
