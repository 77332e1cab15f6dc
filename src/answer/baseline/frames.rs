//! Baselines as time series, as tables of buckets and of coefficients, and as numbers for alert rules.

use std::collections::{BTreeMap, BTreeSet};

use super::compare::{Compare, Compared};
use super::history::Unit;
use crate::analytics::baseline::{Measure, UNNAMED};
use crate::domain::{Language, Say, Words};
use crate::frame::{Field, Frame, Notice};
use crate::model::{AlertOn, Query};

fn key(spot: Option<&crate::catalog::Spot>) -> String {
    spot.map(|spot| spot.key.clone()).unwrap_or_default()
}

fn labels(unit: &Unit<'_>) -> Vec<(&'static str, String)> {
    let mut labels = vec![
        ("plant", unit.plant.key.clone()),
        ("line", key(unit.line)),
        ("machine", key(unit.machine)),
    ];
    labels.retain(|(_, key)| !key.is_empty());
    labels
}

/// A figure of a bucket: name, unit, what it is, and its value.
type Figure = (&'static str, &'static str, Words, fn(&Compare) -> Option<f64>);

/// What a bucket tells; of `money` the unit is the plant's currency.
const FIGURES: [Figure; 12] = [
    (
        "actual",
        "kWh",
        ["Electrical energy of the meters.", "Energía eléctrica de los contadores."],
        |b| b.actual,
    ),
    (
        "expected",
        "kWh",
        [
            "Energy that the model of the baseline period expects of what was made.",
            "Energía que el modelo del periodo de base espera de lo fabricado.",
        ],
        |b| b.expected.map(|e| e.energy),
    ),
    (
        "base",
        "kWh",
        [
            "Part of the expected energy that is used whatever is made.",
            "Parte de la energía esperada que se usa se fabrique lo que se fabrique.",
        ],
        |b| b.expected.map(|e| e.base),
    ),
    (
        "standby",
        "kWh",
        [
            "Part of the expected energy of idle, set-up and stopped times, above the base.",
            "Parte de la energía esperada en espera, preparación y parada, sobre la base.",
        ],
        |b| b.expected.map(|e| e.resting),
    ),
    (
        "production",
        "kWh",
        [
            "Part of the expected energy of the units made, above the base.",
            "Parte de la energía esperada de las unidades fabricadas, sobre la base.",
        ],
        |b| b.expected.map(|e| e.production),
    ),
    (
        "drivers",
        "kWh",
        [
            "Part of the expected energy of the drivers: how far they are from their mean in the baseline period.",
            "Parte de la energía esperada de los factores: lo que se apartan de su media en el periodo de base.",
        ],
        |b| b.expected.map(|e| e.drivers),
    ),
    (
        "deviation",
        "kWh",
        [
            "Actual less expected energy: more than nothing is waste.",
            "Energía real menos la esperada: por encima de cero es derroche.",
        ],
        |b| b.deviation,
    ),
    (
        "deviation_percent",
        "%",
        [
            "Deviation in percent of the expected energy.",
            "Desviación en tanto por ciento de la energía esperada.",
        ],
        Compare::percent,
    ),
    (
        "cost",
        "money",
        [
            "Deviation at the prices of its time; empty without a tariff.",
            "Desviación a los precios de su hora; vacío sin tarifa.",
        ],
        |b| b.cost,
    ),
    (
        "co2",
        "kg",
        [
            "CO2 of the deviation, location-based; empty without a factor.",
            "CO2 de la desviación, por ubicación; vacío sin factor.",
        ],
        |b| b.co2,
    ),
    (
        "cusum",
        "kWh",
        [
            "Sum of the deviations since the start of the time range.",
            "Suma de las desviaciones desde el inicio del intervalo de tiempo.",
        ],
        |b| b.cusum,
    ),
    (
        "drift",
        "",
        [
            "Decision CUSUM as a share of its limit, by shifts (days where there are none): above 1 consumption has risen for good, below -1 it has fallen.",
            "CUSUM de decisión como parte de su límite, por turnos (días donde no los hay): por encima de 1 el consumo ha subido de forma duradera, por debajo de -1 ha bajado.",
        ],
        |b| b.drift,
    ),
];

/// Name of a figure in legends.
fn title(name: &'static str, language: Language) -> &'static str {
    let es = match name {
        "actual" => "real",
        "expected" => "esperada",
        "deviation" => "desviación",
        "cost" => "coste",
        "drift" => "deriva",
        other => other,
    };
    language.pick(name, es)
}

/// Figures that are series.
const SERIES: [&str; 7] = ["actual", "expected", "deviation", "cost", "co2", "cusum", "drift"];

pub(super) fn unit_of(unit: &'static str, currency: &str) -> String {
    if unit == "money" { currency.to_owned() } else { unit.to_owned() }
}

/// The currency of all plants; empty where they differ, and then stands in a column.
pub(super) fn one_currency(currencies: &BTreeMap<i32, String>) -> &str {
    let all = distinct(currencies);
    if all.len() == 1 { all.first().copied().unwrap_or_default() } else { "" }
}

fn distinct(currencies: &BTreeMap<i32, String>) -> BTreeSet<&str> {
    currencies.values().map(String::as_str).collect()
}

/// The currency of a place's plant; empty without a tariff.
pub(super) fn currency_of<'a>(unit: &Unit<'_>, currencies: &'a BTreeMap<i32, String>) -> &'a str {
    currencies.get(&unit.plant.id).map_or("", String::as_str)
}

/// A column with the currency of each row, where the plants have several.
pub(super) fn currency<'a>(
    rows: impl Iterator<Item = &'a str>,
    currencies: &BTreeMap<i32, String>,
) -> Option<Field> {
    let several = distinct(currencies).len() > 1;
    several.then(|| Field::text("currency", rows.map(|c| Some(c.to_owned())).collect::<Vec<_>>()))
}

/// The columns that tell each row's place; empty where it is of several.
pub(super) fn place<'a>(rows: impl Iterator<Item = Option<&'a Unit<'a>>> + Clone) -> [Field; 3] {
    let text = |name: &str, of: &dyn Fn(&Unit<'_>) -> String| {
        let texts = rows.clone().map(|unit| Some(unit.map(of).unwrap_or_default()));
        Field::text(name, texts.collect::<Vec<_>>())
    };
    [
        text("plant", &|unit| unit.plant.key.clone()),
        text("line", &|unit| key(unit.line)),
        text("machine", &|unit| key(unit.machine)),
    ]
}

/// A frame for each place and figure.
pub(super) fn series(
    compared: &[Compared<'_>],
    currencies: &BTreeMap<i32, String>,
    language: Language,
) -> Vec<Frame> {
    let mut frames = Vec::new();
    for one in compared {
        let currency = currency_of(one.unit, currencies);
        for (name, unit, text, of) in FIGURES.iter().filter(|f| SERIES.contains(&f.0)) {
            let figure = title(name, language);
            let title = match compared.len() {
                1 => figure.to_owned(),
                _ => format!("{} {figure}", one.unit.title()),
            };
            let labels = labels(one.unit).into_iter().chain([("figure", (*name).to_owned())]);
            let value = Field::number("value", one.buckets.iter().map(of))
                .unit(&unit_of(unit, currency))
                .labels(labels)
                .display_name(&title)
                .describe(*text);
            let time = Field::time("time", one.buckets.iter().map(|b| Some(b.start)));
            frames.push(Frame::new(&title, "timeseries-multi", vec![time, value]));
        }
    }
    frames
}

/// One row a bucket and place, oldest first. Figures that no row has are left out.
pub(super) fn table(
    compared: &[Compared<'_>],
    currencies: &BTreeMap<i32, String>,
    query: &Query,
    notices: &mut Vec<Notice>,
) -> Frame {
    let mut rows: Vec<(&Unit<'_>, &Compare)> =
        compared.iter().flat_map(|c| c.buckets.iter().map(|b| (c.unit, b))).collect();
    rows.sort_by_key(|(_, bucket)| bucket.start);
    let limit = query.limit;
    if rows.len() > limit {
        let all = rows.len();
        notices.push(Notice::Warning(query.language.pick(
            format!("Only the newest {limit} of {all} rows."),
            format!("Solo las {limit} filas más recientes de {all}."),
        )));
        rows.drain(..rows.len() - limit);
    }
    let one = one_currency(currencies);
    let text = |name: &str, of: &dyn Fn(&Unit<'_>) -> String| {
        Field::text(name, rows.iter().map(|(unit, _)| Some(of(unit))))
    };
    let units = || rows.iter().map(|(unit, _)| Some(*unit));
    let mut fields = vec![Field::time("time", rows.iter().map(|(_, b)| Some(b.start)))];
    fields.extend(place(units()));
    fields.push(text("name", &|unit| unit.title().to_owned()));
    for (name, unit, description, of) in &FIGURES {
        let field = Field::number(name, rows.iter().map(|(_, b)| of(b)));
        fields.push(field.unit(&unit_of(unit, one)).describe(*description));
    }
    fields
        .extend(currency(units().flatten().map(|unit| currency_of(unit, currencies)), currencies));
    fields.push(
        Field::number("coverage", rows.iter().map(|(_, b)| b.coverage)).unit("ratio").description(
            "Share of the time that is measured; expected energy is of that share.",
            "Parte del tiempo que está medida; la energía esperada es de esa parte.",
        ),
    );
    let valid = rows.iter().map(|(_, b)| b.expected.map(|_| b.is_valid));
    fields.push(Field::bool("valid", valid).description(
        "Whether references, rate and drivers are within what the baseline period has seen.",
        "Si referencias, ritmo y factores están dentro de lo que vio el periodo de base.",
    ));
    fields.push(Field::bool("provisional", rows.iter().map(|(_, b)| Some(b.is_provisional))));
    let figures: Vec<&str> =
        FIGURES.iter().map(|(name, ..)| *name).filter(|n| *n != "actual").collect();
    Frame::new("baseline", "", fields).without_unknown(&figures)
}

/// A row of the model's table.
#[derive(Default)]
struct Term {
    kind: &'static str,
    key: String,
    value: Option<f64>,
    error: Option<f64>,
    unit: String,
    own: Option<f64>,
    units: Option<f64>,
    hours: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
    reason: Option<String>,
}

fn terms(one: &Compared<'_>, language: Language) -> Vec<Term> {
    let model = match &*one.model {
        Ok(model) => model,
        Err(refusal) => {
            let reason = Some(refusal.say(language));
            return vec![Term { kind: "refused", reason, ..Term::default() }];
        }
    };
    let term = |kind, key: &str, c: crate::analytics::baseline::Coefficient, unit: &str| Term {
        kind,
        key: key.to_owned(),
        value: Some(c.value),
        error: Some(c.error),
        unit: unit.to_owned(),
        ..Term::default()
    };
    let mut terms = vec![term("base", "", model.base, "kW")];
    terms.extend(model.states.iter().map(|(state, kw)| term("state", state, *kw, "kW")));
    terms.extend(model.references.iter().map(|r| {
        let (unit, units) = match r.measure {
            Measure::Units { .. } => ("kWh/unit", Some(r.units)),
            Measure::Hours => ("kW", None),
        };
        let key = if r.key == UNNAMED { "(no run)" } else { &r.key };
        Term { own: Some(r.own), units, hours: Some(r.hours), ..term("reference", key, r.k, unit) }
    }));
    terms.push(Term {
        kind: "other references",
        value: Some(model.production_kw),
        unit: "kW".to_owned(),
        ..Term::default()
    });
    terms.extend(model.drivers.iter().map(|d| Term {
        low: Some(d.range.0),
        high: Some(d.range.1),
        ..term("driver", &d.name, d.slope, "kW per unit of the driver")
    }));
    terms.extend(model.drivers.iter().map(|d| Term {
        low: Some(d.range.0),
        high: Some(d.range.1),
        ..term("driver of production", &d.name, d.share, "share per unit of the driver")
    }));
    terms.push(Term {
        kind: "by units",
        value: Some(model.by_units),
        unit: "share".to_owned(),
        ..Term::default()
    });
    terms
}

/// One row a coefficient; figures of the whole model stand in each of its rows.
pub(super) fn model(compared: &[Compared<'_>], language: Language) -> Frame {
    let rows: Vec<(&Compared<'_>, Term)> = compared
        .iter()
        .flat_map(|one| terms(one, language).into_iter().map(move |term| (one, term)))
        .collect();
    let text = |name: &str, of: &dyn Fn(&Compared<'_>, &Term) -> String| {
        Field::text(name, rows.iter().map(|(one, term)| Some(of(one, term))))
    };
    let number = |name: &str, of: &dyn Fn(&Compared<'_>, &Term) -> Option<f64>| {
        Field::number(name, rows.iter().map(|(one, term)| of(one, term)))
    };
    let fields = vec![
        text("plant", &|one, _| one.unit.plant.key.clone()),
        text("line", &|one, _| key(one.unit.line)),
        text("machine", &|one, _| key(one.unit.machine)),
        text("term", &|_, term| term.kind.to_owned()),
        text("key", &|_, term| term.key.clone()),
        number("value", &|_, term| term.value)
            .description("base and states: kW; a reference: kWh above the base a unit, or kW where no units are counted; a driver: kW per unit of it.", "base y estados: kW; una referencia: kWh por unidad sobre la base, o kW donde no se cuentan unidades; un factor: kW por unidad suya."),
        number("standard_error", &|_, term| term.error),
        text("unit", &|_, term| term.unit.clone()),
        number("own_share", &|_, term| term.own)
            .unit("ratio")
            .description("Share of the value that is the reference's own data's; the rest is the machine's model.", "Parte del valor que viene de los datos de la propia referencia; el resto es el modelo de la máquina."),
        number("units", &|_, term| term.units).description("Units made in the baseline period.", "Unidades fabricadas en el periodo de base."),
        number("hours", &|_, term| term.hours).description("Hours of production in the baseline period.", "Horas de producción en el periodo de base."),
        number("valid_from", &|_, term| term.low),
        number("valid_to", &|_, term| term.high)
            .description("Range of a driver in the baseline period.", "Intervalo de un factor en el periodo de base."),
        number("r2", &|one, _| one.quality.r2)
            .description("Share of the variance that the model explains, in buckets of the baseline period.", "Parte de la varianza que explica el modelo, en los tramos del periodo de base."),
        number("cv_rmse", &|one, _| one.quality.cv_rmse.map(|cv| 100.0 * cv))
            .unit("%")
            .description("Root mean square of the deviations of buckets, less a degree of freedom a coefficient, in percent of the mean (ASHRAE Guideline 14).", "Raíz del cuadrado medio de las desviaciones de los tramos, con un grado de libertad menos por coeficiente, en tanto por ciento de la media (ASHRAE Guideline 14)."),
        number("nmbe", &|one, _| one.quality.nmbe.map(|bias| 100.0 * bias))
            .unit("%")
            .description("Mean deviation of the baseline period in percent of the mean energy.", "Desviación media del periodo de base en tanto por ciento de la energía media."),
        number("n", &|one, _| Some(one.quality.n as f64)).description("Buckets compared.", "Tramos comparados."),
        number("largest", &|one, _| Some(one.largest).filter(|_| one.model.is_ok()))
            .unit("kWh")
            .description("Largest expected energy of a bucket in the baseline period: the valid range ends there.", "Mayor energía esperada de un tramo en el periodo de base: ahí acaba el intervalo válido."),
        Field::time("from", rows.iter().map(|(one, _)| Some(one.learned.0))),
        Field::time("to", rows.iter().map(|(one, _)| Some(one.learned.1)))
            .description("Baseline period.", "Periodo de base."),
        Field::text("reason", rows.iter().map(|(_, term)| term.reason.clone())),
    ];
    Frame::new("baseline-model", "", fields)
}

/// The number of a place.
type Value<'f> = &'f dyn Fn(&Compared<'_>) -> Option<f64>;

/// One number a place; the texts are its labels. A place without a model has none.
pub(super) fn numbers(compared: &[Compared<'_>], on: AlertOn) -> Frame {
    let deviation = |one: &Compared<'_>| {
        let known: Vec<&Compare> = one.buckets.iter().filter(|b| b.deviation.is_some()).collect();
        let sum = known.iter().filter_map(|b| b.deviation).sum::<f64>();
        let expected = known.iter().filter_map(|b| Some(b.expected?.energy)).sum::<f64>();
        (!known.is_empty()).then_some((sum, expected))
    };
    let drift = |one: &Compared<'_>| one.buckets.iter().rev().find_map(|b| b.drift);
    let (name, unit, of): (_, _, Value<'_>) = match on {
        AlertOn::Drift => ("drift", "", &drift),
        AlertOn::Deviation => ("deviation", "kWh", &|one| deviation(one).map(|d| d.0)),
        AlertOn::DeviationPercent => ("deviation_percent", "%", &|one| {
            deviation(one).filter(|d| d.1 > 0.0).map(|(sum, expected)| 100.0 * sum / expected)
        }),
    };
    let text = FIGURES.iter().find(|f| f.0 == name).map_or([""; 2], |f| f.2);
    let label = |name, of: &dyn Fn(&Unit<'_>) -> String| {
        Field::text(name, compared.iter().map(|one| Some(of(one.unit))))
    };
    let fields = vec![
        label("plant", &|unit| unit.plant.key.clone()),
        label("line", &|unit| key(unit.line)),
        label("machine", &|unit| key(unit.machine)),
        Field::number(name, compared.iter().map(of)).unit(unit).describe(text),
    ];
    Frame::new("baseline", "numeric-long", fields)
}
