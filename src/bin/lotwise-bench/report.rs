//! What was measured, as a table and as JSON.

use std::path::Path;

use anyhow::Context;
use serde::Serialize;

/// One figure beside its floor: the least that this machine can do it in.
#[derive(Serialize)]
pub struct Figure {
    /// What was measured.
    pub name: String,
    /// The figure.
    pub measured: f64,
    /// Its unit.
    pub unit: &'static str,
    /// The floor of the same run; `None` where there is none.
    pub floor: Option<f64>,
    /// Measured over floor.
    pub ratio: Option<f64>,
    /// What an analyst's own SQL took in the same run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analyst: Option<Analyst>,
}

/// The SQL that an analyst would write for the same panel.
#[derive(Serialize)]
pub struct Analyst {
    /// What it took, in the unit of the figure; where it was given up, up to then.
    pub measured: f64,
    /// How many times as long as the figure; where it was given up, at least.
    pub times: f64,
    /// True when it was given up after the limit.
    pub given_up: bool,
}

impl Figure {
    /// A figure with its floor.
    pub fn new(name: String, measured: f64, unit: &'static str, floor: Option<f64>) -> Self {
        let ratio = floor.filter(|floor| *floor > 0.0).map(|floor| measured / floor);
        Self { name, measured, unit, floor, ratio, analyst: None }
    }

    /// With what an analyst's SQL took, and whether it was given up then.
    #[must_use]
    pub fn beside(mut self, analyst: Option<(f64, bool)>) -> Self {
        let times = |measured| measured / self.measured;
        self.analyst = analyst.map(|(measured, given_up)| Analyst {
            measured,
            times: times(measured),
            given_up,
        });
        self
    }
}

/// All figures of a run.
#[derive(Serialize)]
pub struct Report {
    /// The figures in the order of their measurement.
    pub results: Vec<Figure>,
}

impl Report {
    /// Prints the table as Markdown, and writes the JSON if a file is named.
    pub fn publish(&self, json: Option<&Path>) -> anyhow::Result<()> {
        let number = |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{v:.2}"));
        // Only measurements of queries have an analyst beside them.
        let analysts = self.results.iter().any(|figure| figure.analyst.is_some());
        let (heads, rule) =
            if analysts { (" analyst's SQL | times |", "---|---|") } else { ("", "") };
        println!("| name | measured | unit | floor | ratio |{heads}\n|---|---|---|---|---|{rule}");
        for figure in &self.results {
            let Figure { name, measured, unit, floor, ratio, analyst } = figure;
            let analyst = match analyst {
                _ if !analysts => String::new(),
                None => " - | - |".to_owned(),
                Some(Analyst { measured, times, given_up }) => {
                    let more = if *given_up { "> " } else { "" };
                    format!(" {more}{measured:.0} | {more}{times:.0} |")
                }
            };
            println!(
                "| {name} | {measured:.2} | {unit} | {} | {} |{analyst}",
                number(*floor),
                number(*ratio)
            );
        }
        if let Some(path) = json {
            let text = serde_json::to_string_pretty(self)?;
            std::fs::write(path, text)
                .with_context(|| format!("{} not written", path.display()))?;
        }
        Ok(())
    }
}
