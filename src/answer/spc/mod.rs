//! Control charts: a KPI of runs or lots, or the values of a sensor, against limits from a baseline
//! period, one chart a place and reference.
//!
//! points of the baseline period and of the time range -> limits -> rules -> frames.

mod frames;
mod points;

use chrono::{DateTime, TimeDelta, Utc};

use super::{AnswerError, Provenance, Source, and_more, in_the_future, nothing};
use crate::analytics::spc::{
    EWMA_LIMIT, LAMBDA, LEAST_VALUES, Limits, Rule, Smoothed, ewma, violations,
};
use crate::domain::{Language, TimeRange};
use crate::frame::{Frame, Notice};
use crate::model::{Format, Query, SpcChart, SpcRules, SpcSubject};
use crate::plan::{Ask, PlanError, Selection};

/// What one chart shows.
struct Chart {
    /// Labels.
    labels: Vec<(&'static str, String)>,
    /// Name for people.
    name: String,
    /// Unit of the values; empty for a bare number.
    unit: String,
    /// Values of the baseline period, in order of time.
    learned: Vec<f64>,
    /// Points of the time range, in order of time.
    points: Vec<Point>,
    /// Limits, where there were enough values.
    limits: Option<Limits>,
    /// The rules that each point completes.
    broken: Vec<Vec<Rule>>,
    /// The EWMA at each point; empty for a chart of individuals.
    smooth: Vec<Smoothed>,
}

/// A point of a chart.
struct Point {
    /// When it was known: the end of a run or lot, the start of a bucket.
    time: DateTime<Utc>,
    /// Run or lot; empty for a sensor.
    key: String,
    /// Value.
    value: f64,
}

impl Chart {
    /// Whether a point is out of control.
    fn is_broken(&self, point: usize) -> bool {
        !self.broken[point].is_empty()
            || self.limits.zip(self.smooth.get(point)).is_some_and(|(l, s)| s.is_beyond(&l))
    }

    /// What is wrong with a point, for people.
    fn reason(&self, point: usize, language: Language) -> String {
        let mut words: Vec<&str> =
            self.broken[point].iter().map(|rule| rule.words(language)).collect();
        if words.is_empty() && self.is_broken(point) {
            words.push(language.pick("EWMA beyond its limits", "EWMA fuera de sus límites"));
        }
        words.join("; ")
    }

    fn judge(&mut self, query: &Query) {
        let values: Vec<f64> = self.points.iter().map(|p| p.value).collect();
        self.limits = Limits::of(&self.learned);
        self.broken = vec![Vec::new(); values.len()];
        let Some(limits) = self.limits else { return };
        match query.spc.chart {
            SpcChart::Ewma => self.smooth = ewma(&values, &limits),
            SpcChart::Individuals => {
                let rules: &[Rule] = match query.spc.rules {
                    SpcRules::Nelson => &Rule::NELSON,
                    SpcRules::WesternElectric => &Rule::WESTERN_ELECTRIC,
                    SpcRules::Limits => &Rule::NELSON[..1],
                };
                self.broken = violations(&values, &limits, rules);
            }
        }
    }
}

/// The times of a question.
#[derive(Clone, Copy)]
struct Times {
    learned: TimeRange,
    shown: TimeRange,
}

pub(super) async fn answer(
    source: &Source<'_>,
    query: &Query,
    selection: &Selection<'_>,
    ask: &Ask,
) -> Result<Vec<Frame>, AnswerError> {
    let Some(times) = times(query, selection, ask)? else {
        return Ok(nothing(&[in_the_future(query.language)]));
    };
    let mut read = points::Read::default();
    let mut charts = match query.spc.subject {
        SpcSubject::Sensor => {
            points::sensors(source, query, selection, times, ask, &mut read).await?
        }
        _ => points::runs(source, query, selection, times, ask, &mut read).await?,
    };
    charts.iter_mut().for_each(|chart| chart.judge(query));
    let mut notices = std::mem::take(&mut read.notices);
    notices.extend(without_limits(&charts, query.language));
    charts.retain(|chart| !chart.points.is_empty() || query.format == Format::Alert);
    if charts.len() > query.limit {
        return Err(PlanError::TooManySeries { count: charts.len(), limit: query.limit }.into());
    }
    let mut frames = match query.format {
        Format::Series => frames::series(&charts, query.language),
        Format::Annotations => vec![frames::annotations(&charts, query.language)],
        Format::Alert => vec![frames::numbers(&charts)],
        _ => vec![frames::table(&charts, query.language)],
    };
    if frames.is_empty() {
        return Ok(nothing(&notices));
    }
    let kind = match query.spc.chart {
        SpcChart::Individuals => "limits are the mean and 3 mean moving ranges / 1.128".to_owned(),
        SpcChart::Ewma => {
            format!("EWMA of weight {LAMBDA}, limits {EWMA_LIMIT} of its standard deviations")
        }
    };
    for frame in &mut frames {
        Provenance {
            language: query.language,
            shown: &read.shown,
            source: &read.source,
            reason: format!(
                "{kind} of {} to {}; {}",
                times.learned.from().format("%Y-%m-%d %H:%M UTC"),
                times.learned.to().format("%Y-%m-%d %H:%M UTC"),
                read.reason
            ),
            rows: Some(read.rows),
            bucket: query.bucket.to_string(),
            coverage: None,
            notices: notices.clone(),
        }
        .write(frame);
    }
    Ok(frames)
}

fn times(
    query: &Query,
    selection: &Selection<'_>,
    ask: &Ask,
) -> Result<Option<Times>, AnswerError> {
    let Some(plant) = selection.plants.first() else { return Ok(None) };
    let Some(shown) = ask.range.clip(ask.range.from(), Some(ask.now)) else { return Ok(None) };
    let calendar = &plant.calendar;
    let (first, after) = match query.baseline.period {
        Some((from, to)) => (from, to + TimeDelta::days(1)),
        None => {
            let day = shown.from().with_timezone(&calendar.zone).date_naive();
            (day - TimeDelta::days(i64::from(query.learning_days)), day)
        }
    };
    if (after - first).num_days() > super::baseline::MOST_DAYS {
        return Err(AnswerError::BaselinePeriod { most: super::baseline::MOST_DAYS });
    }
    let learned = TimeRange::new(calendar.midnight(first), calendar.midnight(after).min(ask.now))
        .map_err(|_| AnswerError::BaselineAhead(first))?;
    Ok(Some(Times { learned, shown }))
}

/// Most charts that a notice names.
const MOST_NAMES: usize = 5;

/// Says which charts have no limits, and why.
fn without_limits(charts: &[Chart], language: Language) -> Option<Notice> {
    let without: Vec<&Chart> = charts.iter().filter(|c| c.limits.is_none()).collect();
    let names: Vec<String> = (without.iter().take(MOST_NAMES))
        .map(|c| format!("{} ({} {})", c.name, c.learned.len(), language.pick("values", "valores")))
        .collect();
    let more = without.len().saturating_sub(MOST_NAMES);
    let names = format!("{}{}", names.join(", "), and_more(more, language));
    (!without.is_empty()).then(|| Notice::Warning(language.pick(
        format!("No limits for {names}: the baseline period must have at least {LEAST_VALUES} values of each. Choose a longer one."),
        format!("Sin límites para {names}: el periodo de referencia debe tener al menos {LEAST_VALUES} valores de cada una. Elige uno más largo."),
    )))
}
