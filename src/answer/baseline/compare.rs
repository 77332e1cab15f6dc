//! A model against the meters: figures by bucket, and the CUSUM.

use chrono::{DateTime, Utc};

use super::fitted::Fitted;
use super::history::{Piece, Seen, Unit};
use super::split::{Making, Used, by_making, by_use, priced};
use super::{Times, clipped};
use crate::analytics::baseline::cusum::{Chart, State};
use crate::analytics::baseline::{Expected, Model, Quality, quality};
use crate::domain::Bucket;
use crate::model::{Format, Query};

/// A place with its model and what came of it.
pub(super) struct Compared<'a> {
    /// The place.
    pub unit: &'a Unit<'a>,
    /// Its model, or why there is none.
    pub model: Fitted,
    /// How good the model is in the baseline period, in buckets of the kind shown.
    pub quality: Quality,
    /// Largest energy of such a bucket, kWh.
    pub largest: f64,
    /// First and last instant of the baseline period.
    pub learned: (DateTime<Utc>, DateTime<Utc>),
    /// By bucket.
    pub buckets: Vec<Compare>,
    /// What the energy was used for, where that is asked and there is a model.
    pub uses: Option<[Used; 5]>,
    /// The deviation by what was made, where that is asked and there is a model.
    pub making: Vec<Making>,
}

/// One bucket. Sums are over the time that is measured.
#[derive(Debug, Clone, Default)]
pub(super) struct Compare {
    /// Start.
    pub start: DateTime<Utc>,
    /// kWh of the meters.
    pub actual: Option<f64>,
    /// kWh that the model expects, with its parts.
    pub expected: Option<Expected>,
    /// Actual less expected, kWh.
    pub deviation: Option<f64>,
    /// The same at the prices of its time; `None` where one is missing.
    pub cost: Option<f64>,
    /// The same in kg CO2, location-based.
    pub co2: Option<f64>,
    /// Sum of the deviations since the start of the time shown, kWh.
    pub cusum: Option<f64>,
    /// The decision CUSUM as a share of its limit after this bucket; above 1 consumption has changed.
    pub drift: Option<f64>,
    /// Share of its time, as far as it has passed, that is measured.
    pub coverage: Option<f64>,
    /// Whether everything in it was seen in the baseline period.
    pub is_valid: bool,
    /// Whether it is not over yet.
    pub is_provisional: bool,
}

impl Compare {
    /// Deviation in percent of the expected energy.
    pub fn percent(&self) -> Option<f64> {
        let expected = self.expected.map(|e| e.energy).filter(|e| *e > 0.0)?;
        Some(100.0 * self.deviation? / expected)
    }
}

/// Compares.
pub(super) fn compare<'a>(
    unit: &'a Unit<'a>,
    times: &Times,
    seen: Seen,
    model: Fitted,
    query: &Query,
    now: DateTime<Utc>,
) -> Compared<'a> {
    let starts = &times.edges[..times.edges.len() - 1];
    let mut buckets: Vec<Compare> = starts
        .iter()
        .map(|s| Compare { start: *s, is_valid: true, ..Compare::default() })
        .collect();
    let expected: Option<Vec<Expected>> = (*model).as_ref().ok().map(|model| {
        seen.shown.intervals.iter().map(|interval| model.expected(&seen.shown, interval)).collect()
    });
    for (index, piece) in seen.pieces.iter().enumerate() {
        if let Some(bucket) = buckets.get_mut(piece.bucket) {
            add(bucket, piece, expected.as_ref().map(|e| e[index]));
        }
    }
    for (index, bucket) in buckets.iter_mut().enumerate() {
        let past = |p: &&Piece| p.bucket == index;
        let length: f64 = seen.pieces.iter().filter(past).map(|p| p.range.seconds()).sum();
        bucket.coverage = bucket.coverage.filter(|_| length > 0.0).map(|c| (c / length).min(1.0));
        bucket.is_provisional = now < times.edges[index + 1];
    }
    let mut cusum = 0.0;
    for bucket in &mut buckets {
        bucket.cusum = bucket.deviation.map(|deviation| {
            cusum += deviation;
            cusum
        });
    }
    let mut out = Compared {
        unit,
        quality: Quality::default(),
        largest: 0.0,
        learned: (times.learned.from(), times.learned.to()),
        buckets,
        model: model.clone(),
        uses: None,
        making: Vec::new(),
    };
    if let (Ok(model), Some(expected)) = (&*model, expected) {
        let past = learned(unit, times, &seen, model, times.bucket);
        out.largest = past.iter().map(|(expected, _)| *expected).fold(0.0, f64::max);
        let pairs = past.iter().map(|(expected, actual)| (*actual, *expected));
        out.quality = quality(pairs, model.coefficients);
        drift(unit, times, &seen, model, &expected, &mut out.buckets);
        out.uses = (query.format == Format::Uses).then(|| by_use(unit, &seen, &expected));
        if query.group_by.is_context() {
            out.making = by_making(&seen, &expected, query.group_by);
        }
    }
    out
}

fn add(bucket: &mut Compare, piece: &Piece, expected: Option<Expected>) {
    let plus = |sum: &mut Option<f64>, value: f64| *sum = Some(sum.unwrap_or(0.0) + value);
    plus(&mut bucket.coverage, piece.metered.share * piece.range.seconds());
    let Some(actual) = piece.metered.kwh else { return };
    plus(&mut bucket.actual, actual);
    let Some(expected) = expected else { return };
    let is_first = bucket.deviation.is_none();
    let sum = bucket.expected.get_or_insert(Expected::default());
    sum.energy += expected.energy;
    sum.base += expected.base;
    sum.resting += expected.resting;
    sum.production += expected.production;
    sum.drivers += expected.drivers;
    bucket.is_valid &= expected.is_valid;
    let deviation = actual - expected.energy;
    plus(&mut bucket.deviation, deviation);
    if is_first {
        (bucket.cost, bucket.co2) = (Some(0.0), Some(0.0));
    }
    bucket.cost = priced(bucket.cost, deviation, piece.rate.price);
    bucket.co2 = priced(bucket.co2, deviation, piece.rate.location_based);
}

/// Pairs of expected and actual energy of the baseline period, in buckets of a kind; those with gaps
/// are left out.
fn learned(
    unit: &Unit<'_>,
    times: &Times,
    seen: &Seen,
    model: &Model,
    bucket: Bucket,
) -> Vec<(f64, f64)> {
    let bucket = if bucket == Bucket::Whole { Bucket::Day } else { bucket };
    let Ok(edges) = clipped(unit.plant, bucket, times.learned) else { return Vec::new() };
    let edges: Vec<i64> = edges.iter().map(DateTime::timestamp).collect();
    let mut sums = vec![(0.0, 0.0); edges.len() - 1];
    for (interval, start) in seen.learned.intervals.iter().zip(&seen.learned_edges) {
        let Some(sum) =
            edges.partition_point(|e| e <= start).checked_sub(1).and_then(|b| sums.get_mut(b))
        else {
            continue;
        };
        sum.0 += model.expected(&seen.learned, interval).energy;
        sum.1 += interval.energy;
    }
    sums.into_iter().filter(|(_, actual)| actual.is_finite()).collect()
}

/// Runs the decision CUSUM through the steps of the time shown, and notes it in the buckets that end
/// after them.
fn drift(
    unit: &Unit<'_>,
    times: &Times,
    seen: &Seen,
    model: &Model,
    expected: &[Expected],
    buckets: &mut [Compare],
) {
    let past = learned(unit, times, seen, model, times.steps);
    let days = (times.learned.seconds() / 86_400.0).max(1.0);
    let run_length = 365.0 * (past.len() as f64 / days).max(1.0);
    let Some(chart) = Chart::new(&past, run_length) else { return };
    let Ok(steps) = clipped(unit.plant, times.steps, times.shown) else { return };
    let mut state = State::default();
    let mut pieces = seen.pieces.iter().zip(expected).peekable();
    let mut next_bucket = 0;
    for pair in steps.windows(2) {
        // Buckets that end before this step ends show what was known then.
        let (mut sum, mut known) = ((0.0, 0.0), false);
        while let Some((piece, expected)) = pieces.next_if(|(p, _)| p.range.from() < pair[1]) {
            // The machine's model of a reference that was never seen is too rough to raise alarms.
            if let Some(actual) = piece.metered.kwh.filter(|_| expected.is_known) {
                sum = (sum.0 + expected.energy, sum.1 + actual);
                known = true;
            }
        }
        while next_bucket < buckets.len() && times.edges[next_bucket + 1] < pair[1] {
            buckets[next_bucket].drift = Some(state.share(&chart));
            next_bucket += 1;
        }
        if known {
            state = chart.step(state, sum.0, sum.1);
        }
    }
    for bucket in &mut buckets[next_bucket..] {
        bucket.drift = Some(state.share(&chart));
    }
}

/// Share of the time of all places that is measured.
pub(super) fn coverage(compared: &[Compared<'_>]) -> Option<f64> {
    let all: Vec<f64> =
        compared.iter().flat_map(|c| &c.buckets).filter_map(|bucket| bucket.coverage).collect();
    (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64)
}
