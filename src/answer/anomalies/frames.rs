//! Events as a table, as annotations and as numbers for alert rules; scores as series.

use std::collections::BTreeSet;

use super::Watched;
use super::events::Event;
use super::history::Unit;
use super::{Times, second};
use crate::domain::Language;
use crate::frame::{Field, Frame};
use crate::plan::Ask;

/// Most points of one series, whatever is asked for.
const MOST_POINTS: usize = 11_000;

fn text(name: &str, events: &[Event<'_>], of: impl Fn(&Event<'_>) -> Option<String>) -> Field {
    Field::text(name, events.iter().map(of).collect::<Vec<_>>())
}

fn machine(unit: &Unit<'_>) -> String {
    unit.machine.map(|machine| machine.key.clone()).unwrap_or_default()
}

/// Name of the sensor for people.
fn sensor_name(event: &Event<'_>) -> Option<String> {
    let of_event = |s: &&&crate::catalog::Sensor| s.key == event.finding.sensor;
    event.unit.sensors.iter().find(of_event).map(|s| s.name.clone())
}

/// A row an event. Energy and cost are left out where no event has any: thermometers alone have none.
pub(super) fn table(events: &[Event<'_>], language: Language) -> Frame {
    let currencies: BTreeSet<&str> = events.iter().map(|e| e.currency.as_str()).collect();
    let mut cost = Field::number("cost", events.iter().map(|e| e.cost)).description("Energy beyond the usual of each tariff period times its price; empty without a tariff.", "Energía por encima de lo habitual en cada periodo de la tarifa por su precio; vacío sin tarifa.");
    if let (1, Some(currency)) = (currencies.len(), currencies.first()) {
        cost = cost.unit(currency);
    }
    let fields = vec![
        Field::time("start", events.iter().map(|e| Some(e.range.from()))).description(
            "First minute in which it was abnormal.",
            "Primer minuto en que fue anómalo.",
        ),
        Field::time("end", events.iter().map(|e| Some(e.range.to()))).description(
            "End of the last minute in which it was abnormal, so far.",
            "Fin del último minuto en que fue anómalo, hasta ahora.",
        ),
        Field::bool("open", events.iter().map(|e| Some(e.is_open))).description(
            "Not over yet where the time range ends.",
            "Sin acabar donde termina el intervalo de tiempo.",
        ),
        Field::time("raised", events.iter().map(|e| second(e.finding.raised))).description(
            "When it was known; an alert could fire then.",
            "Cuándo se supo; una alerta pudo saltar entonces.",
        ),
        text("plant", events, |e| Some(e.unit.plant.key.clone())),
        text("line", events, |e| Some(e.unit.line.key.clone())),
        text("machine", events, |e| Some(machine(e.unit))),
        text("sensor", events, |e| Some(e.finding.sensor.clone())),
        text("sensor_name", events, sensor_name),
        text("reference", events, |e| e.run.map(|run| run.reference.clone())),
        text("lot", events, |e| e.run.map(|run| run.lot.clone())),
        text("kind", events, |e| Some(e.finding.kind.as_str().to_owned())),
        Field::number("severity", events.iter().map(|e| Some(e.finding.severity))).description(
            "Largest deviation, in robust standard deviations of its chart.",
            "Mayor desviación, en desviaciones típicas robustas de su gráfico.",
        ),
        Field::number("energy", events.iter().map(|e| e.finding.energy_kwh))
            .unit("kWh")
            .description(
                "Energy beyond the usual, less than nothing where less was used.",
                "Energía por encima de lo habitual; negativa donde se usó menos.",
            ),
        cost,
        text("currency", events, |e| Some(e.currency.clone()).filter(|c| !c.is_empty())),
        text("reason", events, |e| Some(e.reason(language))),
    ];
    Frame::new("anomalies", "table", fields).without_unknown(&["energy", "cost"])
}

pub(super) fn annotations(events: &[Event<'_>], language: Language) -> Frame {
    let title =
        |e: &Event<'_>| Some(format!("{} · {}", e.unit.name(), e.finding.kind.words(language)));
    let tags = |e: &Event<'_>| {
        let mut tags = vec![e.unit.line.key.as_str(), e.unit.name(), e.finding.kind.as_str()];
        tags.extend(e.run.map(|run| run.reference.as_str()));
        tags.dedup();
        Some(tags.join(","))
    };
    let id =
        |e: &Event<'_>| Some(format!("{}/{}/{}", e.unit.plant.key, e.unit.name(), e.finding.start));
    let fields = vec![
        Field::time("time", events.iter().map(|e| Some(e.range.from()))),
        Field::time("timeEnd", events.iter().map(|e| Some(e.range.to()))),
        text("title", events, title),
        text("text", events, |e| Some(e.reason(language))),
        text("tags", events, tags),
        text("id", events, id),
    ];
    Frame::new("anomalies", "", fields)
}

/// The only number is what an alert rule compares; the texts are its labels. A machine that cannot be
/// judged has none.
pub(super) fn numbers(watched: &[Watched<'_>], events: &[Event<'_>], times: Times) -> Frame {
    let open = |index: usize| {
        let known = watched[index].outcome.judged_from?;
        let count = events.iter().filter(|e| e.watched == index && e.is_open).count();
        (known < times.shown.to().timestamp()).then_some(count as f64)
    };
    let label = |name, of: &dyn Fn(&Unit<'_>) -> String| {
        Field::text(name, watched.iter().map(|w| Some(of(w.unit))))
    };
    let fields = vec![
        label("plant", &|unit| unit.plant.key.clone()),
        label("line", &|unit| unit.line.key.clone()),
        label("machine", &machine),
        Field::number("open", (0..watched.len()).map(open)).description(
            "Events that are not over; empty where there is too little history.",
            "Sucesos sin acabar; vacío donde hay poca historia.",
        ),
    ];
    Frame::new("anomalies", "numeric-long", fields)
}

/// One series a unit: the largest score of each step.
pub(super) fn score(watched: &[Watched<'_>], times: Times, ask: &Ask) -> Vec<Frame> {
    let most = (ask.max_points / watched.len().max(1)).clamp(1, MOST_POINTS);
    let points = ask.max_data_points.clamp(1, most);
    let frame = |watched: &Watched<'_>| {
        let unit = watched.unit;
        let (starts, scores) = thinned(watched, times, points);
        let labels = [
            ("plant", unit.plant.key.clone()),
            ("line", unit.line.key.clone()),
            ("machine", machine(unit)),
        ];
        let fields = vec![
            Field::time("time", starts.into_iter().map(second)),
            Field::number("score", scores).labels(labels).display_name(unit.name()).description(
                "Largest deviation as a share of its limit: 1 is abnormal.",
                "Mayor desviación como parte de su límite: 1 es anómalo.",
            ),
        ];
        Frame::new(unit.name(), "timeseries-multi", fields)
    };
    watched.iter().map(frame).collect()
}

/// Starts of steps in seconds, with the largest score in each; `None` where nothing was judged.
fn thinned(watched: &Watched<'_>, times: Times, points: usize) -> (Vec<i64>, Vec<Option<f64>>) {
    let outcome = &watched.outcome;
    if outcome.step <= 0 {
        return (Vec::new(), Vec::new());
    }
    let cell = |second: i64| {
        ((second - outcome.start).max(0) as usize / outcome.step as usize).min(outcome.score.len())
    };
    let (from, to) = (
        cell(times.shown.from().timestamp()),
        cell(times.shown.to().timestamp() + outcome.step - 1),
    );
    let width = (to - from).div_ceil(points).max(1);
    (from..to)
        .step_by(width)
        .map(|first| {
            let cells = first..(first + width).min(to);
            let judged = cells.filter(|&cell| outcome.judged[cell]);
            let most = judged.map(|cell| f64::from(outcome.score[cell])).reduce(f64::max);
            (outcome.start + first as i64 * outcome.step, most)
        })
        .unzip()
}
