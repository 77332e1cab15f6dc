//! Which plants, lines, machines and sensors a query means.

use super::{Hint, PlanError};
use crate::catalog::{Catalog, Plant, Sensor, Spot};
use crate::domain::Words;
use crate::model::{Filter, Place};

/// How deep the place was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Whole plants.
    Plants,
    /// Lines.
    Lines,
    /// Machines.
    Machines,
}

/// One place that can have meters and runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Node {
    /// A plant by row id.
    Plant(i32),
    /// A line by row id.
    Line(i32),
    /// A machine by row id.
    Machine(i32),
}

/// The places that a query means, each list complete and consistent with the others.
#[derive(Debug, Clone)]
pub struct Selection<'a> {
    /// How deep the place was chosen.
    pub level: Level,
    /// Plants.
    pub plants: Vec<&'a Plant>,
    /// Lines of those plants.
    pub lines: Vec<&'a Spot>,
    /// Machines of those lines.
    pub machines: Vec<&'a Spot>,
    /// Sensors of those places, all quantities.
    pub sensors: Vec<&'a Sensor>,
}

impl Selection<'_> {
    /// The places whose meters make up the whole selection.
    pub fn nodes(&self) -> Vec<Node> {
        match self.level {
            Level::Plants => self.plants.iter().map(|p| Node::Plant(p.id)).collect(),
            Level::Lines => self.lines.iter().map(|l| Node::Line(l.id)).collect(),
            Level::Machines => self.machines.iter().map(|m| Node::Machine(m.id)).collect(),
        }
    }

    /// True when a run of this line, on this machine or the whole line, concerns the selection.
    pub fn has_run(&self, line: i32, machine: Option<i32>) -> bool {
        self.lines.iter().any(|l| l.id == line)
            && match machine {
                Some(machine) => self.machines.iter().any(|m| m.id == machine),
                None => true,
            }
    }
}

/// Resolves the place of a query.
///
/// # Errors
/// [`PlanError::Unknown`] for a key that does not exist in the places selected so far.
pub fn select<'a>(place: &Place, catalog: &'a Catalog) -> Result<Selection<'a>, PlanError> {
    let plants = pick(["plant", "la planta"], &place.plants, catalog.plants.iter(), |p| &p.key)?;
    let in_plants = |id: i32| plants.iter().any(|p| p.id == id);
    let lines = catalog.lines.iter().filter(|l| in_plants(l.plant));
    let lines = pick(["line", "la línea"], &place.lines, lines, |l| &l.key)?;
    let machines = catalog.machines.iter().filter(|m| lines.iter().any(|l| l.id == m.line));
    let machines = pick(["machine", "la máquina"], &place.machines, machines, |m| &m.key)?;
    let level = match (&place.lines, &place.machines) {
        (_, Filter::Keys(_)) => Level::Machines,
        (Filter::Keys(_), _) => Level::Lines,
        _ => Level::Plants,
    };
    let lines: Vec<&Spot> = match level {
        Level::Machines => {
            lines.into_iter().filter(|l| machines.iter().any(|m| m.line == l.id)).collect()
        }
        _ => lines,
    };
    let sensors = catalog.sensors.iter().filter(|s| match level {
        Level::Plants => in_plants(s.plant),
        Level::Lines => s.line.is_some_and(|id| lines.iter().any(|l| l.id == id)),
        Level::Machines => s.machine.is_some_and(|id| machines.iter().any(|m| m.id == id)),
    });
    let sensors = pick(["sensor", "el sensor"], &place.sensors, sensors, |s| &s.key)?;
    Ok(Selection { level, plants, lines, machines, sensors })
}

/// The items that the filter names; every name must exist.
fn pick<'a, T>(
    what: Words,
    filter: &Filter,
    items: impl Iterator<Item = &'a T>,
    key: impl Fn(&T) -> &str,
) -> Result<Vec<&'a T>, PlanError> {
    let items: Vec<&T> = items.collect();
    let Some(keys) = filter.keys() else { return Ok(items) };
    if let Some(missing) = keys.iter().find(|k| !items.iter().any(|i| key(i) == k.as_str())) {
        let mut some: Vec<&str> = items.iter().map(|i| key(i)).take(8).collect();
        let more = items.len() > some.len();
        some.sort_unstable();
        let hint = match some.is_empty() {
            true => Hint::Nothing,
            false => Hint::OneOf(some.into_iter().map(str::to_owned).collect(), more),
        };
        return Err(PlanError::Unknown { what, key: missing.clone(), hint });
    }
    Ok(items.into_iter().filter(|i| filter.accepts(key(i))).collect())
}
