//! Ad hoc filters of a dashboard, laid upon the query's own.
//!
//! A rule on places becomes the keys that pass it, from the catalog, so the scope holds; one on shifts
//! and states the same. Rules on references, lots and operators are kept with the query and applied to
//! its runs.

use super::{PlanError, Run, select};
use crate::catalog::Catalog;
use crate::domain::MachineState;
use crate::model::{Context, Filter, FilterKey, Query, QueryType, Rules};

/// A query with the dashboard's filters in it.
#[derive(Debug)]
pub struct Narrowed {
    /// The query; `None` when nothing passes the filters.
    pub query: Option<Query>,
    /// What the reader should know.
    pub notices: Vec<String>,
}

/// Applies the filters of a query to it.
///
/// # Errors
/// [`PlanError`] for places that do not exist.
pub fn narrow(mut query: Query, catalog: &Catalog) -> Result<Narrowed, PlanError> {
    let mut notices = Vec::new();
    if query.filters.is_empty() {
        return Ok(Narrowed { query: Some(query), notices });
    }
    let rules = compiled(&query.filters)?;
    let language = query.language;
    let nothing = |key: FilterKey| {
        let key = key.as_str();
        let text = language.pick(
            format!("Nothing here passes the dashboard's filter on {key}."),
            format!("Nada de aquí pasa el filtro {key} del panel de mando."),
        );
        Ok(Narrowed { query: None, notices: vec![text] })
    };
    for key in [FilterKey::Plant, FilterKey::Line, FilterKey::Machine, FilterKey::Sensor] {
        let quantities = key == FilterKey::Sensor && !rules.is_free(FilterKey::Quantity);
        if rules.is_free(key) && !quantities {
            continue;
        }
        let selection = select(&query.place, catalog)?;
        let keys: Vec<String> = match key {
            FilterKey::Plant => selection.plants.iter().map(|p| p.key.clone()).collect(),
            FilterKey::Line => selection.lines.iter().map(|l| l.key.clone()).collect(),
            FilterKey::Machine => selection.machines.iter().map(|m| m.key.clone()).collect(),
            _ => {
                let sensors = selection.sensors.iter();
                let of = sensors.filter(|s| rules.pass(FilterKey::Quantity, &s.quantity));
                of.map(|s| s.key.clone()).collect()
            }
        };
        let keys: Vec<String> = keys.into_iter().filter(|k| rules.pass(key, k)).collect();
        let place = &mut query.place;
        let filter = match key {
            FilterKey::Plant => &mut place.plants,
            FilterKey::Line => &mut place.lines,
            FilterKey::Machine => &mut place.machines,
            _ => &mut place.sensors,
        };
        *filter = Filter::from_list(keys);
        if *filter == Filter::All {
            return nothing(key);
        }
    }
    let about_sensors = !rules.is_free(FilterKey::Sensor) || !rules.is_free(FilterKey::Quantity);
    if about_sensors && !knows_sensors(query.kind) {
        notices.push(ignored("sensor or quantity", "de sensor o magnitud", &query));
    }
    let about_time = !rules.is_free(FilterKey::Shift) || !rules.is_free(FilterKey::State);
    match query.kind {
        QueryType::Series | QueryType::Kpi if about_time => {
            let selection = select(&query.place, catalog)?;
            let shifts = selection.plants.iter().flat_map(|p| &p.calendar.shifts);
            let shifts = shifts.map(|s| s.key.clone()).collect();
            let states = MachineState::ALL.map(|s| s.as_str().to_owned()).to_vec();
            let context = &mut query.context;
            if !only(&mut context.shifts, &rules, FilterKey::Shift, shifts) {
                return nothing(FilterKey::Shift);
            }
            if !only(&mut context.states, &rules, FilterKey::State, states) {
                return nothing(FilterKey::State);
            }
        }
        QueryType::States if about_time => {
            let states = MachineState::ALL.map(|s| s.as_str().to_owned()).to_vec();
            if !only(&mut query.context.states, &rules, FilterKey::State, states) {
                return nothing(FilterKey::State);
            }
            if !rules.is_free(FilterKey::Shift) {
                notices.push(ignored("shift", "de turno", &query));
            }
        }
        _ if about_time => notices.push(ignored("shift or state", "de turno o estado", &query)),
        _ => {}
    }
    let made = [FilterKey::Reference, FilterKey::Lot, FilterKey::Operator];
    let about_made = query.filters.iter().filter(|r| made.contains(&r.key) && !r.values.is_empty());
    let about_made: Vec<_> = about_made.cloned().collect();
    if !about_made.is_empty() {
        match query.kind {
            QueryType::Latest | QueryType::DataQuality => {
                notices.push(ignored(
                    "reference, lot or operator",
                    "de referencia, lote u operario",
                    &query,
                ));
            }
            _ => query.context.rules = about_made,
        }
    }
    Ok(Narrowed { query: Some(query), notices })
}

/// Leaves only the runs that pass the rules on what was made.
pub fn keep(runs: &mut Vec<Run>, context: &Context) -> Result<(), PlanError> {
    if !context.rules.is_empty() {
        let rules = compiled(&context.rules)?;
        runs.retain(|run| {
            let operator = run.operator.as_ref().map_or("", |o| o.0.as_str());
            rules.pass(FilterKey::Reference, &run.reference)
                && rules.pass(FilterKey::Lot, &run.lot)
                && rules.pass(FilterKey::Operator, operator)
        });
    }
    Ok(())
}

/// True when a run passes the rules on what was made.
pub fn keeps(run: &Run, context: &Context) -> bool {
    context.rules.is_empty() || {
        let mut one = vec![run.clone()];
        keep(&mut one, context).is_ok() && !one.is_empty()
    }
}

/// They have been checked with the query.
fn compiled(rules: &[crate::model::Rule]) -> Result<Rules, PlanError> {
    Ok(Rules::new(rules)?)
}

/// Leaves the keys that pass; false when none does.
fn only(filter: &mut Filter, rules: &Rules, key: FilterKey, all: Vec<String>) -> bool {
    if rules.is_free(key) {
        return true;
    }
    let pass = all.into_iter().filter(|k| filter.accepts(k) && rules.pass(key, k));
    *filter = Filter::from_list(pass.collect());
    *filter != Filter::All
}

fn knows_sensors(kind: QueryType) -> bool {
    use QueryType::{AbnormalRuns, Kpi, Runs, States};
    !matches!(kind, Kpi | Runs | States | AbnormalRuns)
}

fn ignored(what: &str, de: &str, query: &Query) -> String {
    let kind = query.kind.as_str();
    query.language.pick(
        format!("The dashboard's filter on {what} has no meaning for {kind} queries."),
        format!("El filtro {de} del panel de mando no tiene sentido en consultas {kind}."),
    )
}

#[cfg(test)]
mod tests;
