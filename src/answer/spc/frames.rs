//! Charts as frames: points with their limits and rules, violations as annotations, and numbers for
//! alert rules.

use super::{Chart, Point};
use crate::domain::{Language, Words};
use crate::frame::{Field, Frame};

/// A line of a chart.
type Line = (&'static str, Words, fn(&Chart, usize) -> Option<f64>);

const LINES: [Line; 8] = [
    ("centre", ["Mean of the baseline period.", "Media del periodo de base."], |c, _| {
        c.limits.map(|l| l.centre)
    }),
    ("ucl", ["Upper control limit.", "Límite superior de control."], |c, i| limit(c, i, 3.0)),
    ("lcl", ["Lower control limit.", "Límite inferior de control."], |c, i| limit(c, i, -3.0)),
    (
        "upper_2_sigma",
        ["Two standard deviations above the centre.", "Dos desviaciones típicas sobre el centro."],
        |c, i| zone(c, i, 2.0),
    ),
    (
        "lower_2_sigma",
        ["Two standard deviations below the centre.", "Dos desviaciones típicas bajo el centro."],
        |c, i| zone(c, i, -2.0),
    ),
    (
        "upper_1_sigma",
        ["One standard deviation above the centre.", "Una desviación típica sobre el centro."],
        |c, i| zone(c, i, 1.0),
    ),
    (
        "lower_1_sigma",
        ["One standard deviation below the centre.", "Una desviación típica bajo el centro."],
        |c, i| zone(c, i, -1.0),
    ),
    (
        "ewma",
        ["Exponentially weighted moving average.", "Media móvil con pesos exponenciales."],
        |c, i| c.smooth.get(i).map(|s| s.value),
    ),
];

/// Name of a line in legends.
fn title(name: &'static str, language: Language) -> &'static str {
    let es = match name {
        "centre" => "centro",
        "ucl" => "límite superior",
        "lcl" => "límite inferior",
        "upper_2_sigma" => "+2 sigma",
        "lower_2_sigma" => "-2 sigma",
        "upper_1_sigma" => "+1 sigma",
        "lower_1_sigma" => "-1 sigma",
        "ewma" => "EWMA",
        other => other,
    };
    language.pick(name, es)
}

fn limit(chart: &Chart, point: usize, sigmas: f64) -> Option<f64> {
    let limits = chart.limits?;
    match chart.smooth.get(point) {
        Some(smooth) => Some(limits.centre + sigmas.signum() * smooth.half_width),
        None => Some(limits.line(sigmas)),
    }
}

/// Zones are those of charts of individuals.
fn zone(chart: &Chart, _: usize, sigmas: f64) -> Option<f64> {
    chart.limits.filter(|_| chart.smooth.is_empty()).map(|l| l.line(sigmas))
}

/// One frame a chart: time, value, lines, and the value again where it is out of control.
pub(super) fn series(charts: &[Chart], language: Language) -> Vec<Frame> {
    let frame = |chart: &Chart| {
        let labels = || chart.labels.iter().map(|(name, key)| (*name, key.clone()));
        let number = |name: &str, title: String, values: Vec<Option<f64>>| {
            Field::number(name, values).unit(&chart.unit).labels(labels()).display_name(&title)
        };
        let count = chart.points.len();
        let mut fields = vec![
            Field::time("time", chart.points.iter().map(|p| Some(p.time))),
            number(
                "value",
                chart.name.clone(),
                chart.points.iter().map(|p| Some(p.value)).collect(),
            ),
        ];
        for (name, text, of) in &LINES {
            let values: Vec<Option<f64>> = (0..count).map(|i| of(chart, i)).collect();
            if values.iter().any(Option::is_some) || *name == "centre" {
                let shown = format!("{} {}", chart.name, title(name, language));
                fields.push(number(name, shown, values).describe(*text));
            }
        }
        let shown = |i: usize| chart.smooth.get(i).map_or(chart.points[i].value, |s| s.value);
        let out: Vec<Option<f64>> =
            (0..count).map(|i| chart.is_broken(i).then(|| shown(i))).collect();
        let out_of_control = language.pick("out of control", "fuera de control");
        let title = format!("{} {out_of_control}", chart.name);
        fields.push(number("violation", title, out).description(
            "The value where a rule is broken.",
            "El valor donde se incumple una regla.",
        ));
        Frame::new(&chart.name, "timeseries-wide", fields)
    };
    charts.iter().map(frame).collect()
}

/// All points of all charts, oldest first.
fn rows(charts: &[Chart]) -> Vec<(&Chart, usize, &Point)> {
    let of = |chart| {
        let chart: &Chart = chart;
        chart.points.iter().enumerate().map(move |(index, point)| (chart, index, point))
    };
    let mut rows: Vec<_> = charts.iter().flat_map(of).collect();
    rows.sort_by_key(|(_, _, point)| point.time);
    rows
}

fn label(chart: &Chart, name: &str) -> String {
    chart
        .labels
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, key)| key.clone())
        .unwrap_or_default()
}

const LABELS: [&str; 7] = ["plant", "line", "machine", "sensor", "quantity", "reference", "kpi"];

/// One row a point.
pub(super) fn table(charts: &[Chart], language: Language) -> Frame {
    let rows = rows(charts);
    let number = |name: &str, of: &dyn Fn(&Chart, usize) -> Option<f64>| {
        Field::number(name, rows.iter().map(|(chart, index, _)| of(chart, *index)))
    };
    let mut fields = vec![Field::time("time", rows.iter().map(|(_, _, p)| Some(p.time)))];
    for name in LABELS {
        if charts.iter().any(|chart| !label(chart, name).is_empty()) {
            fields.push(Field::text(name, rows.iter().map(|(chart, ..)| Some(label(chart, name)))));
        }
    }
    fields.push(
        Field::text(
            "key",
            rows.iter().map(|(_, _, p)| Some(p.key.clone()).filter(|k| !k.is_empty())),
        )
        .description("Run or lot.", "Fabricación o lote."),
    );
    fields.push(number("value", &|chart, index| Some(chart.points[index].value)));
    for (name, text, of) in LINES.iter().filter(|line| !line.0.contains("sigma")) {
        fields.push(number(name, of).describe(*text));
    }
    fields.push(
        number("sigmas", &|chart, index| Some(chart.limits?.sigmas(chart.points[index].value)))
            .description(
                "Standard deviations above the centre.",
                "Desviaciones típicas sobre el centro.",
            ),
    );
    let broken = rows.iter().map(|(chart, index, _)| chart.limits.map(|_| chart.is_broken(*index)));
    fields.push(
        Field::bool("violation", broken)
            .description("A rule is broken here.", "Aquí se incumple una regla."),
    );
    let reason = |chart: &Chart, index| Some(chart.reason(index, language));
    let reasons =
        rows.iter().map(|(chart, index, _)| reason(chart, *index).filter(|r| !r.is_empty()));
    fields.push(Field::text("rules", reasons));
    Frame::new("spc", "", fields)
}

/// One annotation a violation.
pub(super) fn annotations(charts: &[Chart], language: Language) -> Frame {
    let rows: Vec<_> =
        rows(charts).into_iter().filter(|(chart, index, _)| chart.is_broken(*index)).collect();
    let text = |name: &str, of: &dyn Fn(&Chart, usize, &Point) -> String| {
        Field::text(name, rows.iter().map(|(chart, index, point)| Some(of(chart, *index, point))))
    };
    let fields = vec![
        Field::time("time", rows.iter().map(|(_, _, p)| Some(p.time))),
        text("title", &|chart, _, point| match point.key.is_empty() {
            true => chart.name.clone(),
            false => format!("{} · {}", chart.name, point.key),
        }),
        text("text", &|chart, index, _| chart.reason(index, language)),
        text("tags", &|chart, _, _| {
            let tags = chart.labels.iter().filter(|l| l.0 != "plant").map(|l| l.1.as_str());
            tags.collect::<Vec<_>>().join(",")
        }),
        text("id", &|chart, _, point| {
            format!("{}/{}/{}", chart.name, point.key, point.time.timestamp_millis())
        }),
    ];
    Frame::new("spc", "", fields)
}

/// One number a chart: how many points of the time range break a rule; the texts are its labels. A
/// chart without limits has none.
pub(super) fn numbers(charts: &[Chart]) -> Frame {
    let count = |chart: &Chart| {
        chart.limits?;
        Some((0..chart.points.len()).filter(|point| chart.is_broken(*point)).count() as f64)
    };
    let mut fields = Vec::new();
    for name in LABELS {
        if charts.iter().any(|chart| !label(chart, name).is_empty()) {
            fields.push(Field::text(name, charts.iter().map(|chart| Some(label(chart, name)))));
        }
    }
    fields.push(Field::number("violations", charts.iter().map(count)).description(
        "Points of the time range that break a rule; empty without limits.",
        "Puntos del intervalo de tiempo que incumplen una regla; vacío sin límites.",
    ));
    Frame::new("spc", "numeric-long", fields)
}
