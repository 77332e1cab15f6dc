//! Plans of KPI queries: which meters and thermometers over which intervals make up each group.

mod labels;

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::{
    Ask, Cut, Level, Node, PlanError, Rates, Run, Selection, Slices, Window, check_windows,
    clock_notice, meters, needs_tariffs, past, resolve_bucket,
};
use crate::catalog::{Catalog, Sensor};
use crate::domain::{Bucket, MachineState, TimeRange};
use crate::model::{Filter, GroupBy, Kpi, Query};
use crate::sql::states::State;
use labels::{describe, describe_part, describe_place};

/// What a window counts towards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Energy of a group.
    Energy(usize),
    /// Temperature of a group.
    Temperature(usize),
    /// Energy of the whole place, against which the groups are balanced.
    Total,
}

/// A window with what it counts towards.
#[derive(Debug, Clone)]
pub struct KpiWindow<'a> {
    /// What to read.
    pub window: Window<'a>,
    /// What it counts towards.
    pub role: Role,
}

/// A machine's time in one state, counted for a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MachineTime {
    /// Index of the group.
    pub group: usize,
    /// From when to when.
    pub range: TimeRange,
    /// What the machine was doing.
    pub state: MachineState,
}

/// One row of a KPI table, or one series a KPI.
#[derive(Debug, Clone, PartialEq)]
pub struct KpiGroup {
    /// Columns and labels: `(name, key)`.
    pub labels: Vec<(&'static str, String)>,
    /// Name shown to people.
    pub name: String,
    /// The runs that made units for it, by index, clipped to the time range.
    pub runs: Vec<(usize, TimeRange)>,
}

/// A KPI query, ready to be read.
#[derive(Debug, Clone)]
pub struct KpiPlan<'a> {
    /// What to read.
    pub windows: Vec<KpiWindow<'a>>,
    /// The groups, in key order.
    pub groups: Vec<KpiGroup>,
    /// What the groups' machines were doing; empty unless a KPI asks for it.
    pub machine_time: Vec<MachineTime>,
    /// False where units have no meaning: they belong to runs, not to states.
    pub units: bool,
    /// Edges of the buckets; two for a table.
    pub edges: Vec<DateTime<Utc>>,
    /// What is read: the buckets, cut where prices or factors change.
    pub slices: Slices,
    /// The bucket that was chosen.
    pub bucket: Bucket,
    /// True when what no group accounts for must be shown.
    pub balanced: bool,
    /// Why this source and resolution, in words.
    pub reason: String,
    /// What the reader should know.
    pub notices: Vec<String>,
    /// What was found while it was made.
    pub(crate) found: Found<'a>,
}

/// Groups by their labels, and the sensors of each place: thousands of runs ask for a few of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Found<'a> {
    groups: HashMap<Vec<(&'static str, String)>, usize>,
    meters: HashMap<Node, Vec<&'a Sensor>>,
    thermometers: HashMap<Node, Vec<&'a Sensor>>,
}

/// Plans a KPI query. `runs` are those that overlap the range and pass the context filters, `states`
/// those of the selection's machines in the range, by machine and time, `rates` those of its plants where
/// [`needs_tariffs`] says so.
///
/// # Errors
/// [`PlanError`], whose text says what to change.
pub fn kpi<'a>(
    query: &Query,
    selection: &Selection<'a>,
    catalog: &'a Catalog,
    runs: &[Run],
    states: &[State],
    rates: &Rates,
    ask: &Ask,
) -> Result<KpiPlan<'a>, PlanError> {
    let bucket = match query.bucket {
        Bucket::Auto => Bucket::Whole,
        other => resolve_bucket(other, ask, 60.0),
    };
    let edges = match selection.plants.first() {
        None => vec![ask.range.from(), ask.range.to()],
        Some(plant) => plant.calendar.edges(bucket, ask.range, ask.max_points)?,
    };
    let mut plan = KpiPlan {
        windows: Vec::new(),
        groups: Vec::new(),
        machine_time: Vec::new(),
        units: true,
        slices: Slices::of_buckets(&edges),
        edges,
        bucket,
        balanced: false,
        reason: String::new(),
        notices: clock_notice(bucket, &selection.plants, query.language).into_iter().collect(),
        found: Found::default(),
    };
    let Some(range) = past(ask) else { return Ok(plan) };
    let cut = Cut::new(query, selection, states, rates, range)?;
    plan.units = !cut.by_machine();
    let runs: Vec<(usize, &Run, TimeRange)> = runs
        .iter()
        .enumerate()
        .filter(|(_, r)| selection.has_run(r.line, r.machine))
        .filter_map(|(i, r)| Some((i, r, range.clip(r.started_at, r.ended_at)?)))
        .collect();
    if query.context.is_restricted() || query.group_by.is_context() {
        by_runs(&mut plan, query, selection, catalog, &cut, &runs);
        plan.reason =
            format!("{} runs resolved first, then only their intervals of the meters", runs.len());
    } else {
        by_places(&mut plan, query, selection, catalog, &cut, &runs, range);
        plan.reason = "meters of the places over the whole range".to_owned();
    }
    if cut.by_machine() {
        plan.reason.push_str(", of machines only and cut where their states change");
    }
    if query.context.shifts != Filter::All || query.group_by == GroupBy::Shift {
        plan.reason.push_str(", cut at the shifts");
    }
    if needs_tariffs(query) {
        plan.reason.push_str(", cut where the tariff's period changes");
    }
    // A filter on states leaves a part of the place out, as one on runs does.
    plan.balanced = !query.context.is_restricted()
        && query.context.states == Filter::All
        && !matches!(query.group_by, GroupBy::None | GroupBy::Plant)
        && query.kpis.iter().any(|k| k.is_balanced());
    if plan.balanced {
        for node in selection.nodes() {
            for part in cut.of_plant(plant_of(catalog, node), range) {
                for sensor in meters(catalog, node) {
                    let window = Window { sensor, range: part.range };
                    plan.windows.push(KpiWindow { window, role: Role::Total });
                }
            }
        }
    }
    check_windows(plan.windows.len())?;
    let series = plan.groups.len() * query.kpis.len();
    let points = plan.edges.len() - 1;
    if series.saturating_mul(points) > ask.max_points {
        return Err(PlanError::TooManyPoints { series, points, limit: ask.max_points });
    }
    Ok(plan)
}

/// The energy windows of each run: `(run index, window)`.
pub fn run_energy<'a>(
    runs: &[Run],
    selection: &Selection<'a>,
    catalog: &'a Catalog,
    now: DateTime<Utc>,
) -> Vec<(usize, Window<'a>)> {
    run_windows(runs, selection, now, |node| meters(catalog, node))
}

/// The windows of each run's process thermometers: `(run index, window)`.
pub fn run_heat<'a>(
    runs: &[Run],
    selection: &Selection<'a>,
    catalog: &'a Catalog,
    now: DateTime<Utc>,
) -> Vec<(usize, Window<'a>)> {
    run_windows(runs, selection, now, |node| thermometers(catalog, node))
}

fn run_windows<'a>(
    runs: &[Run],
    selection: &Selection<'_>,
    now: DateTime<Utc>,
    sensors_of: impl Fn(Node) -> Vec<&'a Sensor>,
) -> Vec<(usize, Window<'a>)> {
    let mut windows = Vec::new();
    for (index, run) in runs.iter().enumerate() {
        let Ok(range) = TimeRange::new(run.started_at, run.ended_at.unwrap_or(now)) else {
            continue;
        };
        for node in nodes_of(run, selection) {
            let sensors = sensors_of(node);
            windows.extend(sensors.into_iter().map(|sensor| (index, Window { sensor, range })));
        }
    }
    windows
}

/// Where a run's energy is metered: its machine or line, or of a line the machines selected.
fn nodes_of(run: &Run, selection: &Selection<'_>) -> Vec<Node> {
    match (run.machine, selection.level) {
        (Some(machine), _) => vec![Node::Machine(machine)],
        (None, Level::Machines) => selection
            .machines
            .iter()
            .filter(|m| m.line == run.line)
            .map(|m| Node::Machine(m.id))
            .collect(),
        (None, _) => vec![Node::Line(run.line)],
    }
}

/// Groups whose energy is that of their runs.
fn by_runs<'a>(
    plan: &mut KpiPlan<'a>,
    query: &Query,
    selection: &Selection<'a>,
    catalog: &'a Catalog,
    cut: &Cut,
    runs: &[(usize, &Run, TimeRange)],
) {
    for (index, run, range) in runs {
        // By machine, a run counts for each machine selected that takes part in it.
        let nodes = match query.group_by {
            _ if !(query.group_by == GroupBy::Machine || cut.by_machine()) => {
                nodes_of(run, selection)
            }
            _ => selection
                .machines
                .iter()
                .filter(|m| m.line == run.line && run.machine.is_none_or(|id| id == m.id))
                .map(|m| Node::Machine(m.id))
                .collect(),
        };
        let mut credited = Vec::new();
        for node in nodes {
            for part in cut.parts(run.plant, machine_of(node), *range) {
                let (labels, name) = match part.group {
                    Some(named) => describe_part(query.group_by, catalog, run.plant, named),
                    None => describe(query.group_by, catalog, node, run, query.language),
                };
                let group = plan.group(labels, name);
                let credit = (*index, part.range);
                if !credited.contains(&(group, part.range)) {
                    credited.push((group, part.range));
                    plan.groups[group].runs.push(credit);
                }
                plan.read(catalog, query, node, group, part.range);
                plan.watch(selection, cut, query, node, group, part.range);
            }
        }
    }
}

fn machine_of(node: Node) -> Option<i32> {
    match node {
        Node::Machine(id) => Some(id),
        Node::Plant(_) | Node::Line(_) => None,
    }
}

fn plant_of(catalog: &Catalog, node: Node) -> i32 {
    let found = match node {
        Node::Plant(id) => Some(id),
        Node::Line(id) => catalog.line(id).map(|l| l.plant),
        Node::Machine(id) => catalog.machine(id).map(|m| m.plant),
    };
    found.unwrap_or_default()
}

/// Groups whose energy is that of a place over the whole range, in runs or not.
fn by_places<'a>(
    plan: &mut KpiPlan<'a>,
    query: &Query,
    selection: &Selection<'a>,
    catalog: &'a Catalog,
    cut: &Cut,
    runs: &[(usize, &Run, TimeRange)],
    range: TimeRange,
) {
    let machines = || selection.machines.iter().map(|m| Node::Machine(m.id)).collect();
    let nodes: Vec<Node> = match query.group_by {
        _ if cut.by_machine() => machines(),
        GroupBy::Line => selection.lines.iter().map(|l| Node::Line(l.id)).collect(),
        GroupBy::Machine => machines(),
        _ => selection.nodes(),
    };
    for node in nodes {
        let made_here = |run: &Run| match node {
            Node::Plant(id) => run.plant == id,
            Node::Line(id) => run.line == id,
            Node::Machine(id) => match run.machine {
                Some(machine) => machine == id,
                None => catalog.machine(id).is_some_and(|m| m.line == run.line),
            },
        };
        let made: Vec<_> = runs.iter().filter(|(_, run, _)| made_here(run)).collect();
        for part in cut.parts(plant_of(catalog, node), machine_of(node), range) {
            let (labels, name) = match part.group {
                Some(named) => {
                    describe_part(query.group_by, catalog, plant_of(catalog, node), named)
                }
                None => describe_place(query.group_by, catalog, node),
            };
            let group = plan.group(labels, name);
            for (index, _, clipped) in &made {
                let Some(inside) = part.range.clip(clipped.from(), Some(clipped.to())) else {
                    continue;
                };
                let entry = (*index, inside);
                if !plan.groups[group].runs.contains(&entry) {
                    plan.groups[group].runs.push(entry);
                }
            }
            plan.read(catalog, query, node, group, part.range);
            plan.watch(selection, cut, query, node, group, part.range);
        }
    }
}

impl<'a> KpiPlan<'a> {
    fn group(&mut self, labels: Vec<(&'static str, String)>, name: String) -> usize {
        if let Some(index) = self.found.groups.get(&labels) {
            return *index;
        }
        let index = self.groups.len();
        self.found.groups.insert(labels.clone(), index);
        self.groups.push(KpiGroup { labels, name, runs: Vec::new() });
        index
    }

    /// Adds what the machines of one place were doing in one interval.
    fn watch(
        &mut self,
        selection: &Selection<'_>,
        cut: &Cut,
        query: &Query,
        node: Node,
        group: usize,
        range: TimeRange,
    ) {
        if !query.kpis.iter().any(|k| k.needs_states()) {
            return;
        }
        let machines = selection.machines.iter().filter(|m| match node {
            Node::Plant(id) => m.plant == id,
            Node::Line(id) => m.line == id,
            Node::Machine(id) => m.id == id,
        });
        for time in machines.flat_map(|m| cut.states(m.id, range)) {
            self.machine_time.push(MachineTime { group, range: time.range, state: time.state });
        }
    }

    /// Adds the windows of one place over one interval.
    fn read(
        &mut self,
        catalog: &'a Catalog,
        query: &Query,
        node: Node,
        group: usize,
        range: TimeRange,
    ) {
        let mut push = |sensor: &'a Sensor, role| {
            self.windows.push(KpiWindow { window: Window { sensor, range }, role });
        };
        let found = &mut self.found;
        if query.kpis.iter().any(|k| k.needs_energy()) {
            let of_node = found.meters.entry(node).or_insert_with(|| meters(catalog, node));
            for sensor in of_node {
                push(sensor, Role::Energy(group));
            }
        }
        if query.kpis.contains(&Kpi::MeanTemperature) {
            let of_node = found.thermometers.entry(node);
            for sensor in of_node.or_insert_with(|| thermometers(catalog, node)) {
                push(sensor, Role::Temperature(group));
            }
        }
    }
}

/// The process thermometers of a place. What hangs on the plant itself (outdoor, hall) counts only
/// where nothing is nearer to the process.
fn thermometers(catalog: &Catalog, node: Node) -> Vec<&Sensor> {
    let all: Vec<&Sensor> = catalog
        .sensors
        .iter()
        .filter(|s| s.quantity == "temperature" && s.unit == "°C")
        .filter(|s| match node {
            Node::Plant(id) => s.plant == id,
            Node::Line(id) => s.line == Some(id),
            Node::Machine(id) => s.machine == Some(id),
        })
        .collect();
    let near: Vec<&Sensor> = all.iter().filter(|s| s.line.is_some()).copied().collect();
    if near.is_empty() { all } else { near }
}
