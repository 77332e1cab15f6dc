//! What filters and grouping by shift, machine state and tariff period leave of an interval, part by
//! part.
//!
//! A shift or tariff period is the plant's, a state is a machine's: what has no machine has no state, so with states
//! only the sensors of machines count.

use std::collections::BTreeMap;

use super::{Hint, PlanError, PlantRates, Rates, Selection};
use crate::domain::bucket::CutError;
use crate::domain::{Bucket, Language, MachineState, TimeRange};
use crate::model::{Context, Filter, GroupBy, Query};
use crate::sql::states::State;

/// Key and name of the shift, state or tariff period by which an answer is grouped.
pub type Named = (String, String);

/// A part of an interval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// From when to when.
    pub range: TimeRange,
    /// The shift, state or tariff period that it is grouped under; `None` for other groupings.
    pub group: Option<Named>,
}

/// A machine's time in one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateTime {
    /// From when to when.
    pub range: TimeRange,
    /// What the machine was doing.
    pub state: MachineState,
}

/// The time that counts.
#[derive(Debug, Clone, Default)]
pub struct Cut {
    /// By plant; `None` when shifts play no part.
    shifts: Option<BTreeMap<i32, Vec<Part>>>,
    /// By plant; `None` when tariffs play no part.
    tariffs: Option<BTreeMap<i32, Vec<Part>>>,
    /// By machine; `None` when states play no part.
    states: Option<BTreeMap<i32, Vec<Part>>>,
    /// What each machine was doing, in the order of time.
    known: BTreeMap<i32, Vec<StateTime>>,
}

/// True when the query cannot be planned without the tariffs of the plants.
pub fn needs_tariffs(query: &Query) -> bool {
    query.group_by == GroupBy::TariffPeriod
}

/// True when the query cannot be planned without the states of machines.
pub fn needs_states(query: &Query) -> bool {
    query.context.states != Filter::All
        || query.group_by == GroupBy::State
        || query.kpis.iter().any(|k| k.needs_states())
}

impl Cut {
    /// The time of `range` that counts. `states` are those of the selection's machines, in the order
    /// of machine and time, `rates` those of its plants where the query needs tariffs.
    ///
    /// # Errors
    /// [`PlanError`]: no plant has shifts, or none has the shift asked for.
    pub fn new(
        query: &Query,
        selection: &Selection<'_>,
        states: &[State],
        rates: &Rates,
        range: TimeRange,
    ) -> Result<Self, PlanError> {
        let Context { shifts, states: wanted, .. } = &query.context;
        let by_shift = query.group_by == GroupBy::Shift;
        let by_state = query.group_by == GroupBy::State;
        let mut cut = Self::default();
        for state in states {
            let Some(inside) = range.clip(state.started_at, state.ended_at) else { continue };
            let of = cut.known.entry(state.machine).or_default();
            of.push(StateTime { range: inside, state: state.state.parse()? });
        }
        if *shifts != Filter::All || by_shift {
            cut.shifts = Some(shift_parts(shifts, by_shift, selection, range)?);
        }
        if needs_tariffs(query) {
            cut.tariffs = Some(tariff_parts(query.language, selection, rates, range));
        }
        if *wanted != Filter::All || by_state {
            let part = |time: &StateTime| {
                let name = time.state.name(query.language);
                let named = || (time.state.as_str().to_owned(), name.to_owned());
                Part { range: time.range, group: by_state.then(named) }
            };
            let parts = |times: &Vec<StateTime>| {
                joined(times.iter().filter(|t| wanted.accepts(t.state.as_str())).map(part))
            };
            cut.states = Some(cut.known.iter().map(|(id, times)| (*id, parts(times))).collect());
        }
        Ok(cut)
    }

    /// True when only the sensors of machines count.
    pub fn by_machine(&self) -> bool {
        self.states.is_some()
    }

    /// What is left of an interval at a place of the plant, in the order of time.
    pub fn parts(&self, plant: i32, machine: Option<i32>, range: TimeRange) -> Vec<Part> {
        let shifts = self.of_plant(plant, range);
        let Some(states) = &self.states else { return shifts };
        let states = machine.and_then(|id| states.get(&id));
        let both = shifts.into_iter().flat_map(|shift| {
            let inside = within(states, shift.range).into_iter();
            inside.map(move |s| Part { group: s.group.or_else(|| shift.group.clone()), ..s })
        });
        both.collect()
    }

    /// What is left of an interval of a whole plant, whatever its machines were doing.
    pub fn of_plant(&self, plant: i32, range: TimeRange) -> Vec<Part> {
        let shifts = match &self.shifts {
            None => vec![Part { range, group: None }],
            Some(shifts) => within(shifts.get(&plant), range),
        };
        match &self.tariffs {
            None => shifts,
            Some(tariffs) => {
                shifts.iter().flat_map(|s| within(tariffs.get(&plant), s.range)).collect()
            }
        }
    }

    /// What a machine was doing in an interval.
    pub fn states(&self, machine: i32, range: TimeRange) -> impl Iterator<Item = StateTime> {
        let times = self.known.get(&machine).map(Vec::as_slice).unwrap_or_default();
        let first = times.partition_point(|t| t.range.to() <= range.from());
        times[first..].iter().map_while(move |time| {
            Some(StateTime {
                range: range.clip(time.range.from(), Some(time.range.to()))?,
                ..*time
            })
        })
    }
}

/// The parts inside an interval, cut at its ends.
fn within(parts: Option<&Vec<Part>>, range: TimeRange) -> Vec<Part> {
    let Some(parts) = parts else { return Vec::new() };
    let first = parts.partition_point(|p| p.range.to() <= range.from());
    let inside = parts[first..].iter().map_while(|p| {
        let range = range.clip(p.range.from(), Some(p.range.to()))?;
        Some(Part { range, group: p.group.clone() })
    });
    inside.collect()
}

/// The shifts of each plant that the filter names.
fn shift_parts(
    wanted: &Filter,
    by_shift: bool,
    selection: &Selection<'_>,
    range: TimeRange,
) -> Result<BTreeMap<i32, Vec<Part>>, PlanError> {
    let all = || selection.plants.iter().flat_map(|p| &p.calendar.shifts);
    if all().next().is_none() {
        return Err(CutError::NoShifts.into());
    }
    let missing = |key: &&String| !all().any(|s| s.key == **key);
    if let Some(key) = wanted.keys().unwrap_or_default().iter().find(missing) {
        let mut keys: Vec<&str> = all().map(|s| s.key.as_str()).collect();
        keys.sort_unstable();
        keys.dedup();
        let hint = Hint::OneOf(keys.into_iter().map(str::to_owned).collect(), false);
        return Err(PlanError::Unknown { what: ["shift", "el turno"], key: key.clone(), hint });
    }
    let mut parts = BTreeMap::new();
    for plant in selection.plants.iter().filter(|p| !p.calendar.shifts.is_empty()) {
        let edges = plant.calendar.edges(Bucket::Shift, range, MOST_SHIFTS)?;
        let part = |pair: &[chrono::DateTime<chrono::Utc>]| {
            let shift = plant.calendar.shift_at(pair[0])?;
            let named = || (shift.key.clone(), shift.name.clone());
            let range = range.clip(pair[0], Some(pair[1]))?;
            wanted.accepts(&shift.key).then(|| Part { range, group: by_shift.then(named) })
        };
        parts.insert(plant.id, joined(edges.windows(2).filter_map(part)));
    }
    Ok(parts)
}

/// The tariff periods of each plant; time in which no tariff holds is a part too.
fn tariff_parts(
    language: Language,
    selection: &Selection<'_>,
    rates: &Rates,
    range: TimeRange,
) -> BTreeMap<i32, Vec<Part>> {
    let none = PlantRates::default();
    let part = |(range, period): (TimeRange, Option<&str>)| {
        let named = period.map(|p| (p.to_owned(), p.to_owned()));
        let none = || (String::new(), language.pick("(no tariff)", "(sin tarifa)").to_owned());
        Part { range, group: Some(named.unwrap_or_else(none)) }
    };
    let parts = selection.plants.iter().map(|plant| {
        let rates = rates.get(&plant.id).unwrap_or(&none);
        (plant.id, joined(rates.periods(plant.zone(), range).into_iter().map(part)))
    });
    parts.collect()
}

/// Most shifts of a time range: a century of a plant that works in three.
const MOST_SHIFTS: usize = 110_000;

/// Parts of one group that touch become one.
fn joined(parts: impl Iterator<Item = Part>) -> Vec<Part> {
    let mut joined: Vec<Part> = Vec::new();
    for part in parts {
        match joined.last_mut() {
            Some(last) if last.group == part.group && last.range.to() == part.range.from() => {
                if let Ok(range) = TimeRange::new(last.range.from(), part.range.to()) {
                    last.range = range;
                }
            }
            _ => joined.push(part),
        }
    }
    joined
}

#[cfg(test)]
mod tests;
