//! The curves of lots from their readings.

use chrono::TimeDelta;

use super::super::{AnswerError, Source, raw};
use super::stops;
use crate::domain::TimeRange;
use crate::figures::levels::{Level, levels};
use crate::figures::walk;
use crate::plan::{GoldenCurve, Grid, Made, Selection, Window};
use crate::sql::raw::Readings;

/// Most readings of one query: a sensor that sends every ten seconds during a year and a half.
const MOST_READINGS: usize = 6_000_000;

/// Levels of curves, and where they come from.
pub(super) struct Read {
    /// The levels of each curve, step by step.
    pub levels: Vec<Vec<Level>>,
    /// The statement for people.
    pub shown: String,
    /// Readings that were expected.
    pub estimated: f64,
}

/// Reads the windows of the curves in one statement.
pub(super) async fn fetch(
    source: &Source<'_>,
    selection: &Selection<'_>,
    all: &[Made],
    curves: &[GoldenCurve<'_>],
    windows: &[(usize, Window<'_>)],
    grid: Grid,
) -> Result<Read, AnswerError> {
    let windows = within(all, curves, windows, grid);
    let asked: Vec<Window<'_>> =
        windows.iter().map(|(_, window)| with_neighbours(window)).collect();
    let estimated: f64 = asked.iter().map(|w| w.range.seconds() / w.sensor.interval_s + 1.0).sum();
    if estimated > MOST_READINGS as f64 {
        let readings = estimated as usize;
        return Err(AnswerError::TooMuchHistory { readings, most: MOST_READINGS });
    }
    let read = raw::fetch(source, &asked, MOST_READINGS).await?;
    let stops = stops::fetch(source, selection, &asked).await?;
    let mut cells = Vec::new();
    for (index, ((curve, window), readings)) in windows.iter().zip(&read.readings).enumerate() {
        let made = &all[curves[*curve].made];
        let since = |time: chrono::DateTime<chrono::Utc>| {
            (time - made.from).num_microseconds().unwrap_or_default() as f64 / 1e6
        };
        let (readings, edges) = (seconds(readings, made), grid.edges(made));
        for part in stops.running(window) {
            let (from, to) = (since(part.from()), since(part.to()));
            let walk = walk::Walk { window: index, sensor: window.sensor, from, to };
            cells.extend(walk::cells_of_readings(&walk, &readings, &edges));
        }
    }
    let owners: Vec<_> = windows.iter().map(|(curve, window)| (window.sensor, *curve)).collect();
    let widths: Vec<f64> = curves.iter().map(|curve| grid.width(&all[curve.made])).collect();
    let levels = levels(&owners, &widths, grid.steps(), &cells);
    Ok(Read { levels, shown: read.shown, estimated })
}

/// The windows up to the last step that has a golden curve: a lot that nobody closed goes on for ever.
fn within<'a>(
    all: &[Made],
    curves: &[GoldenCurve<'_>],
    windows: &[(usize, Window<'a>)],
    grid: Grid,
) -> Vec<(usize, Window<'a>)> {
    let clipped = |(curve, window): &(usize, Window<'a>)| {
        let made = &all[curves[*curve].made];
        let end = grid.instant(made, grid.steps());
        let range = TimeRange::new(window.range.from(), window.range.to().min(end)).ok()?;
        Some((*curve, Window { sensor: window.sensor, range }))
    };
    windows.iter().filter_map(clipped).collect()
}

/// A window with the neighbours that its first and last segment need.
fn with_neighbours<'a>(window: &Window<'a>) -> Window<'a> {
    let sensor = window.sensor;
    let reach = (2.0 * sensor.interval_s).max(sensor.max_gap_s).clamp(1.0, 86_400.0);
    let reach = TimeDelta::milliseconds((reach * 1e3).ceil() as i64);
    let range = TimeRange::new(window.range.from() - reach, window.range.to() + reach);
    Window { sensor, range: range.unwrap_or(window.range) }
}

/// Readings in seconds since the lot's start.
fn seconds(readings: &Readings, made: &Made) -> Vec<(f64, f64)> {
    let start = made.from.timestamp_nanos_opt().unwrap_or_default();
    let times = readings.times.iter().map(|time| (time - start) as f64 / 1e9);
    times.zip(readings.values.iter().copied()).collect()
}
