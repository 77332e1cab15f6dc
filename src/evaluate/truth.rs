//! What machines really need, from files beside the labelled data.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use chrono::DateTime;

/// What is really needed for a unit of each reference, in kWh above the base.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    /// By machine and reference: over the whole history, from consumption.csv.
    whole: BTreeMap<(String, String), f64>,
    /// The same by day, from consumption_days.csv.
    days: BTreeMap<(String, String), Vec<TrueDay>>,
}

/// What a reference took on one day.
#[derive(Clone, Copy, Debug)]
struct TrueDay {
    /// Second at which it begins.
    start: i64,
    kwh: f64,
    units: f64,
}

impl Truth {
    /// What holds for the days that end by a second: lots differ, so a model that was fitted to some of
    /// them must not be judged by others. Where no days are known, that of the whole history.
    pub(super) fn until(&self, machine: &str, reference: &str, second: i64) -> Option<f64> {
        let key = (machine.to_owned(), reference.to_owned());
        let Some(days) = self.days.get(&key) else { return self.whole.get(&key).copied() };
        let own = days.iter().filter(|day| day.start + 86_400 <= second);
        let (kwh, units) =
            own.fold((0.0, 0.0), |(kwh, units), day| (kwh + day.kwh, units + day.units));
        (units > 0.0).then(|| kwh / units)
    }

    /// References of machines of which the truth of the whole history is known.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.whole.len()
    }

    /// As if everything needed so many times as much.
    #[cfg(test)]
    pub(super) fn scale(&mut self, by: f64) {
        self.whole.values_mut().for_each(|kwh| *kwh *= by);
        self.days.values_mut().flatten().for_each(|day| day.kwh *= by);
    }
}

/// Reads consumption.csv and consumption_days.csv, where they are.
pub fn truth(directory: &Path) -> anyhow::Result<Truth> {
    let mut truth = Truth::default();
    for row in rows(&directory.join("consumption.csv"))? {
        if let Some(kwh) = row.number("kwh_per_unit")? {
            truth.whole.insert(row.key(), kwh);
        }
    }
    for row in rows(&directory.join("consumption_days.csv"))? {
        let day = row.text("day");
        let start = DateTime::parse_from_rfc3339(&day)
            .with_context(|| format!("consumption_days.csv: '{day}' is no time"))?;
        if let (Some(kwh), Some(units)) = (row.number("kwh")?, row.number("units")?) {
            let day = TrueDay { start: start.timestamp(), kwh, units };
            truth.days.entry(row.key()).or_default().push(day);
        }
    }
    Ok(truth)
}

/// A row of a file of true consumption.
struct Row(BTreeMap<String, String>);

fn rows(path: &Path) -> anyhow::Result<Vec<Row>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let rows = csv::Reader::from_path(path)?.into_deserialize();
    let rows: Result<Vec<Row>, csv::Error> = rows.map(|row| row.map(Row)).collect();
    rows.with_context(|| format!("cannot read {}", path.display()))
}

impl Row {
    fn text(&self, name: &str) -> String {
        self.0.get(name).cloned().unwrap_or_default()
    }

    fn key(&self) -> (String, String) {
        (self.text("machine"), self.text("reference"))
    }

    /// `None` where it is empty: not known.
    fn number(&self, name: &str) -> anyhow::Result<Option<f64>> {
        let text = self.text(name);
        let number = Some(text.as_str()).filter(|text| !text.is_empty()).map(str::parse);
        number
            .transpose()
            .with_context(|| format!("true consumption: {name} is '{text}', not a number"))
    }
}
