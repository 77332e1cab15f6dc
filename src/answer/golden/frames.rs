//! Frames of a golden query: curves, deviations, one row a lot, marked regions, numbers for alert rules.

use chrono::{DateTime, Utc};

use super::super::AnswerError;
use super::{Answer, Judged, words};
use crate::analytics::golden::Band;
use crate::domain::{Language, Words};
use crate::frame::{Field, Frame};
use crate::model::{Align, Format, Query};
use crate::plan::{Ask, Grid, PlanError};

pub(super) fn frames(
    query: &Query,
    answer: &Answer<'_>,
    ask: &Ask,
) -> Result<Vec<Frame>, AnswerError> {
    Ok(match query.format {
        Format::Curves | Format::Deviation => {
            let lines = match query.format {
                Format::Curves => curves(answer),
                _ => deviations(answer),
            };
            check_size(&lines, answer, ask)?;
            match query.align {
                Align::Time => over_time(lines, answer),
                Align::Elapsed | Align::Progress => vec![over_number(lines, answer)],
            }
        }
        Format::Annotations => vec![annotations(answer)],
        Format::Alert => vec![numbers(answer)],
        _ => vec![table(answer)],
    })
}

fn check_size(lines: &[Line<'_>], answer: &Answer<'_>, ask: &Ask) -> Result<(), AnswerError> {
    let (series, points) = (lines.len(), answer.grid.steps());
    if series.saturating_mul(points) > ask.max_points {
        return Err(PlanError::TooManyPoints { series, points, limit: ask.max_points }.into());
    }
    Ok(())
}

/// One line of a panel.
struct Line<'a> {
    /// What it is of: one lot, or any one of those whose golden curve it is.
    judged: &'a Judged<'a>,
    /// `lower`, `median`, `upper`, `actual`, `sigmas` or `difference`.
    what: &'static str,
    /// Of one lot, and not of all of the same reference and place.
    is_lot: bool,
    unit: &'a str,
    values: Vec<Option<f64>>,
}

/// Name of a line in legends.
fn title(what: &'static str, language: Language) -> &'static str {
    let es = match what {
        "lower" => "límite inferior",
        "median" => "mediana",
        "upper" => "límite superior",
        "actual" => "real",
        "difference" => "diferencia",
        other => other,
    };
    language.pick(what, es)
}

fn bands<'a>(judged: &'a Judged<'_>) -> impl Fn(usize) -> Option<Band> + 'a {
    let envelope = judged.golden.envelope.as_ref().as_ref();
    move |step| envelope.and_then(|e| e.bands.get(step).copied().flatten())
}

/// The golden band of each reference and place once, and each lot's own curve.
fn curves<'a>(answer: &'a Answer<'_>) -> Vec<Line<'a>> {
    let mut lines: Vec<Line<'a>> = Vec::new();
    let steps = || 0..answer.grid.steps();
    for judged in &answer.judged {
        let is_known =
            |line: &Line<'_>| std::sync::Arc::ptr_eq(&line.judged.golden, &judged.golden);
        if judged.golden.envelope.is_some() && !lines.iter().any(is_known) {
            let band = bands(judged);
            let line = |what, of: fn(&Band) -> f64| Line {
                judged,
                what,
                is_lot: false,
                unit: &answer.unit,
                values: steps().map(|step| band(step).map(|b| of(&b))).collect(),
            };
            lines.push(line("lower", Band::lower));
            lines.push(line("median", |b| b.median));
            lines.push(line("upper", Band::upper));
        }
    }
    lines.extend(answer.judged.iter().map(|judged| Line {
        judged,
        what: "actual",
        is_lot: true,
        unit: &answer.unit,
        values: judged.levels.iter().map(|level| level.value).collect(),
    }));
    lines
}

/// How far each lot was from its golden curve, in robust sigmas and in the unit.
fn deviations<'a>(answer: &'a Answer<'_>) -> Vec<Line<'a>> {
    let mut lines = Vec::new();
    for judged in &answer.judged {
        let Some(verdict) = &judged.verdict else { continue };
        let band = bands(judged);
        let difference = |(step, level): (usize, &crate::figures::levels::Level)| {
            Some(level.value? - band(step)?.median)
        };
        let mut push =
            |what, unit, values| lines.push(Line { judged, what, is_lot: true, unit, values });
        push("sigmas", "", verdict.deviations.clone());
        let differences = judged.levels.iter().enumerate().map(difference).collect();
        push("difference", answer.unit.as_str(), differences);
    }
    lines
}

impl Line<'_> {
    fn field(&self, answer: &Answer<'_>, values: Vec<Option<f64>>, with_lot: bool) -> Field {
        let judged = self.judged;
        let mut labels = place_labels(judged);
        labels.push(("quantity", answer.quantity.clone()));
        labels.push(("curve", self.what.to_owned()));
        let title = title(self.what, answer.language);
        let mut name = match self.is_lot && with_lot {
            true => format!("{} {title}", judged.made.lot),
            false if with_lot => format!("{} {title}", judged.made.reference),
            false => title.to_owned(),
        };
        if with_lot {
            labels.push(("reference", judged.made.reference.clone()));
        }
        if self.is_lot && with_lot {
            labels.push(("lot", judged.made.lot.clone()));
        }
        let several = answer.judged.iter().any(|j| place_labels(j) != place_labels(judged));
        if several {
            let place = place_labels(judged);
            name = format!("{} {name}", place.last().map(|l| l.1.as_str()).unwrap_or_default());
        }
        let field = Field::number("value", values).labels(labels).unit(self.unit);
        let field = field.display_name(&name);
        match self.what {
            "median" => field.description(
                "Median of the lots that were learned from.",
                "Mediana de los lotes de los que se aprendió.",
            ),
            "lower" | "upper" => field.description(
                "Median less or more 3 robust standard deviations between lots.",
                "Mediana menos o más 3 desviaciones típicas robustas entre lotes.",
            ),
            "sigmas" => field.description(
                "Difference to the golden median in robust standard deviations between lots.",
                "Diferencia con la mediana patrón en desviaciones típicas robustas entre lotes.",
            ),
            "difference" => field.description(
                "Difference to the golden median.",
                "Diferencia con la mediana patrón.",
            ),
            _ => field.description("Mean of the step.", "Media del paso."),
        }
    }
}

/// Plant, line and, where there are such, machine and sensor.
fn place_labels(judged: &Judged<'_>) -> Vec<(&'static str, String)> {
    let place = &judged.place;
    let mut labels = vec![("plant", place.plant.clone()), ("line", place.line.clone())];
    labels.extend((!place.machine.is_empty()).then(|| ("machine", place.machine.clone())));
    labels.extend(judged.curve.sensor.map(|s| ("sensor", s.key.clone())));
    labels
}

/// One frame: where each step begins, and a column a line.
fn over_number(lines: Vec<Line<'_>>, answer: &Answer<'_>) -> Frame {
    let positions = (0..answer.grid.steps()).map(|step| Some(answer.grid.position(step)));
    let x = match answer.grid {
        Grid::Elapsed(..) => Field::number("elapsed", positions).unit("s").description(
            "Time since the first run of the lot began; start of the step.",
            "Tiempo desde que empezó la primera fabricación del lote; inicio del paso.",
        ),
        Grid::Progress(_) => Field::number("progress", positions).unit("ratio").description(
            "Share of the time from the lot's first start to its last end.",
            "Parte del tiempo entre el primer inicio del lote y su último fin.",
        ),
    };
    let fields = lines.iter().map(|line| line.field(answer, line.values.clone(), true));
    Frame::new("golden", "", std::iter::once(x).chain(fields).collect())
}

/// A frame a place and line: the lots one after another, when they were made, with a gap between.
fn over_time(lines: Vec<Line<'_>>, answer: &Answer<'_>) -> Vec<Frame> {
    let mut lots: Vec<&Judged<'_>> = answer.judged.iter().collect();
    lots.sort_by_key(|judged| judged.made.from);
    let mut places: Vec<Vec<(&'static str, String)>> =
        lots.iter().map(|j| place_labels(j)).collect();
    places.sort();
    places.dedup();
    let mut whats: Vec<&'static str> = Vec::new();
    for line in &lines {
        if !whats.contains(&line.what) {
            whats.push(line.what);
        }
    }
    let mut frames = Vec::new();
    for place in &places {
        for what in &whats {
            let mut times: Vec<Option<DateTime<Utc>>> = Vec::new();
            let mut values: Vec<Option<f64>> = Vec::new();
            let mut shown: Option<&Line<'_>> = None;
            for judged in lots.iter().filter(|j| place_labels(j) == *place) {
                let of_lot = |line: &&Line<'_>| match line.is_lot {
                    true => std::ptr::eq(line.judged, *judged),
                    false => std::sync::Arc::ptr_eq(&line.judged.golden, &judged.golden),
                };
                let line = lines.iter().filter(|l| l.what == *what).find(of_lot);
                let Some(line) = line else { continue };
                shown = Some(line);
                let made = judged.made;
                let reached = |step: usize| answer.grid.instant(made, step) < made.to;
                for (step, value) in line.values.iter().enumerate().take_while(|(s, _)| reached(*s))
                {
                    times.push(Some(answer.grid.instant(made, step)));
                    values.push(*value);
                }
                times.push(Some(made.to));
                values.push(None);
            }
            let Some(line) = shown else { continue };
            let fields = vec![Field::time("time", times), line.field(answer, values, false)];
            frames.push(Frame::new(what, "timeseries-multi", fields));
        }
    }
    frames
}

fn text(name: &str, answer: &Answer<'_>, of: impl Fn(&Judged<'_>) -> Option<String>) -> Field {
    Field::text(name, answer.judged.iter().map(of).collect::<Vec<_>>())
}

fn number(name: &str, answer: &Answer<'_>, of: impl Fn(&Judged<'_>) -> Option<f64>) -> Field {
    Field::number(name, answer.judged.iter().map(of).collect::<Vec<_>>())
}

const SCORE: Words = [
    "Root mean square of the deviations from the golden median, in robust sigmas: about 1 is usual.",
    "Raíz del cuadrado medio de las desviaciones de la mediana patrón, en sigmas robustas: cerca de 1 es lo habitual.",
];

fn table(answer: &Answer<'_>) -> Frame {
    let millis = |at: DateTime<Utc>| Some(at.timestamp_millis().to_string());
    let verdict = |j: &Judged<'_>| j.verdict.clone();
    let steps = |j: &Judged<'_>| j.levels.iter().filter(|l| l.value.is_some()).count() as f64;
    let mut fields = vec![
        Field::time("start", answer.judged.iter().map(|j| Some(j.made.from))),
        Field::time("end", answer.judged.iter().map(|j| Some(j.made.to))).description(
            "End of the lot's last run here; of an open one, the present.",
            "Fin de la última fabricación del lote aquí; de una abierta, el presente.",
        ),
        Field::bool("open", answer.judged.iter().map(|j| Some(j.made.open))),
        text("plant", answer, |j| Some(j.place.plant.clone())),
        text("line", answer, |j| Some(j.place.line.clone())),
        text("machine", answer, |j| Some(j.place.machine.clone())),
    ];
    if answer.judged.iter().any(|j| j.curve.sensor.is_some()) {
        fields.push(text("sensor", answer, |j| j.curve.sensor.map(|s| s.key.clone())));
    }
    fields.extend([
        text("reference", answer, |j| Some(j.made.reference.clone())),
        text("lot", answer, |j| Some(j.made.lot.clone())),
        number("score", answer, |j| Some(j.verdict.as_ref()?.score)).describe(SCORE),
        number("outside", answer, |j| Some(j.verdict.as_ref()?.outside)).unit("ratio").description(
            "Share of the compared time outside the band of 3 robust sigmas.",
            "Parte del tiempo comparado fuera de la banda de 3 sigmas robustas.",
        ),
        number("mean_difference", answer, |j| Some(j.verdict.as_ref()?.mean_difference))
            .unit(&answer.unit)
            .description(
                "Mean difference to the golden median over the compared time.",
                "Diferencia media con la mediana patrón en el tiempo comparado.",
            ),
        number("usual", answer, |j| Some(j.verdict.as_ref()?.usual))
            .unit(&answer.unit)
            .description(
                "Mean of the golden median over the same time.",
                "Media de la mediana patrón en el mismo tiempo.",
            ),
        number("compared", answer, |j| Some(verdict(j)?.judged as f64 / steps(j)))
            .unit("ratio")
            .description(
                "Share of the measured time for which there is a golden curve.",
                "Parte del tiempo medido para la que hay curva patrón.",
            ),
        number("learned_from", answer, |j| Some(j.golden.chosen as f64)).description(
            "Lots that the golden one was learned from.",
            "Lotes de los que se aprendió el lote patrón.",
        ),
    ]);
    if answer.unit == "kW" {
        let mut currencies: Vec<&str> = answer.judged.iter().map(|j| j.currency.as_str()).collect();
        // What was not compared has none.
        currencies.retain(|currency| !currency.is_empty());
        currencies.sort_unstable();
        currencies.dedup();
        let mut cost = number("cost", answer, |j| j.cost).description(
            "That energy at the price of its time; empty without a tariff.",
            "Esa energía al precio de su hora; vacío sin tarifa.",
        );
        if let [currency] = currencies[..] {
            cost = cost.unit(currency);
        }
        fields.extend([
            number("energy", answer, |j| j.energy).unit("kWh").description(
                "Energy beyond the golden median over the compared time.",
                "Energía por encima de la mediana patrón en el tiempo comparado.",
            ),
            cost,
            text("currency", answer, |j| Some(j.currency.clone()).filter(|c| !c.is_empty())),
        ]);
    }
    fields.extend([
        text("reason", answer, |j| Some(words::reason(j, answer))),
        text("start_ms", answer, |j| millis(j.made.from)).description(
            "Start in milliseconds since 1970, for links.",
            "Inicio en milisegundos desde 1970, para enlaces.",
        ),
        text("end_ms", answer, |j| millis(j.made.to)).description(
            "End in milliseconds since 1970, for links.",
            "Fin en milisegundos desde 1970, para enlaces.",
        ),
    ]);
    Frame::new("golden", "table", fields)
}

/// A region for each stretch outside the band.
fn annotations(answer: &Answer<'_>) -> Frame {
    let mut rows = Vec::new();
    for judged in &answer.judged {
        let stretches = judged.verdict.as_ref().map(|v| v.stretches.as_slice());
        for stretch in stretches.unwrap_or_default() {
            let from = answer.grid.instant(judged.made, stretch.from);
            let to = answer.grid.instant(judged.made, stretch.to).min(judged.made.to);
            rows.push((from, to, judged, words::stretch(stretch, judged, answer)));
        }
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.0));
    let title = |j: &Judged<'_>| format!("{} · {}", j.made.lot, j.made.reference);
    let tags = |j: &Judged<'_>| {
        let (line, machine) = (j.place.line.as_str(), j.place.machine.as_str());
        let all = [line, machine, "golden", j.made.reference.as_str()];
        let kept: Vec<&str> = all.into_iter().filter(|tag| !tag.is_empty()).collect();
        kept.join(",")
    };
    let fields = vec![
        Field::time("time", rows.iter().map(|r| Some(r.0))),
        Field::time("timeEnd", rows.iter().map(|r| Some(r.1))),
        Field::text("title", rows.iter().map(|r| Some(title(r.2)))),
        Field::text("text", rows.iter().map(|r| Some(r.3.clone()))),
        Field::text("tags", rows.iter().map(|r| Some(tags(r.2)))),
    ];
    Frame::new("golden", "", fields)
}

/// The only number is what an alert rule compares; the texts are its labels.
fn numbers(answer: &Answer<'_>) -> Frame {
    let mut fields = vec![
        text("plant", answer, |j| Some(j.place.plant.clone())),
        text("line", answer, |j| Some(j.place.line.clone())),
        text("machine", answer, |j| Some(j.place.machine.clone())),
    ];
    if answer.judged.iter().any(|j| j.curve.sensor.is_some()) {
        fields.push(text("sensor", answer, |j| j.curve.sensor.map(|s| s.key.clone())));
    }
    fields.extend([
        text("reference", answer, |j| Some(j.made.reference.clone())),
        text("lot", answer, |j| Some(j.made.lot.clone())),
        number("score", answer, |j| Some(j.verdict.as_ref()?.score)).describe(SCORE),
    ]);
    Frame::new("golden", "numeric-long", fields)
}
