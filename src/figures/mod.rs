//! From sums of windows to the figures that people read: means, energies, ratios, coverage.
//!
//! Numbers in, numbers out; knows neither SQL nor Grafana. The definitions are those of
//! docs/definitions.md: ratios are ratios of sums, and what is not known is `None`, never 0.

mod fill;
pub mod levels;
pub mod runs;
pub mod walk;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::catalog::Sensor;
use crate::domain::{MachineState, SensorKind, TimeRange, time::epoch_seconds};
use crate::model::Aggregate;
use crate::plan::{KpiPlan, Rate, Role, Run, SeriesPlan, kwh_per};
use crate::sql::cell::Cell;
pub use fill::fill;

/// Sums of several windows in one bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Sums {
    integral: f64,
    amount: Option<f64>,
    covered_s: f64,
    count: i64,
    sum: f64,
    min: Option<f64>,
    max: Option<f64>,
    first: Option<(f64, f64)>,
    last: Option<(f64, f64)>,
}

impl Sums {
    fn add(&mut self, cell: &Cell) {
        let both = |a: Option<f64>, b: Option<f64>, f: fn(f64, f64) -> f64| match (a, b) {
            (Some(a), Some(b)) => Some(f(a, b)),
            (a, b) => a.or(b),
        };
        self.integral += cell.integral;
        self.amount = both(self.amount, cell.amount, |a, b| a + b);
        self.covered_s += cell.covered_s;
        self.count += cell.count;
        self.sum += cell.sum;
        self.min = both(self.min, cell.min, f64::min);
        self.max = both(self.max, cell.max, f64::max);
        self.first = match (self.first, cell.first) {
            (Some(a), Some(b)) => Some(if b.0 < a.0 { b } else { a }),
            (a, b) => a.or(b),
        };
        self.last = match (self.last, cell.last) {
            (Some(a), Some(b)) => Some(if b.0 > a.0 { b } else { a }),
            (a, b) => a.or(b),
        };
    }

    /// Mean over the covered time; of readings too far apart to cover any, their plain mean.
    fn mean(&self) -> Option<f64> {
        if self.covered_s > 0.0 {
            Some(self.integral / self.covered_s)
        } else if self.count > 0 {
            Some(self.sum / self.count as f64)
        } else {
            None
        }
    }

    fn value(&self, aggregate: Aggregate, sensor: &Sensor) -> Option<f64> {
        match (aggregate, sensor.kind) {
            // Readings as they are have no buckets, and do not come here.
            (Aggregate::Raw, _) => None,
            (Aggregate::Mean, SensorKind::Gauge) => self.mean(),
            (Aggregate::Sum, SensorKind::Gauge) => self.energy(sensor),
            (Aggregate::Mean | Aggregate::Sum, _) => self.amount,
            (Aggregate::Min, _) => self.min,
            (Aggregate::Max, _) => self.max,
            (Aggregate::First, _) => self.first.map(|p| p.1),
            (Aggregate::Last, _) => self.last.map(|p| p.1),
            (Aggregate::Count, _) => Some(self.count as f64),
        }
    }

    /// kWh of a meter: its amount, or the integral of its power over hours.
    fn energy(&self, sensor: &Sensor) -> Option<f64> {
        let factor = kwh_per(&sensor.unit)?;
        match sensor.kind {
            SensorKind::Gauge if self.covered_s > 0.0 => Some(self.integral / 3600.0 * factor),
            SensorKind::Gauge => None,
            _ => self.amount.map(|a| a * factor),
        }
    }
}

/// One series: a value for each bucket, `None` where there is no data.
pub type Values = Vec<Option<f64>>;

/// A sensor, whose kind and unit stand for the part's, and its sums by bucket.
type Part<'a> = (&'a Sensor, Vec<Sums>);

/// The values of each series of the plan, in the order of its buckets.
///
/// Several sensors of one series are pooled: means weighted by time, sums added. Powers are
/// different: the power of a group is the sum of its meters' mean powers.
pub fn series(plan: &SeriesPlan<'_>, cells: &[Cell]) -> Vec<Values> {
    let owner =
        |window: usize| Some((plan.windows.get(window)?.sensor, *plan.series_of.get(window)?));
    pooled(owner, plan.series.len(), plan.edges.len() - 1, plan.aggregate, cells)
}

/// Least and greatest reading of each bucket of each series; `None` for series of which they say
/// nothing: amounts, and powers that are added up.
pub fn extremes(plan: &SeriesPlan<'_>, cells: &[Cell]) -> Vec<Option<(Values, Values)>> {
    let owner =
        |window: usize| Some((plan.windows.get(window)?.sensor, *plan.series_of.get(window)?));
    let of = |aggregate| pooled(owner, plan.series.len(), plan.edges.len() - 1, aggregate, cells);
    let mut sensors: Vec<BTreeMap<i32, &Sensor>> = vec![BTreeMap::new(); plan.series.len()];
    for (window, &series) in plan.windows.iter().zip(&plan.series_of) {
        sensors[series].insert(window.sensor.id, window.sensor);
    }
    let tell = |sensors: &BTreeMap<i32, &Sensor>| {
        plan.aggregate == Aggregate::Mean
            && sensors.values().all(|s| s.kind == SensorKind::Gauge)
            && (sensors.len() == 1 || sensors.values().all(|s| s.quantity != "power"))
    };
    let both = of(Aggregate::Min).into_iter().zip(of(Aggregate::Max));
    both.zip(&sensors).map(|(both, sensors)| tell(sensors).then_some(both)).collect()
}

/// The values of `count` series of so many `buckets`, as [`series`] has them; `owner` tells the
/// sensor and the series of a window.
pub fn pooled<'a>(
    owner: impl Fn(usize) -> Option<(&'a Sensor, usize)>,
    count: usize,
    buckets: usize,
    aggregate: Aggregate,
    cells: &[Cell],
) -> Vec<Values> {
    // By series, then by sensor where sensors are added up and not pooled.
    let mut parts: Vec<BTreeMap<Option<i32>, Part<'_>>> = vec![BTreeMap::new(); count];
    for cell in cells.iter().filter(|c| c.bucket < buckets) {
        let Some((sensor, series)) = owner(cell.window) else { continue };
        let apart = matches!(aggregate, Aggregate::Mean | Aggregate::Sum)
            && sensor.kind == SensorKind::Gauge
            && sensor.quantity == "power";
        let (_, sums) = parts[series]
            .entry(apart.then_some(sensor.id))
            .or_insert_with(|| (sensor, vec![Sums::default(); buckets]));
        sums[cell.bucket].add(cell);
    }
    let value = |(sensor, sums): &Part<'_>, bucket: usize| {
        let s = &sums[bucket];
        // A bucket without readings is empty, not a count of zero.
        let empty = s.count == 0 && s.covered_s == 0.0 && s.amount.is_none();
        if empty { None } else { s.value(aggregate, sensor) }
    };
    let total =
        |parts: &BTreeMap<_, _>, bucket| parts.values().map(|p| value(p, bucket)).fold(None, plus);
    parts.iter().map(|parts| (0..buckets).map(|b| total(parts, b)).collect()).collect()
}

/// The figures of one group in one bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Figures {
    /// kWh.
    pub energy: Option<f64>,
    /// Cost of the energy in the plant's currency; `None` where no tariff is valid for a part of it.
    pub cost: Option<f64>,
    /// kg CO2 of the energy by the mean of the grid; `None` where no factor is valid for a part.
    pub co2: Option<f64>,
    /// kg CO2 of the energy by its contract, alike.
    pub co2_market_based: Option<f64>,
    /// Good units, runs' units shared in proportion to time where a bucket cuts them.
    pub good_units: f64,
    /// Scrapped units, shared alike.
    pub scrap_units: f64,
    /// Runs, and those of them whose good and whose scrapped units are known.
    pub runs: [u32; 3],
    /// Degrees Celsius, weighted by time.
    pub mean_temperature: Option<f64>,
    /// What the machines were doing.
    pub machines: MachineSums,
    /// Share of the meters' time with data, 0 to 1; `None` without meters.
    pub coverage: Option<f64>,
    /// True when an open run is part of it.
    pub provisional: bool,
}

/// Time of machines, added up over the machines.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct MachineSums {
    /// Seconds in which a machine was running.
    pub running_s: f64,
    /// Seconds in which a machine was switched off.
    pub off_s: f64,
    /// Seconds in which its state is known.
    pub known_s: f64,
}

impl MachineSums {
    fn add(&mut self, state: MachineState, seconds: f64) {
        self.known_s += seconds;
        match state {
            MachineState::Running => self.running_s += seconds,
            MachineState::Off => self.off_s += seconds,
            MachineState::Idle | MachineState::Setup | MachineState::Stopped => {}
        }
    }

    /// Running time over the time in which the machines are not off, 0 to 1; `None` without any.
    pub fn availability(&self) -> Option<f64> {
        ratio(self.running_s, self.known_s - self.off_s)
    }

    /// Hours with a known state; `None` without any.
    pub fn hours(&self) -> Option<f64> {
        (self.known_s > 0.0).then_some(self.known_s / 3600.0)
    }
}

impl Figures {
    /// kWh per good unit: total energy over total units; `None` without units.
    pub fn energy_per_good_unit(&self) -> Option<f64> {
        self.per_good_unit(self.energy)
    }

    /// Currency per good unit: total cost over total units; `None` without units.
    pub fn cost_per_good_unit(&self) -> Option<f64> {
        self.per_good_unit(self.cost)
    }

    /// kg CO2 per good unit: total emissions over total units; `None` without units.
    pub fn co2_per_good_unit(&self) -> Option<f64> {
        self.per_good_unit(self.co2)
    }

    /// Good units; `None` where runs were made and none says how many.
    pub fn good_units(&self) -> Option<f64> {
        let [runs, known, _] = self.runs;
        (runs == 0 || known > 0).then_some(self.good_units)
    }

    /// Scrapped units, alike.
    pub fn scrap_units(&self) -> Option<f64> {
        let [runs, _, known] = self.runs;
        (runs == 0 || known > 0).then_some(self.scrap_units)
    }

    fn per_good_unit(&self, total: Option<f64>) -> Option<f64> {
        total.filter(|_| self.good_units > 0.0).map(|t| t / self.good_units)
    }
}

/// Energy with what it costs and emits. A part without a rate makes the whole unknown.
#[derive(Debug, Clone, Copy, Default)]
struct Used {
    energy: Option<f64>,
    cost: Known,
    co2: Known,
    co2_market_based: Known,
}

/// A sum of products, unless one of them is unknown.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    sum: Option<f64>,
    unknown: bool,
}

impl Known {
    fn add(&mut self, amount: f64, rate: Option<f64>) {
        match rate {
            Some(rate) => self.sum = plus(self.sum, Some(amount * rate)),
            None => self.unknown = true,
        }
    }

    fn value(self) -> Option<f64> {
        self.sum.filter(|_| !self.unknown)
    }
}

impl Used {
    fn add(&mut self, energy: Option<f64>, rate: Rate) {
        self.energy = plus(self.energy, energy);
        let Some(energy) = energy else { return };
        self.cost.add(energy, rate.price);
        self.co2.add(energy, rate.location_based);
        self.co2_market_based.add(energy, rate.market_based);
    }

    fn figures(&self) -> Figures {
        Figures {
            energy: self.energy,
            cost: self.cost.value(),
            co2: self.co2.value(),
            co2_market_based: self.co2_market_based.value(),
            ..Figures::default()
        }
    }
}

/// Plants whose energy has no rate for a part of the time, by row id.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Missing {
    /// No tariff.
    pub price: BTreeSet<i32>,
    /// No location-based factor.
    pub location_based: BTreeSet<i32>,
    /// No market-based factor.
    pub market_based: BTreeSet<i32>,
}

impl Missing {
    fn note(&mut self, plant: i32, rate: Rate) {
        for (rate, plants) in [
            (rate.price, &mut self.price),
            (rate.location_based, &mut self.location_based),
            (rate.market_based, &mut self.market_based),
        ] {
            if rate.is_none() {
                plants.insert(plant);
            }
        }
    }
}

/// Figures of a KPI query.
#[derive(Debug, Clone, PartialEq)]
pub struct KpiFigures {
    /// By group, then by bucket.
    pub groups: Vec<Vec<Figures>>,
    /// By bucket: energy of the whole place that no group accounts for, with its cost and
    /// emissions; empty unless balanced.
    pub unallocated: Vec<Figures>,
    /// Where prices and factors are missing.
    pub missing: Missing,
    /// Coverage over all groups, 0 to 1.
    pub coverage: Option<f64>,
}

/// The figures of a KPI plan from its cells and runs.
pub fn kpi(plan: &KpiPlan<'_>, runs: &[Run], cells: &[Cell], now: DateTime<Utc>) -> KpiFigures {
    let buckets = plan.edges.len() - 1;
    let mut figures = vec![vec![Figures::default(); buckets]; plan.groups.len()];
    let mut used = vec![vec![Used::default(); buckets]; plan.groups.len()];
    let mut total = vec![Used::default(); buckets];
    let mut missing = Missing::default();
    let mut heat = vec![vec![Sums::default(); buckets]; plan.groups.len()];
    let mut covered = vec![vec![0.0; buckets]; plan.groups.len()];
    let mut expected = vec![vec![0.0; buckets]; plan.groups.len()];

    for part in &plan.windows {
        if let Role::Energy(group) = part.role {
            for (bucket, inside) in overlaps(&plan.edges, part.window.range) {
                expected[group][bucket] += inside.seconds();
            }
        }
    }
    for cell in cells {
        let Some(bucket) = plan.slices.bucket(cell.bucket) else { continue };
        let Some(part) = plan.windows.get(cell.window) else { continue };
        let mut sums = Sums::default();
        sums.add(cell);
        let sensor = part.window.sensor;
        let (energy, rate) = (sums.energy(sensor), plan.slices.rate(sensor.plant, cell.bucket));
        match part.role {
            Role::Energy(group) => {
                used[group][bucket].add(energy, rate);
                covered[group][bucket] += cell.covered_s;
            }
            Role::Temperature(group) => heat[group][bucket].add(cell),
            Role::Total => total[bucket].add(energy, rate),
        }
        if energy.is_some() && !matches!(part.role, Role::Temperature(_)) {
            missing.note(sensor.plant, rate);
        }
    }
    let mut machines = vec![vec![MachineSums::default(); buckets]; plan.groups.len()];
    for time in &plan.machine_time {
        for (bucket, inside) in overlaps(&plan.edges, time.range) {
            machines[time.group][bucket].add(time.state, inside.seconds());
        }
    }
    for (index, group) in plan.groups.iter().enumerate() {
        for (slot, used) in figures[index].iter_mut().zip(&used[index]) {
            *slot = used.figures();
        }
        for &(run, range) in &group.runs {
            let Some(run) = runs.get(run) else { continue };
            for (bucket, inside) in overlaps(&plan.edges, range) {
                let slot = &mut figures[index][bucket];
                let share = run.share(inside, now);
                slot.good_units += run.good() * share;
                slot.scrap_units += run.scrap() * share;
                let known = [true, run.good_units.is_some(), run.scrap_units.is_some()];
                for (count, known) in slot.runs.iter_mut().zip(known) {
                    *count += u32::from(known);
                }
                slot.provisional |= run.ended_at.is_none();
            }
        }
        for bucket in 0..buckets {
            let slot = &mut figures[index][bucket];
            slot.mean_temperature = heat[index][bucket].mean();
            slot.machines = machines[index][bucket];
            slot.coverage = ratio(covered[index][bucket], expected[index][bucket]);
        }
    }
    let unallocated = if plan.balanced {
        let of_bucket = |bucket: usize| figures.iter().map(move |group| group[bucket]);
        total.iter().enumerate().map(|(b, total)| rest(total.figures(), of_bucket(b))).collect()
    } else {
        Vec::new()
    };
    let coverage = ratio(covered.iter().flatten().sum(), expected.iter().flatten().sum());
    KpiFigures { groups: figures, unallocated, missing, coverage }
}

/// What the parts leave of the whole. What it costs is not known when that of a part is not.
fn rest(whole: Figures, parts: impl Iterator<Item = Figures> + Clone) -> Figures {
    let energy: f64 = parts.clone().filter_map(|p| p.energy).sum();
    let left = |whole: Option<f64>, of: fn(&Figures) -> Option<f64>| {
        let parts = parts.clone().filter(|p| p.energy.is_some()).map(|p| of(&p));
        Some(whole? - parts.sum::<Option<f64>>()?)
    };
    Figures {
        energy: whole.energy.map(|whole| whole - energy),
        cost: left(whole.cost, |p| p.cost),
        co2: left(whole.co2, |p| p.co2),
        co2_market_based: left(whole.co2_market_based, |p| p.co2_market_based),
        ..Figures::default()
    }
}

/// kWh of each run from the cells of [`crate::plan::run_energy`]'s windows.
pub fn energy_by_run(windows: &[(usize, &Sensor)], cells: &[Cell]) -> BTreeMap<usize, f64> {
    let mut energy = BTreeMap::new();
    for cell in cells {
        let Some((run, sensor)) = windows.get(cell.window) else { continue };
        let mut sums = Sums::default();
        sums.add(cell);
        if let Some(kwh) = sums.energy(sensor) {
            *energy.entry(*run).or_insert(0.0) += kwh;
        }
    }
    energy
}

/// Energy of a place between two edges, and how far it is known.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Metered {
    /// kWh; `None` where no meter says anything.
    pub kwh: Option<f64>,
    /// Share of the time that `kwh` stands for, 0 to 1: where the power is not known, and before the
    /// first and after the last reading of a counter.
    pub share: f64,
    /// Whether the energy is known to lie where it is said to: across a gap in a counter it is spread
    /// evenly, which is no measurement.
    pub is_certain: bool,
}

/// Energy of each of `count` places between `edges`; `windows` has the place and the meter of each
/// window.
pub fn metered(
    windows: &[(usize, &Sensor)],
    count: usize,
    edges: &[DateTime<Utc>],
    cells: &[Cell],
) -> Vec<Vec<Metered>> {
    let buckets = edges.len().saturating_sub(1);
    let mut out = vec![vec![Metered::default(); buckets]; count];
    let mut covered = vec![vec![0.0; buckets]; count];
    let mut meters = vec![0usize; count];
    let mut has_gauge = vec![false; count];
    for &(place, sensor) in windows {
        meters[place] += 1;
        has_gauge[place] |= sensor.kind == SensorKind::Gauge;
    }
    for cell in cells.iter().filter(|c| c.bucket < buckets) {
        let Some(&(place, sensor)) = windows.get(cell.window) else { continue };
        let mut sums = Sums::default();
        sums.add(cell);
        let slot = &mut out[place][cell.bucket].kwh;
        *slot = plus(*slot, sums.energy(sensor));
        covered[place][cell.bucket] += cell.covered_s;
    }
    for (place, list) in out.iter_mut().enumerate() {
        let first = list.iter().position(|m| m.kwh.is_some());
        let last = list.iter().rposition(|m| m.kwh.is_some());
        for (bucket, metered) in list.iter_mut().enumerate().filter(|(_, m)| m.kwh.is_some()) {
            let seconds = epoch_seconds(edges[bucket + 1]) - epoch_seconds(edges[bucket]);
            let share =
                ratio(covered[place][bucket], seconds * meters[place] as f64).unwrap_or(0.0);
            let at_an_end = Some(bucket) == first || Some(bucket) == last;
            metered.share = if has_gauge[place] || at_an_end { share } else { 1.0 };
            metered.is_certain = share >= 0.5;
        }
    }
    out
}

fn plus(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a + b),
        (a, b) => a.or(b),
    }
}

fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| (part / whole).clamp(0.0, 1.0))
}

/// The buckets that a range touches, with the part inside each.
fn overlaps(
    edges: &[DateTime<Utc>],
    range: TimeRange,
) -> impl Iterator<Item = (usize, TimeRange)> + '_ {
    let start = edges.partition_point(|e| *e <= range.from()).saturating_sub(1);
    edges[start..].windows(2).enumerate().map_while(move |(i, pair)| {
        if epoch_seconds(pair[0]) >= epoch_seconds(range.to()) {
            return None;
        }
        Some((start + i, range.clip(pair[0], Some(pair[1]))?))
    })
}

#[cfg(test)]
mod tests;
