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
}

impl Figure {
    /// A figure with its floor.
    pub fn new(name: String, measured: f64, unit: &'static str, floor: Option<f64>) -> Self {
        let ratio = floor.filter(|floor| *floor > 0.0).map(|floor| measured / floor);
        Self { name, measured, unit, floor, ratio }
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
        println!("| name | measured | unit | floor | ratio |\n|---|---|---|---|---|");
        for figure in &self.results {
            let Figure { name, measured, unit, floor, ratio } = figure;
            println!(
                "| {name} | {measured:.2} | {unit} | {} | {} |",
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
