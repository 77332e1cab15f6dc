//! Readings as they are: one frame a sensor, a point a reading.

use super::raw::{self, RawReadings};
use super::series::{highest, mean};
use super::{AnswerError, Provenance, Source, is_kept, needed_states, nothing, resolve_runs};
use crate::domain::Bucket;
use crate::frame::{Field, Frame, Notice};
use crate::model::Query;
use crate::plan::{self, Ask, Selection};
use crate::sql::raw::Readings;

pub(super) async fn answer(
    source: &Source<'_>,
    query: &Query,
    selection: &Selection<'_>,
    ask: &Ask,
) -> Result<Vec<Frame>, AnswerError> {
    let mut notices = Vec::new();
    let mut runs = None;
    if query.context.is_restricted() {
        let (found, said) = resolve_runs(source, query, selection, ask.range).await?;
        notices = said;
        runs = Some(found);
    }
    // Points do not depend on buckets, nor do their number.
    let query = Query { bucket: Bucket::Whole, ..query.clone() };
    let states = needed_states(source, &query, selection, ask.range).await?;
    let plan = plan::series(&query, selection, source.catalog, runs.as_deref(), &states, ask)?;
    if plan.windows.is_empty() {
        return Ok(nothing(&notices));
    }
    let RawReadings { readings, shown } = raw::fetch(source, &plan.windows, ask.max_points).await?;
    notices.extend(plan.notices.iter().cloned().map(Notice::Info));
    let rows = readings.iter().map(Readings::len).sum::<usize>() as f64;
    let mut of_series: Vec<Option<Readings>> = vec![None; plan.series.len()];
    let mut longest = vec![0.0; plan.series.len()];
    for ((window, series), readings) in plan.windows.iter().zip(&plan.series_of).zip(readings) {
        longest[*series] = window.sensor.max_gap_s;
        let slot = &mut of_series[*series];
        *slot = Some(match slot.take() {
            None => readings,
            Some(before) => joined(before, readings),
        });
    }
    let means = of_series.iter().map(|readings: &Option<Readings>| {
        mean(readings.iter().flat_map(|readings| &readings.values).copied())
    });
    let kept = highest(&query, &plan.series, means, &mut notices);
    let frames = plan.series.iter().zip(of_series.into_iter().zip(longest));
    let frames = frames.filter(|(key, _)| is_kept(kept.as_deref(), &key.labels)).map(
        |(key, (readings, longest))| {
            let Readings { times, values } = broken(readings.unwrap_or_default(), longest);
            let labels = key.labels.iter().map(|(k, v)| (*k, v.clone()));
            let value = Field::numbers("value", values)
                .labels(labels)
                .unit(&key.unit)
                .display_name(&key.name);
            let fields = vec![Field::instants("time", times), value];
            let mut frame = Frame::new(&key.name, "timeseries-multi", fields);
            Provenance {
                language: query.language,
                shown: &shown,
                source: "readings",
                reason: "readings as they are, as the query says".to_owned(),
                rows: Some(rows),
                bucket: "none".to_owned(),
                coverage: None,
                notices: notices.clone(),
            }
            .write(&mut frame);
            frame
        },
    );
    Ok(frames.collect())
}

/// The readings of two windows of a sensor; what is in both (of runs of a line and of its machine)
/// once.
fn joined(mut one: Readings, other: Readings) -> Readings {
    let follows = one.times.last().zip(other.times.first()).is_none_or(|(a, b)| a < b);
    one.times.extend(other.times);
    one.values.extend(other.values);
    if follows {
        return one;
    }
    let mut points: Vec<(i64, f64)> = one.times.into_iter().zip(one.values).collect();
    points.sort_by_key(|point| point.0);
    points.dedup_by_key(|point| point.0);
    let (times, values) = points.into_iter().unzip();
    Readings { times, values }
}

/// The readings with a gap, a point without a value, after each reading that is followed by none for
/// longer than `longest` seconds, so that panels do not draw a line where nothing is known.
fn broken(readings: Readings, longest: f64) -> Readings {
    let longest = (longest.clamp(0.0, 1e9) * 1e9) as i64;
    let apart = |pair: &[i64]| pair[1].saturating_sub(pair[0]) > longest;
    let gaps = readings.times.windows(2).filter(|pair| apart(pair)).count();
    if gaps == 0 {
        return readings;
    }
    let mut with = Readings {
        times: Vec::with_capacity(readings.len() + gaps),
        values: Vec::with_capacity(readings.len() + gaps),
    };
    for (index, (&time, &value)) in readings.times.iter().zip(&readings.values).enumerate() {
        with.times.push(time);
        with.values.push(value);
        if readings.times.get(index + 1).is_some_and(|next| apart(&[time, *next])) {
            with.times.push(time + longest);
            with.values.push(f64::NAN);
        }
    }
    with
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(seconds: &[i64]) -> Readings {
        let times = seconds.iter().map(|s| s * 1_000_000_000).collect();
        Readings { times, values: seconds.iter().map(|s| *s as f64).collect() }
    }

    #[test]
    fn windows_are_joined_in_order_and_without_repeats() {
        assert_eq!(joined(readings(&[1, 2]), readings(&[3])), readings(&[1, 2, 3]));
        assert_eq!(joined(readings(&[1, 4]), readings(&[2, 4, 5])), readings(&[1, 2, 4, 5]));
        assert_eq!(joined(readings(&[]), readings(&[7])), readings(&[7]));
    }

    #[test]
    fn a_long_gap_breaks_the_line() {
        assert_eq!(broken(readings(&[0, 60, 120]), 60.0), readings(&[0, 60, 120]));
        let gap = broken(readings(&[0, 60, 130]), 60.0);
        assert_eq!(gap.times, [0, 60, 120, 130].map(|s| s * 1_000_000_000));
        assert!(gap.values[2].is_nan());
        assert_eq!((gap.values[1], gap.values[3]), (60.0, 130.0));
    }
}
