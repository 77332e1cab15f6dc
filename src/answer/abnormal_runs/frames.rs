//! Frames of abnormal runs: one row a run, marked regions, scores, numbers for alert rules.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::{Judged, is_for_alerts, words};
use crate::analytics::abnormal::Feature;
use crate::domain::{Language, Words};
use crate::frame::{Field, Frame, Notice};
use crate::model::{Format, Query};
use crate::plan::Ask;

pub(super) fn frames(
    query: &Query,
    mut judged: Vec<Judged<'_>>,
    notices: &mut Vec<Notice>,
    ask: &Ask,
) -> Vec<Frame> {
    if query.format == Format::Score {
        return scores(&judged, ask);
    }
    if is_for_alerts(query) {
        return vec![numbers(judged)];
    }
    judged.retain(Judged::is_abnormal);
    if judged.len() > query.limit {
        let (limit, all) = (query.limit, judged.len());
        let text = query.language.pick(
            format!("Only the newest {limit} of {all} abnormal runs."),
            format!("Solo las {limit} fabricaciones anómalas más recientes de {all}."),
        );
        notices.push(Notice::Warning(text));
        judged.truncate(query.limit);
    }
    match query.format {
        Format::Annotations => vec![annotations(&judged, query.language)],
        _ => vec![table(&judged, query.language)],
    }
}

fn text(name: &str, judged: &[Judged<'_>], of: impl Fn(&Judged<'_>) -> Option<String>) -> Field {
    Field::text(name, judged.iter().map(of).collect::<Vec<_>>())
}

fn number(name: &str, judged: &[Judged<'_>], of: impl Fn(&Judged<'_>) -> Option<f64>) -> Field {
    Field::number(name, judged.iter().map(of).collect::<Vec<_>>())
}

fn score(judged: &Judged<'_>) -> Option<f64> {
    judged.verdict.as_ref().ok().map(|verdict| verdict.score)
}

const SCORE: Words = [
    "Robust Mahalanobis distance from the usual of the reference, as a share of its limit: above 1 is abnormal.",
    "Distancia robusta de Mahalanobis a lo habitual de la referencia, como parte de su límite: por encima de 1 es anómala.",
];

fn table(judged: &[Judged<'_>], language: Language) -> Frame {
    let millis = |at: Option<DateTime<Utc>>| Some(at?.timestamp_millis().to_string());
    let mut fields = vec![
        Field::time("start", judged.iter().map(|j| Some(j.run.started_at))),
        Field::time("end", judged.iter().map(|j| j.run.ended_at)),
        text("plant", judged, |j| Some(j.plant.clone())),
        text("line", judged, |j| Some(j.line.clone())),
        text("machine", judged, |j| Some(j.machine.clone())),
        text("run", judged, |j| Some(j.run.key.clone())),
        text("lot", judged, |j| Some(j.run.lot.clone())),
        text("reference", judged, |j| Some(j.run.reference.clone())),
        text("operator", judged, |j| j.run.operator.as_ref().map(|o| o.1.clone())),
        number("score", judged, score).describe(SCORE),
        text("reason", judged, |j| Some(words::reason(j, language))),
    ];
    let currencies = judged.iter().map(|j| j.currency.as_str());
    let currencies: BTreeSet<&str> = currencies.filter(|currency| !currency.is_empty()).collect();
    let mut cost = number("cost", judged, |j| j.cost).description(
        "That energy at the mean price of the run; empty without a tariff.",
        "Esa energía al precio medio de la fabricación; vacío sin tarifa.",
    );
    if let (1, Some(currency)) = (currencies.len(), currencies.first()) {
        cost = cost.unit(currency);
    }
    fields.extend([
        number("energy", judged, |j| j.energy).unit("kWh").description(
            "Energy beyond the usual of what was made.",
            "Energía por encima de lo habitual de lo fabricado.",
        ),
        cost,
        text("currency", judged, |j| Some(j.currency.clone()).filter(|c| !c.is_empty())),
    ]);
    for feature in Feature::ALL {
        let of = |j: &Judged<'_>| j.features.get(feature);
        if judged.iter().any(|j| of(j).is_some()) {
            fields.push(
                number(feature.as_str(), judged, of)
                    .unit(feature.unit())
                    .describe(description(feature)),
            );
        }
    }
    fields.extend([
        number("learned_from", judged, |j| Some(j.verdict.as_ref().ok()?.runs as f64)).description(
            "Earlier runs of the reference here.",
            "Fabricaciones anteriores de la referencia aquí.",
        ),
        text("start_ms", judged, |j| millis(Some(j.run.started_at))).description(
            "Start in milliseconds since 1970, for links.",
            "Inicio en milisegundos desde 1970, para enlaces.",
        ),
        text("end_ms", judged, |j| millis(j.run.ended_at)).description(
            "End in milliseconds since 1970, for links.",
            "Fin en milisegundos desde 1970, para enlaces.",
        ),
    ]);
    Frame::new("abnormal_runs", "table", fields)
}

fn description(feature: Feature) -> Words {
    match feature {
        Feature::EnergyPerGoodUnit => [
            "Energy of the run divided by its good units.",
            "Energía de la fabricación dividida por sus unidades buenas.",
        ],
        Feature::Rate => [
            "Good units divided by the time in which the machines ran.",
            "Unidades buenas divididas por el tiempo con las máquinas en marcha.",
        ],
        Feature::MeanPower => [
            "Energy of the run divided by its duration.",
            "Energía de la fabricación dividida por su duración.",
        ],
        Feature::MeanTemperature => [
            "Mean of the process thermometers, weighted by time.",
            "Media de los termómetros del proceso, ponderada por el tiempo.",
        ],
        Feature::PeakTemperature => [
            "Largest reading of the process thermometers.",
            "Mayor lectura de los termómetros del proceso.",
        ],
        Feature::Duration => ["From start to end.", "De inicio a fin."],
        Feature::IdleShare => [
            "Share of the run in which its machines were not running.",
            "Parte de la fabricación con sus máquinas sin marchar.",
        ],
        Feature::ScrapShare => [
            "Scrapped units divided by all units.",
            "Unidades de rechazo divididas por todas las unidades.",
        ],
    }
}

fn annotations(judged: &[Judged<'_>], language: Language) -> Frame {
    let tags = |j: &Judged<'_>| {
        let all = [j.line.as_str(), j.machine.as_str(), "abnormal_run", j.run.reference.as_str()];
        let kept: Vec<&str> = all.into_iter().filter(|tag| !tag.is_empty()).collect();
        Some(kept.join(","))
    };
    let fields = vec![
        Field::time("time", judged.iter().map(|j| Some(j.run.started_at))),
        Field::time("timeEnd", judged.iter().map(|j| j.run.ended_at)),
        text("title", judged, |j| Some(format!("{} · {}", j.run.lot, j.run.reference))),
        text("text", judged, |j| Some(words::reason(j, language))),
        text("tags", judged, tags),
        text("id", judged, |j| Some(j.run.key.clone())),
    ];
    Frame::new("abnormal_runs", "", fields)
}

/// Most points of one series, whatever is asked for.
const MOST_POINTS: usize = 11_000;

/// One series a place: the score of each run at its end.
fn scores(judged: &[Judged<'_>], ask: &Ask) -> Vec<Frame> {
    let place = |j: &Judged<'_>| (j.plant.clone(), j.line.clone(), j.machine.clone());
    let places: BTreeSet<_> = judged.iter().map(place).collect();
    let most = (ask.max_points / places.len().max(1)).clamp(1, MOST_POINTS);
    let frame = |here: (String, String, String)| {
        let mut own: Vec<&Judged<'_>> =
            judged.iter().filter(|j| place(j) == here).take(most).collect();
        own.sort_by_key(|j| j.run.ended_at);
        let name = if here.2.is_empty() { here.1.clone() } else { here.2.clone() };
        let labels = [("plant", here.0), ("line", here.1), ("machine", here.2)];
        let labels = labels.into_iter().filter(|label| !label.1.is_empty());
        let fields = vec![
            Field::time("time", own.iter().map(|j| j.run.ended_at)),
            Field::number("score", own.iter().map(|j| score(j)))
                .labels(labels)
                .display_name(&name)
                .describe(SCORE),
        ];
        Frame::new(&name, "timeseries-multi", fields)
    };
    places.into_iter().map(frame).collect()
}

/// The newest run of each place. The only number is what an alert rule compares; the texts are its
/// labels.
fn numbers(mut judged: Vec<Judged<'_>>) -> Frame {
    let mut seen: BTreeSet<(i32, Option<i32>)> = BTreeSet::new();
    judged.retain(|j| seen.insert((j.run.line, j.run.machine)));
    let fields = vec![
        text("plant", &judged, |j| Some(j.plant.clone())),
        text("line", &judged, |j| Some(j.line.clone())),
        text("machine", &judged, |j| Some(j.machine.clone())),
        text("reference", &judged, |j| Some(j.run.reference.clone())),
        text("lot", &judged, |j| Some(j.run.lot.clone())),
        number("score", &judged, score).describe(SCORE),
    ];
    Frame::new("abnormal_runs", "numeric-long", fields)
}
