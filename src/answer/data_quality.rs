//! When each sensor was last heard of, and whether it is silent. Whatever the time range is.

use std::cmp::Reverse;

use chrono::{DateTime, Utc};

use super::{AnswerError, Provenance, Source};
use crate::catalog::{Catalog, Sensor};
use crate::domain::sensor::silent_after_s;
use crate::domain::time::epoch_seconds;
use crate::frame::{Field, Frame, Notice};
use crate::model::{Format, Query};
use crate::plan::{Ask, HERE, PlanError, Selection};
use crate::sql::{Statement, last_seen};

/// A sensor and its last sign of life.
struct Heard<'a> {
    sensor: &'a Sensor,
    last_seen: Option<DateTime<Utc>>,
    /// Since then; `None`: it never sent.
    age_s: Option<f64>,
}

impl Heard<'_> {
    fn silent_after_s(&self) -> f64 {
        silent_after_s(self.sensor.interval_s, self.sensor.max_gap_s)
    }

    fn is_silent(&self) -> bool {
        self.age_s.is_none_or(|age_s| age_s > self.silent_after_s())
    }
}

pub(super) async fn answer(
    source: &Source<'_>,
    query: &Query,
    selection: &Selection<'_>,
    ask: &Ask,
) -> Result<Vec<Frame>, AnswerError> {
    let wanted = query.place.quantity.as_deref();
    let of_quantity = |s: &&&Sensor| wanted.is_none_or(|q| q == s.quantity);
    let sensors: Vec<&Sensor> = selection.sensors.iter().filter(of_quantity).copied().collect();
    if sensors.is_empty() {
        return Err(PlanError::no_sensor(wanted, HERE).into());
    }
    let Statement { sql, params, shown } =
        last_seen::statement(&sensors, ask.now, source.catalog.raw_from);
    let rows = source.db.query(&sql, params).await?;
    let times = rows.iter().map(last_seen::read).collect::<Result<Vec<_>, _>>()?;
    let mut heard = heard(&sensors, &times, ask.now);
    let silent = heard.iter().filter(|h| h.is_silent()).count();
    if query.format == Format::Silent {
        heard.retain(Heard::is_silent);
    }
    let mut notices = Vec::new();
    if heard.is_empty() {
        let all = sensors.len();
        notices.push(Notice::Info(query.language.pick(
            format!("None of {all} sensors is silent."),
            format!("Ninguno de {all} sensores está en silencio."),
        )));
    }
    if heard.len() > query.limit {
        let (limit, all) = (query.limit, heard.len());
        let text = query.language.pick(
            format!("Only {limit} of {all} sensors, silent ones first."),
            format!("Solo {limit} de {all} sensores, primero los que están en silencio."),
        );
        notices.push(Notice::Warning(text));
        heard.truncate(query.limit);
    }
    let mut frame = match query.format {
        Format::Alert => numbers(source.catalog, &heard),
        _ => table(source.catalog, &heard),
    };
    let reason = format!("one index probe a sensor; {silent} of {} are silent", sensors.len());
    Provenance {
        language: query.language,
        shown: &shown,
        source: "readings",
        reason,
        rows: Some(sensors.len() as f64),
        bucket: "none".to_owned(),
        coverage: None,
        notices,
    }
    .write(&mut frame);
    Ok(vec![frame])
}

/// Silent ones first, those that never sent before them, the oldest first.
fn heard<'a>(
    sensors: &[&'a Sensor],
    times: &[(usize, DateTime<Utc>)],
    now: DateTime<Utc>,
) -> Vec<Heard<'a>> {
    let mut heard: Vec<Heard<'a>> =
        sensors.iter().map(|sensor| Heard { sensor, last_seen: None, age_s: None }).collect();
    for (index, time) in times {
        if let Some(heard) = heard.get_mut(*index) {
            heard.last_seen = Some(*time);
            heard.age_s = Some(epoch_seconds(now) - epoch_seconds(*time));
        }
    }
    // Stable: equal ones stay in the catalog's order. `None` is before any time.
    heard.sort_by_key(|h| (Reverse(h.is_silent()), h.last_seen));
    heard
}

fn text(name: &str, heard: &[Heard<'_>], of: impl Fn(&Sensor) -> Option<String>) -> Field {
    Field::text(name, heard.iter().map(|h| of(h.sensor)).collect::<Vec<_>>())
}

/// Where each sensor is.
fn places(catalog: &Catalog, heard: &[Heard<'_>]) -> Vec<Field> {
    vec![
        text("plant", heard, |s| catalog.plant(s.plant).map(|p| p.key.clone())),
        text("line", heard, |s| s.line.and_then(|id| catalog.line(id)).map(|l| l.key.clone())),
        text("machine", heard, |s| {
            s.machine.and_then(|id| catalog.machine(id)).map(|m| m.key.clone())
        }),
        text("sensor", heard, |s| Some(s.key.clone())),
        text("name", heard, |s| Some(s.name.clone())),
        text("quantity", heard, |s| Some(s.quantity.clone())),
    ]
}

fn table(catalog: &Catalog, heard: &[Heard<'_>]) -> Frame {
    let mut fields = places(catalog, heard);
    fields.extend([
        Field::time("last_seen", heard.iter().map(|h| h.last_seen)),
        Field::number("age_s", heard.iter().map(|h| h.age_s))
            .unit("s")
            .description("Time since the newest reading", "Tiempo desde la lectura más reciente"),
        Field::number("expected_interval_s", heard.iter().map(|h| Some(h.sensor.interval_s)))
            .unit("s")
            .description("Usual time between readings", "Tiempo habitual entre lecturas"),
        Field::number("silent_after_s", heard.iter().map(|h| Some(h.silent_after_s())))
            .unit("s")
            .description(
                "Three intervals, or the longest gap if that is longer",
                "Tres intervalos, o el hueco más largo si es mayor",
            ),
        Field::bool("silent", heard.iter().map(|h| Some(h.is_silent()))).description(
            "No reading for longer than that, or never one",
            "Sin lecturas durante más de eso, o nunca una",
        ),
    ]);
    Frame::new("data_quality", "", fields)
}

/// The only number is what an alert rule compares; the texts are its labels.
fn numbers(catalog: &Catalog, heard: &[Heard<'_>]) -> Frame {
    let mut fields = places(catalog, heard);
    let silent = heard.iter().map(|h| Some(f64::from(u8::from(h.is_silent()))));
    fields.push(
        Field::number("silent", silent)
            .description("1 when the sensor is silent", "1 cuando el sensor calla"),
    );
    Frame::new("data_quality", "numeric-long", fields)
}
