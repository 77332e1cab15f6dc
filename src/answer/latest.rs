//! The newest value of each sensor.

use super::{AnswerError, Provenance, Source};
use crate::catalog::Sensor;
use crate::domain::Language;
use crate::domain::time::epoch_seconds;
use crate::frame::{Field, Frame, Notice};
use crate::model::{Format, Query};
use crate::plan::{Ask, HERE, PlanError, Selection};
use crate::sql::{Statement, latest};

pub(super) async fn answer(
    source: &Source<'_>,
    query: &Query,
    selection: &Selection<'_>,
    ask: &Ask,
) -> Result<Vec<Frame>, AnswerError> {
    let wanted = query.place.quantity.as_deref();
    let mut sensors: Vec<&Sensor> = selection
        .sensors
        .iter()
        .filter(|s| wanted.is_none_or(|q| q == s.quantity))
        .copied()
        .collect();
    if sensors.is_empty() {
        return Err(PlanError::no_sensor(wanted, HERE).into());
    }
    let mut notices = Vec::new();
    if sensors.len() > query.limit {
        let (limit, all) = (query.limit, sensors.len());
        let text = query.language.pick(
            format!("Only the first {limit} of {all} sensors."),
            format!("Solo los primeros {limit} de {all} sensores."),
        );
        notices.push(Notice::Warning(text));
        sensors.truncate(query.limit);
    }
    let Statement { sql, params, shown } = latest::statement(&sensors, source.catalog.raw_from);
    let mut newest = vec![None; sensors.len()];
    for row in source.db.query(&sql, params).await? {
        let (index, time, value) = latest::read(&row)?;
        if let Some(slot) = newest.get_mut(index) {
            *slot = Some((time, value));
        }
    }
    let catalog = source.catalog;
    let text = |name, of: &dyn Fn(&Sensor) -> Option<String>| {
        Field::text(name, sensors.iter().map(|s| of(s)).collect::<Vec<_>>())
    };
    let now = epoch_seconds(ask.now);
    let places = [
        text("plant", &|s| catalog.plant(s.plant).map(|p| p.key.clone())),
        text("line", &|s| s.line.and_then(|id| catalog.line(id)).map(|l| l.key.clone())),
        text("machine", &|s| s.machine.and_then(|id| catalog.machine(id)).map(|m| m.key.clone())),
        text("sensor", &|s| Some(s.key.clone())),
        text("name", &|s| Some(s.name.clone())),
        text("quantity", &|s| Some(s.quantity.clone())),
        text("unit", &|s| Some(s.unit.clone())),
    ];
    let value = Field::number("value", newest.iter().map(|n| n.map(|n| n.1)));
    if query.format == Format::Alert {
        // The only number is what an alert rule compares; the texts are its labels.
        let fields = places.into_iter().chain([value]).collect();
        let mut frame = Frame::new("latest", "numeric-long", fields);
        provenance(&shown, sensors.len(), notices, query.language).write(&mut frame);
        return Ok(vec![frame]);
    }
    let mut fields = vec![Field::time("time", newest.iter().map(|n| n.map(|n| n.0)))];
    fields.extend(places);
    fields.extend([
        value,
        Field::number("age_s", newest.iter().map(|n| n.map(|n| now - epoch_seconds(n.0))))
            .unit("s"),
    ]);
    let mut frame = Frame::new("latest", "", fields);
    provenance(&shown, sensors.len(), notices, query.language).write(&mut frame);
    Ok(vec![frame])
}

fn provenance(
    shown: &str,
    sensors: usize,
    notices: Vec<Notice>,
    language: Language,
) -> Provenance<'_> {
    Provenance {
        language,
        shown,
        source: "readings",
        reason: "one index probe a sensor".to_owned(),
        rows: Some(sensors as f64),
        bucket: "none".to_owned(),
        coverage: None,
        notices,
    }
}
