//! What the cascading pickers of the editors choose from.

use std::collections::HashSet;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{AnswerError, Source};
use crate::catalog::Catalog;
use crate::domain::{Language, MachineState, ShiftStart};
use crate::model::{Filter, Place};
use crate::plan::{PlanError, Selection, select};
use crate::sql::picker::{self, Choice, Restrict};

/// What can be picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// Plants.
    Plants,
    /// Lines of the plants.
    Lines,
    /// Machines of the lines.
    Machines,
    /// Sensors of plants, lines and machines.
    Sensors,
    /// Quantities of those sensors.
    Quantities,
    /// Shifts of the plants.
    Shifts,
    /// States of machines.
    States,
    /// What was made there, or by whom.
    Context(picker::Subject),
}

impl Subject {
    /// The names by which subjects are asked for.
    pub const NAMES: [(&'static str, Self); 10] = [
        ("plants", Self::Plants),
        ("lines", Self::Lines),
        ("machines", Self::Machines),
        ("sensors", Self::Sensors),
        ("quantities", Self::Quantities),
        ("references", Self::Context(picker::Subject::References)),
        ("lots", Self::Context(picker::Subject::Lots)),
        ("operators", Self::Context(picker::Subject::Operators)),
        ("shifts", Self::Shifts),
        ("states", Self::States),
    ];
}

/// The text names no subject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no resource {0:?}: there are {list}", list = Subject::NAMES.map(|(name, _)| name).join(", "))]
pub struct UnknownSubject(pub String);

impl FromStr for Subject {
    type Err = UnknownSubject;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let found = Self::NAMES.iter().find(|(name, _)| *name == s);
        found.map(|(_, subject)| *subject).ok_or_else(|| UnknownSubject(s.to_owned()))
    }
}

/// What is asked: a subject inside the choices above it.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// What is picked.
    pub subject: Subject,
    /// Places chosen above; those at or below the subject are ignored.
    pub place: Place,
    /// References chosen above (lots).
    pub references: Filter,
    /// Only what was made in this time.
    pub from: Option<DateTime<Utc>>,
    /// Only what was made in this time.
    pub to: Option<DateTime<Utc>>,
    /// Text that key or name contains, any case.
    pub search: String,
    /// Most choices.
    pub limit: usize,
    /// Language of names that are not the user's own.
    pub language: Language,
}

impl Wanted {
    /// Whether key or name contains what is searched for.
    fn finds(&self, key: &str, name: &str) -> bool {
        let search = self.search.to_lowercase();
        [key, name].iter().any(|text| text.to_lowercase().contains(&search))
    }
}

/// The choices, and whether there are more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Choices {
    /// The first of them.
    pub items: Vec<Choice>,
    /// True when there are more.
    pub truncated: bool,
}

/// The choices of one picker.
///
/// # Errors
/// [`AnswerError`] of the database.
pub async fn choices(source: &Source<'_>, wanted: &Wanted) -> Result<Choices, AnswerError> {
    // A choice further up that has gone (a variable's old value) offers nothing, which is no error.
    let selection = match select(&above(wanted), source.catalog) {
        Err(PlanError::Unknown { .. }) => return Ok(first(Vec::new(), wanted.limit)),
        selection => selection?,
    };
    let choices = match wanted.subject {
        Subject::Context(subject) => made(source, subject, &selection, wanted).await?,
        _ => places(source, &selection, wanted),
    };
    Ok(first(choices, wanted.limit))
}

/// The places that narrow the subject: those above it.
fn above(wanted: &Wanted) -> Place {
    let Place { plants, lines, machines, quantity, .. } = wanted.place.clone();
    match wanted.subject {
        Subject::Plants | Subject::States => Place::default(),
        Subject::Lines | Subject::Shifts => Place { plants, ..Place::default() },
        Subject::Machines | Subject::Context(_) => Place { plants, lines, ..Place::default() },
        Subject::Sensors | Subject::Quantities => {
            Place { plants, lines, machines, quantity, ..Place::default() }
        }
    }
}

fn places(source: &Source<'_>, selection: &Selection<'_>, wanted: &Wanted) -> Vec<Choice> {
    let plant = |id| source.catalog.plant(id).map(|p| p.name.clone()).unwrap_or_default();
    let choice = |value: &str, label: &str, description: String| Choice {
        value: value.to_owned(),
        label: label.to_owned(),
        description,
    };
    let quantity = wanted.place.quantity.as_deref();
    let mut choices: Vec<Choice> = match wanted.subject {
        Subject::Plants => {
            selection.plants.iter().map(|p| choice(&p.key, &p.name, p.zone().to_string())).collect()
        }
        Subject::Lines => {
            selection.lines.iter().map(|l| choice(&l.key, &l.name, plant(l.plant))).collect()
        }
        Subject::Machines => {
            selection.machines.iter().map(|m| choice(&m.key, &m.name, plant(m.plant))).collect()
        }
        Subject::Sensors => selection
            .sensors
            .iter()
            .filter(|s| quantity.is_none_or(|q| q == s.quantity))
            .map(|s| choice(&s.key, &s.name, format!("{}, {}", s.quantity, s.unit)))
            .collect(),
        Subject::Quantities => {
            let mut seen: Vec<(&str, &str)> =
                selection.sensors.iter().map(|s| (s.quantity.as_str(), s.unit.as_str())).collect();
            seen.sort_unstable();
            seen.into_iter().map(|(q, unit)| choice(q, q, unit.to_owned())).collect()
        }
        Subject::Shifts => {
            let mut seen = HashSet::new();
            let shifts = selection.plants.iter().flat_map(|p| &p.calendar.shifts);
            let starts = |s: &ShiftStart| s.starts_at.format("%H:%M").to_string();
            shifts
                .filter(|s| seen.insert(s.key.as_str()))
                .map(|s| choice(&s.key, &s.name, starts(s)))
                .collect()
        }
        Subject::States => MachineState::ALL
            .into_iter()
            .map(|s| choice(s.as_str(), s.name(wanted.language), String::new()))
            .collect(),
        Subject::Context(_) => Vec::new(),
    };
    choices.retain(|c| wanted.finds(&c.value, &c.label));
    // The same key in two plants is one choice: the query filters by key.
    choices.dedup_by(|a, b| a.value == b.value);
    choices
}

async fn made(
    source: &Source<'_>,
    subject: picker::Subject,
    selection: &Selection<'_>,
    wanted: &Wanted,
) -> Result<Vec<Choice>, AnswerError> {
    let by_line = source.catalog.lines_only || wanted.place.lines != Filter::All;
    if !by_line && wanted.from.is_none() && wanted.to.is_none() {
        // What was made known a moment ago is in the database first.
        let known = known(source.catalog, subject, selection, wanted);
        if !known.is_empty() {
            return Ok(known);
        }
    }
    // No key has one, and no text of PostgreSQL can.
    let search = wanted.search.replace('\0', "");
    let is_lots = subject == picker::Subject::Lots;
    let restrict = Restrict {
        plants: selection.plants.iter().map(|p| p.id).collect(),
        lines: by_line.then(|| selection.lines.iter().map(|l| l.id).collect()),
        references: wanted.references.keys().map(<[_]>::to_vec),
        from: wanted.from,
        to: wanted.to,
        is_common: is_lots && picker::is_common(&search, &source.catalog.newest_lots),
        search,
        limit: wanted.limit,
    };
    let statement = picker::statement(subject, &restrict);
    let rows = source.db.query(&statement.sql, statement.params).await?;
    Ok(rows.iter().map(picker::read).collect::<Result<_, _>>()?)
}

/// The choices that the catalog has.
fn known(
    catalog: &Catalog,
    subject: picker::Subject,
    selection: &Selection<'_>,
    wanted: &Wanted,
) -> Vec<Choice> {
    let list = match subject {
        picker::Subject::References => &catalog.references,
        picker::Subject::Operators => &catalog.operators,
        picker::Subject::Lots => &None,
    };
    let plant = |id| selection.plants.iter().find(|p| p.id == id);
    let of = list.iter().flatten().filter(|x| wanted.finds(&x.key, &x.name));
    let choices = of.filter_map(|x| {
        plant(x.plant).map(|plant| Choice {
            value: x.key.clone(),
            label: x.name.clone(),
            description: plant.key.clone(),
        })
    });
    choices.take(wanted.limit + 1).collect()
}

fn first(mut items: Vec<Choice>, limit: usize) -> Choices {
    let truncated = items.len() > limit;
    items.truncate(limit);
    Choices { items, truncated }
}
