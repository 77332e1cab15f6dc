//! Analytics: numbers in, findings out. Pure; knows neither SQL nor Grafana nor files.
//!
//! Normal depends on what is being made, so [`context`] comes first; [`envelope`] and [`scale`] say
//! what is usual in each context, [`charts`] watch the deviations, [`episode`] makes one event of one
//! cause, and [`monitor`] walks through a machine's history without ever looking ahead. Machines without runs and
//! states are left to [`process`]; [`mewma`] watches several sensors as one. What is found has no language
//! until [`words`] says it.

pub mod abnormal;
pub mod baseline;
pub mod charts;
pub mod context;
pub mod demand;
pub mod envelope;
pub mod episode;
pub mod finding;
pub mod golden;
pub mod grid;
pub mod history;
pub mod mewma;
pub mod modes;
pub mod monitor;
pub mod process;
pub mod robust;
pub mod rules;
pub mod scale;
pub mod settings;
pub mod spc;
pub mod window;
pub mod words;
