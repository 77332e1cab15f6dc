//! What the models are given: the energy, production, states and drivers of each place.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::super::{AnswerError, MAX_RUNS, Source, fetch_rates, sums, without_tariff};
use super::compare::Compared;
use super::{MOST_CELLS, Times, clipped};
use crate::analytics::baseline::{Machine, Observations, observe};
use crate::analytics::history::{Run, Span};
use crate::catalog::{Catalog, Plant, Sensor, Spot};
use crate::domain::{Bucket, Language, SensorKind, TimeRange, Words};
use crate::figures::{self, Metered};
use crate::frame::Notice;
use crate::model::{self, Aggregate, GroupBy, Query};
use crate::plan::{self, Ask, Hint, Level, Node, PlanError, Rate, Selection, Slices, Window};
use crate::sql::cell::{Cell, Ends};
use crate::sql::{runs, states};

/// A place with meters of its own.
pub(super) struct Unit<'a> {
    /// What.
    pub node: Node,
    /// Its plant.
    pub plant: &'a Plant,
    /// Its line; `None` for a whole plant.
    pub line: Option<&'a Spot>,
    /// Its machine; `None` for a line or plant.
    pub machine: Option<&'a Spot>,
    /// The meters that make up its energy.
    pub meters: Vec<&'a Sensor>,
    /// The machines whose states are the place's.
    machines: Vec<&'a Spot>,
}

impl Unit<'_> {
    /// Key of the machine, line or plant.
    pub fn name(&self) -> &str {
        self.machine.or(self.line).map_or(&self.plant.key, |spot| &spot.key)
    }

    /// Name for people.
    pub fn title(&self) -> &str {
        self.machine.or(self.line).map_or(&self.plant.name, |spot| &spot.name)
    }

    fn makes(&self, run: &plan::Run) -> bool {
        match self.node {
            Node::Plant(id) => run.plant == id,
            Node::Line(id) => run.line == id,
            Node::Machine(_) => self.machine.is_some_and(|machine| is_made_on(run, machine)),
        }
    }
}

/// The places of a selection: its machines or lines, or what the query groups by. Lots and references are
/// those of its machines or lines.
pub(super) fn units<'a>(
    catalog: &'a Catalog,
    selection: &Selection<'a>,
    query: &Query,
) -> (Vec<Unit<'a>>, Vec<Notice>) {
    let nodes: Vec<Node> = match (query.group_by, selection.level) {
        (GroupBy::Plant, _) => selection.plants.iter().map(|p| Node::Plant(p.id)).collect(),
        (GroupBy::Machine, _)
        | (GroupBy::None | GroupBy::Reference | GroupBy::Lot, Level::Machines) => {
            selection.machines.iter().map(|m| Node::Machine(m.id)).collect()
        }
        _ => selection.lines.iter().map(|l| Node::Line(l.id)).collect(),
    };
    let mut units = Vec::new();
    let mut without = Vec::new();
    for node in nodes {
        let (line, machine) = match node {
            Node::Plant(_) => (None, None),
            Node::Line(id) => (catalog.line(id), None),
            Node::Machine(id) => {
                let machine = catalog.machine(id);
                (machine.and_then(|m| catalog.line(m.line)), machine)
            }
        };
        let plant = match (node, machine.or(line)) {
            (Node::Plant(id), _) => catalog.plant(id),
            (_, spot) => spot.and_then(|spot| catalog.plant(spot.plant)),
        };
        let Some(plant) = plant else { continue };
        let meters = plan::meters(catalog, node);
        let machines = (catalog.machines.iter())
            .filter(|m| match node {
                Node::Plant(id) => m.plant == id,
                Node::Line(id) => m.line == id,
                Node::Machine(id) => m.id == id,
            })
            .collect();
        let unit = Unit { node, plant, line, machine, meters, machines };
        match unit.meters.is_empty() {
            true => without.push(unit.name().to_owned()),
            false => units.push(unit),
        }
    }
    let notice = (!without.is_empty() && !units.is_empty()).then(|| {
        let own = query.language.pick("Without a meter of their own", "Sin contador propio");
        Notice::Info(format!("{own}: {}.", without.join(", ")))
    });
    (units, notice.into_iter().collect())
}

const GAUGE: Words = [
    "choose a gauge that this data source may show, such as an outdoor thermometer",
    "elija un sensor de valores instantáneos que esta fuente de datos pueda mostrar, como un termómetro exterior",
];

/// The drivers that the query names.
pub(super) fn drivers<'a>(
    catalog: &'a Catalog,
    query: &Query,
) -> Result<Vec<&'a Sensor>, AnswerError> {
    let find = |key: &String| {
        let gauge = |s: &&Sensor| s.kind == SensorKind::Gauge && s.key == *key;
        catalog.sensors.iter().find(gauge).ok_or_else(|| {
            let (what, hint) = (["driver", "la variable"], Hint::Text(GAUGE));
            PlanError::Unknown { what, key: key.clone(), hint }.into()
        })
    };
    query.baseline.drivers.iter().map(find).collect()
}

/// A piece of the time shown: no bucket, hour or price changes in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    /// Start and end.
    pub range: TimeRange,
    /// Position of its bucket.
    pub bucket: usize,
    /// What a kWh costs and emits.
    pub rate: Rate,
    /// kWh of the meters, and how much of the piece they cover.
    pub metered: Metered,
}

/// What is known of a place.
pub(super) struct Seen {
    /// The baseline period.
    pub learned: Observations,
    /// Starts of its intervals and the end of the last, in seconds since 1970.
    pub learned_edges: Vec<i64>,
    /// The time shown, an interval a piece, each cut to what is measured.
    pub shown: Observations,
    /// Its pieces.
    pub pieces: Vec<Piece>,
    /// The runs of the time shown, where pieces are cut at their edges.
    pub runs: Vec<plan::Run>,
}

/// Where the figures come from.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub shown: String,
    pub source: String,
    pub reason: String,
    pub rows: f64,
    /// Currency of each plant, by row id.
    pub currencies: BTreeMap<i32, String>,
}

impl Read {
    fn note(&mut self, sums: &sums::Sums) {
        self.shown.clone_from(&sums.shown);
        self.source.clone_from(&sums.source);
        self.reason =
            format!("hours of the baseline period and of the time range; {}", sums.reason);
        self.rows += sums.rows;
    }

    /// Says which plants have no price for some of the time.
    pub fn without_price(&self, compared: &[Compared<'_>], language: Language) -> Option<Notice> {
        let mut keys: Vec<&str> = (compared.iter())
            .filter(|c| c.buckets.iter().any(|b| b.deviation.is_some() && b.cost.is_none()))
            .map(|c| c.unit.plant.key.as_str())
            .collect();
        keys.sort_unstable();
        keys.dedup();
        without_tariff(
            &keys,
            "the time: the cost of the deviation is empty",
            "del tiempo: el coste de la desviación queda vacío",
            language,
        )
    }
}

/// Reads everything about the places of one plant.
pub(super) async fn fetch(
    source: &Source<'_>,
    selection: &Selection<'_>,
    units: &[&Unit<'_>],
    drivers: &[&Sensor],
    times: &Times,
    ask: &Ask,
    read: &mut Read,
) -> Result<Vec<Seen>, AnswerError> {
    let Some(plant) = units.first().map(|unit| unit.plant) else { return Ok(Vec::new()) };
    let daily = units.iter().flat_map(|u| &u.meters).any(|m| m.interval_s > 3600.0);
    let width = if daily { Bucket::Day } else { Bucket::Hour };
    let learned_edges = clipped(plant, width, times.learned)?;
    let rates = fetch_rates(source, [plant.id], times.shown).await?;
    if let Some(rates) = rates.get(&plant.id) {
        read.currencies.insert(plant.id, rates.currency.clone());
    }
    let mut shown_edges = clipped(plant, width, times.shown)?;
    shown_edges
        .extend(times.edges.iter().filter(|e| times.shown.from() < **e && **e < times.shown.to()));
    let context = Context::fetch(source, selection, units, times).await?;
    if times.by_runs {
        let own = context.runs.iter().filter(|run| units.iter().any(|unit| unit.makes(run)));
        let cuts = own.flat_map(|run| [Some(run.started_at), run.ended_at]).flatten();
        shown_edges.extend(cuts.filter(|t| times.shown.from() < *t && *t < times.shown.to()));
    }
    shown_edges.sort_unstable();
    shown_edges.dedup();
    let slices = Slices::of_rates(&shown_edges, &rates, &[plant], ask.now);

    let meters: usize = units.iter().map(|u| u.meters.len()).sum();
    let cells = (meters + drivers.len()) * (learned_edges.len() + slices.cuts.len());
    if cells > MOST_CELLS {
        return Err(AnswerError::TooManyHours { cells, most: MOST_CELLS });
    }
    let learned = metered(source, units, drivers, times.learned, &learned_edges, read).await?;
    let shown = metered(source, units, drivers, times.shown, &slices.cuts, read).await?;
    let mut seen = Vec::with_capacity(units.len());
    for (index, unit) in units.iter().enumerate() {
        let own: Vec<&plan::Run> = context.runs.iter().filter(|run| unit.makes(run)).collect();
        let runs: Vec<Run> = own.iter().map(|r| run(r)).collect();
        let machines = machines(unit, &own, &context.states);
        let now = ask.now.timestamp();
        let lay = |edges: &[DateTime<Utc>], energy: &[Metered], means: &[Vec<Option<f64>>]| {
            let seconds: Vec<i64> = edges.iter().map(DateTime::timestamp).collect();
            let mut out = observe(&seconds, &until(&runs, now), &machines);
            out.drivers = drivers.iter().map(|d| d.key.clone()).collect();
            for (position, interval) in out.intervals.iter_mut().enumerate() {
                interval.drivers = means.iter().map(|m| m[position].unwrap_or(f64::NAN)).collect();
                *interval = std::mem::take(interval).measured(energy[position].share);
            }
            out
        };
        let mut past = lay(&learned_edges, &learned.energy[index], &learned.drivers);
        for (interval, energy) in past.intervals.iter_mut().zip(&learned.energy[index]) {
            interval.energy = energy.kwh.filter(|_| energy.is_certain).unwrap_or(f64::NAN);
        }
        let is_in = |run: &plan::Run| times.shown.clip(run.started_at, run.ended_at).is_some();
        let now = lay(&slices.cuts, &shown.energy[index], &shown.drivers);
        let pieces = slices.cuts.windows(2).zip(&shown.energy[index]).enumerate();
        let pieces = pieces.filter_map(|(slice, (pair, metered))| {
            Some(Piece {
                range: TimeRange::new(pair[0], pair[1]).ok()?,
                bucket: times.edges.partition_point(|e| *e <= pair[0]).saturating_sub(1),
                rate: slices.rate(plant.id, slice),
                metered: *metered,
            })
        });
        seen.push(Seen {
            learned: past,
            learned_edges: learned_edges.iter().map(DateTime::timestamp).collect(),
            shown: now,
            pieces: pieces.collect(),
            runs: match times.by_runs {
                true => own.into_iter().filter(|run| is_in(run)).cloned().collect(),
                false => Vec::new(),
            },
        });
    }
    Ok(seen)
}

/// Whether a run is made on a machine: on this one, or on its whole line.
fn is_made_on(run: &plan::Run, machine: &Spot) -> bool {
    run.machine.map_or(run.line == machine.line, |own| own == machine.id)
}

/// Energy of the units and means of the drivers between edges.
struct Amounts {
    energy: Vec<Vec<Metered>>,
    drivers: Vec<Vec<Option<f64>>>,
}

async fn metered(
    source: &Source<'_>,
    units: &[&Unit<'_>],
    drivers: &[&Sensor],
    range: TimeRange,
    edges: &[DateTime<Utc>],
    read: &mut Read,
) -> Result<Amounts, AnswerError> {
    let mut windows: Vec<Window<'_>> = Vec::new();
    let mut owners: Vec<usize> = Vec::new();
    for (index, unit) in units.iter().enumerate() {
        for &sensor in &unit.meters {
            windows.push(Window { sensor, range });
            owners.push(index);
        }
    }
    let first_driver = windows.len();
    windows.extend(drivers.iter().map(|&sensor| Window { sensor, range }));
    let sums = sums::fetch(source, &windows, edges, Ends::Omit).await?;
    read.note(&sums);
    let (energy, other): (Vec<Cell>, Vec<Cell>) =
        sums.cells.into_iter().partition(|cell| cell.window < first_driver);
    let owned: Vec<(usize, &Sensor)> =
        owners.iter().zip(&windows).map(|(owner, w)| (*owner, w.sensor)).collect();
    let owner = |window: usize| {
        let index = window.checked_sub(first_driver)?;
        drivers.get(index).map(|sensor| (*sensor, index))
    };
    let buckets = edges.len() - 1;
    Ok(Amounts {
        energy: figures::metered(&owned, units.len(), edges, &energy),
        drivers: figures::pooled(owner, drivers.len(), buckets, Aggregate::Mean, &other),
    })
}

/// What was made and done in the whole selection, whatever the query's filters are.
struct Context {
    runs: Vec<plan::Run>,
    states: Vec<states::State>,
}

/// Most changes of state: a year of a hundred machines with five changes a day.
const MAX_STATES: usize = 200_000;

impl Context {
    async fn fetch(
        source: &Source<'_>,
        selection: &Selection<'_>,
        units: &[&Unit<'_>],
        times: &Times,
    ) -> Result<Self, AnswerError> {
        let (mut all_runs, mut all_states) = (Vec::new(), Vec::new());
        let mut machines: Vec<i32> =
            units.iter().flat_map(|unit| &unit.machines).map(|machine| machine.id).collect();
        machines.sort_unstable();
        machines.dedup();
        for range in spans(times) {
            let all = model::Context::default();
            let statement = runs::statement(selection, &all, range, MAX_RUNS + 1);
            let rows = source.db.query(&statement.sql, statement.params).await?;
            let mut found: Vec<plan::Run> =
                rows.iter().map(runs::read).collect::<Result<_, _>>()?;
            if found.len() > MAX_RUNS {
                return Err(AnswerError::TooManyRuns(MAX_RUNS));
            }
            found.reverse();
            let new = found.into_iter().filter(|run| !all_runs.contains(run)).collect::<Vec<_>>();
            all_runs.extend(new);
            let statement = states::statement(machines.clone(), range, MAX_STATES + 1);
            let rows = source.db.query(&statement.sql, statement.params).await?;
            let found: Vec<states::State> =
                rows.iter().map(states::read).collect::<Result<_, _>>()?;
            if found.len() > MAX_STATES {
                return Err(AnswerError::TooManyStates(MAX_STATES));
            }
            all_states.extend(found);
        }
        all_states.sort_by_key(|state| (state.machine, state.started_at));
        all_states.dedup();
        Ok(Self { runs: all_runs, states: all_states })
    }
}

/// The time to look at: one range where the baseline period and the time shown touch, else two.
fn spans(times: &Times) -> Vec<TimeRange> {
    let (a, b) = (times.learned, times.shown);
    let touch = a.from() <= b.to() && b.from() <= a.to();
    match TimeRange::new(a.from().min(b.from()), a.to().max(b.to())) {
        Ok(whole) if touch => vec![whole],
        _ => vec![a, b],
    }
}

/// Runs as they are now: what an open one has made, it has made up to now.
fn until(runs: &[Run], now: i64) -> Vec<Run> {
    let cut = |run: &Run| Run { end: run.end.min(now.max(run.start)), ..run.clone() };
    runs.iter().map(cut).collect()
}

/// What the machines of a place did, as far as they say: those without a state in the time are taken
/// to do what the others of their line do.
fn machines(unit: &Unit<'_>, runs: &[&plan::Run], states: &[states::State]) -> Vec<Machine> {
    let mut out: Vec<(&Spot, Machine)> = Vec::new();
    for &spot in &unit.machines {
        let states: Vec<Span> =
            states.iter().filter(|state| state.machine == spot.id).map(span).collect();
        if states.is_empty() {
            continue;
        }
        let runs = (0..runs.len()).filter(|&index| is_made_on(runs[index], spot)).collect();
        out.push((spot, Machine { states, runs, share: 1.0 }));
    }
    let lines: Vec<i32> = out.iter().map(|(spot, _)| spot.line).collect();
    let on = |line: i32| lines.iter().filter(|other| **other == line).count() as f64;
    out.into_iter().map(|(spot, m)| Machine { share: 1.0 / on(spot.line), ..m }).collect()
}

fn run(run: &plan::Run) -> Run {
    Run {
        key: run.key.clone(),
        reference: run.reference.clone(),
        start: run.started_at.timestamp(),
        end: run.ended_at.map_or(i64::MAX, |end| end.timestamp()),
        good_units: run.good_units,
        scrap_units: run.scrap_units,
    }
}

fn span(state: &states::State) -> Span {
    Span {
        state: state.state.clone(),
        start: state.started_at.timestamp(),
        end: state.ended_at.map_or(i64::MAX, |end| end.timestamp()),
    }
}
