//! The slow, obviously right answers: from the raw readings of the world, one after the other.
//!
//! Shares nothing with the planner but the definitions of docs/definitions.md.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate, Timelike};
use lotwise::catalog::Sensor;
use lotwise::domain::SensorKind;

use super::question::Question;
use super::world::{NOW, Run, SECOND, World};
use super::{Expected, HOUR, at, expected};

/// Values by labels (`plant=p0,line=l1|energy`), one a bucket or one alone.
pub type Answer = BTreeMap<String, Vec<Option<f64>>>;

/// A sensor (by place in the list) over an interval.
type Window = (usize, i64, i64);

const MINUTE: i64 = 60 * SECOND;

/// The places of a question.
struct Places {
    plants: Vec<usize>,
    lines: Vec<usize>,
    machines: Vec<usize>,
    level: Node,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    Plant(usize),
    Line(usize),
    Machine(usize),
}

fn places(world: &World, question: &Question) -> Places {
    let or_all = |picked: &[usize], n: usize| match picked {
        [] => (0..n).collect(),
        picked => picked.to_vec(),
    };
    let plants: Vec<usize> = or_all(&question.plants, world.plants.len());
    let mut lines: Vec<usize> = or_all(&question.lines, world.lines.len());
    lines.retain(|l| plants.contains(&world.lines[*l].plant));
    let mut machines: Vec<usize> = or_all(&question.machines, world.machines.len());
    machines.retain(|m| lines.contains(&world.machines[*m].line));
    let level = if !question.machines.is_empty() {
        // Lines without a machine that was picked are not meant.
        lines.retain(|l| machines.iter().any(|m| world.machines[*m].line == *l));
        Node::Machine(0)
    } else if !question.lines.is_empty() {
        Node::Line(0)
    } else {
        Node::Plant(0)
    };
    Places { plants, lines, machines, level }
}

impl Places {
    fn nodes(&self) -> Vec<Node> {
        match self.level {
            Node::Plant(_) => self.plants.iter().map(|p| Node::Plant(*p)).collect(),
            Node::Line(_) => self.lines.iter().map(|l| Node::Line(*l)).collect(),
            Node::Machine(_) => self.machines.iter().map(|m| Node::Machine(*m)).collect(),
        }
    }

    fn has(&self, run: &Run) -> bool {
        self.lines.contains(&run.line) && run.machine.is_none_or(|m| self.machines.contains(&m))
    }
}

fn id(place: usize) -> i32 {
    place as i32 + 1
}

/// Is the sensor on the place itself?
fn is_on(s: &Sensor, node: Node) -> bool {
    match node {
        Node::Plant(p) => s.plant == id(p) && s.line.is_none(),
        Node::Line(l) => s.line == Some(id(l)) && s.machine.is_none(),
        Node::Machine(m) => s.machine == Some(id(m)),
    }
}

fn is_in(s: &Sensor, node: Node) -> bool {
    match node {
        Node::Plant(p) => s.plant == id(p),
        Node::Line(l) => s.line == Some(id(l)),
        Node::Machine(m) => s.machine == Some(id(m)),
    }
}

/// The meters of a place: its own, energy before power, else those of the places inside.
fn meters(world: &World, node: Node) -> Vec<usize> {
    let own = |quantity: &str| -> Vec<usize> {
        let of =
            |i: &usize| is_on(&world.sensors[*i], node) && world.sensors[*i].quantity == quantity;
        (0..world.sensors.len()).filter(of).collect()
    };
    let inside: Vec<Node> = match node {
        Node::Plant(p) => {
            (0..world.lines.len()).filter(|l| world.lines[*l].plant == p).map(Node::Line).collect()
        }
        Node::Line(l) => (0..world.machines.len())
            .filter(|m| world.machines[*m].line == l)
            .map(Node::Machine)
            .collect(),
        Node::Machine(_) => Vec::new(),
    };
    match (own("energy"), own("power")) {
        (energy, _) if !energy.is_empty() => energy,
        (_, power) if !power.is_empty() => power,
        _ => inside.into_iter().flat_map(|n| meters(world, n)).collect(),
    }
}

fn thermometers(world: &World, node: Node) -> Vec<usize> {
    let of =
        |i: &usize| world.sensors[*i].quantity == "temperature" && is_in(&world.sensors[*i], node);
    (0..world.sensors.len()).filter(of).collect()
}

fn sums(world: &World, (sensor, lo, hi): Window) -> Expected {
    if hi <= lo {
        return Expected::default();
    }
    expected(&world.sensors[sensor], &world.readings[sensor], lo, hi)
}

fn kwh(sensor: &Sensor, sums: &Expected) -> Option<f64> {
    let factor = match sensor.unit.as_str() {
        "kWh" | "kW" => 1.0,
        "Wh" | "W" => 0.001,
        "MJ" => 1.0 / 3.6,
        unit => panic!("{unit}"),
    };
    match sensor.kind {
        SensorKind::Gauge => (sums.covered_s > 0.0).then_some(sums.integral / 3_600.0 * factor),
        _ => sums.has_amount.then_some(sums.amount * factor),
    }
}

fn plus(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a + b),
        (a, b) => a.or(b),
    }
}

fn clip(lo: i64, hi: i64, (a, b): (i64, i64)) -> (i64, i64) {
    (lo.max(a), hi.min(b))
}

/// Edges of the buckets around a range: minute by minute, wherever the plant's clock says that
/// another one begins.
pub fn edges(world: &World, plant: usize, bucket: &str, from: i64, to: i64) -> Vec<i64> {
    if bucket == "whole" {
        return vec![from, to];
    }
    let plant = &world.plants[plant];
    let midnight = |t: i64| {
        let mut t = t / MINUTE * MINUTE;
        let day = at(t).with_timezone(&plant.zone).date_naive();
        while at(t - MINUTE).with_timezone(&plant.zone).date_naive() == day {
            t -= MINUTE;
        }
        t
    };
    let mut known: (Option<NaiveDate>, i64) = (None, 0);
    let mut begins = |t: i64| -> bool {
        let local = at(t).with_timezone(&plant.zone).naive_local();
        if known.0 != Some(local.date()) {
            known = (Some(local.date()), midnight(t));
        }
        let since = (t - known.1) / SECOND;
        let is_midnight = since == 0;
        match bucket {
            "hour" => since % 3_600 == 0,
            "15m" => since % 900 == 0,
            "10m" => since % 600 == 0,
            "2h" => since % 7_200 == 0,
            "day" => is_midnight,
            "week" => is_midnight && local.weekday().num_days_from_monday() == 0,
            "shift" => {
                let of_day = local.num_seconds_from_midnight();
                let before = at(t - MINUTE).with_timezone(&plant.zone).naive_local();
                plant.shifts.contains(&of_day)
                    // A clock that is put back strikes twice: the first one counts.
                    && before < local
            }
            other => panic!("{other}"),
        }
    };
    let mut first = from / MINUTE * MINUTE;
    while !begins(first) {
        first -= MINUTE;
    }
    let mut edges = vec![first];
    while edges[edges.len() - 1] < to {
        let mut next = edges[edges.len() - 1] + MINUTE;
        while !begins(next) {
            next += MINUTE;
        }
        edges.push(next);
    }
    edges
}

fn passes(world: &World, question: &Question, run: &Run) -> bool {
    let any = |picked: &[usize], one: Option<usize>| {
        picked.is_empty() || one.is_some_and(|o| picked.contains(&o))
    };
    any(&question.references, Some(world.lots[run.lot].1))
        && any(&question.lots, Some(run.lot))
        && any(&question.operators, run.operator)
}

#[derive(Default)]
struct Group {
    meters: Vec<Window>,
    thermometers: Vec<Window>,
    runs: Vec<(usize, i64, i64)>,
}

pub fn kpi(world: &World, question: &Question) -> Answer {
    let places = places(world, question);
    let edges = edges(world, places.plants[0], question.bucket, question.from, question.to);
    let (from, to) = (question.from, question.to.min(NOW));
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    let by_runs = question.is_restricted() || question.is_by_context();
    if by_runs {
        for (index, run) in world.runs.iter().enumerate() {
            let (lo, hi) = clip(from, to, (run.from, run.end()));
            if !places.has(run) || !passes(world, question, run) || hi <= lo {
                continue;
            }
            let machines = || {
                places
                    .machines
                    .iter()
                    .filter(|m| world.machines[**m].line == run.line)
                    .filter(|m| run.machine.is_none_or(|r| r == **m))
                    .map(|m| Node::Machine(*m))
                    .collect()
            };
            let nodes: Vec<Node> = match (run.machine, question.group, places.level) {
                (_, "machine", _) => machines(),
                (Some(machine), ..) => vec![Node::Machine(machine)],
                (None, _, Node::Machine(_)) => machines(),
                (None, ..) => vec![Node::Line(run.line)],
            };
            for node in nodes {
                let group = groups.entry(label(world, question, node, Some(run))).or_default();
                let entry = (index, lo, hi);
                if !group.runs.contains(&entry) {
                    group.runs.push(entry);
                }
                group.meters.extend(meters(world, node).into_iter().map(|s| (s, lo, hi)));
                group
                    .thermometers
                    .extend(thermometers(world, node).into_iter().map(|s| (s, lo, hi)));
            }
        }
    } else {
        let nodes: Vec<Node> = match question.group {
            "line" => places.lines.iter().map(|l| Node::Line(*l)).collect(),
            "machine" => places.machines.iter().map(|m| Node::Machine(*m)).collect(),
            _ => places.nodes(),
        };
        for node in nodes {
            let group = groups.entry(label(world, question, node, None)).or_default();
            group.meters.extend(meters(world, node).into_iter().map(|s| (s, from, to)));
            group.thermometers.extend(thermometers(world, node).into_iter().map(|s| (s, from, to)));
            for (index, run) in world.runs.iter().enumerate() {
                let (lo, hi) = clip(from, to, (run.from, run.end()));
                let here = match node {
                    Node::Plant(p) => run.plant == p,
                    Node::Line(l) => run.line == l,
                    Node::Machine(m) => match run.machine {
                        Some(machine) => machine == m,
                        None => world.machines[m].line == run.line,
                    },
                };
                let entry = (index, lo, hi);
                if places.has(run) && here && hi > lo && !group.runs.contains(&entry) {
                    group.runs.push(entry);
                }
            }
        }
    }
    let mut answer = Answer::new();
    let mut allocated: Vec<BTreeMap<&str, Option<f64>>> = vec![BTreeMap::new(); edges.len() - 1];
    for (labels, group) in &groups {
        for (bucket, edge) in edges.windows(2).enumerate() {
            let figures = figures(world, group, (edge[0], edge[1]));
            let without = ["good_units", "scrap_units", "mean_temperature"];
            let is_metered = question.kpis.iter().any(|k| !without.contains(k));
            if question.bucket == "whole" && is_metered && figures["coverage"].is_some() {
                answer.insert(format!("{labels}|coverage"), vec![figures["coverage"]]);
            }
            for kpi in &question.kpis {
                let value = figures.get(kpi).copied().flatten();
                answer.entry(format!("{labels}|{kpi}")).or_default().push(value);
            }
            if figures["energy"].is_some() {
                for kpi in ["energy", "cost", "co2", "co2_market_based"] {
                    let sum = allocated[bucket].entry(kpi).or_insert(Some(0.0));
                    *sum = sum.zip(figures[kpi]).map(|(a, b)| a + b);
                }
            }
        }
    }
    let balanced = ["energy", "cost", "co2", "co2_market_based"];
    if !question.is_restricted()
        && !["none", "plant"].contains(&question.group)
        && question.kpis.iter().any(|k| balanced.contains(k))
    {
        let windows = places.nodes().into_iter().flat_map(|n| meters(world, n));
        let meters = windows.map(|s| (s, from, to)).collect();
        let whole = Group { meters, ..Group::default() };
        for (bucket, edge) in edges.windows(2).enumerate() {
            let figures = figures(world, &whole, (edge[0], edge[1]));
            for kpi in question.kpis.iter().filter(|k| balanced.contains(k)) {
                let parts = allocated[bucket].get(kpi).copied().unwrap_or(Some(0.0));
                let rest = figures[kpi].zip(parts).map(|(whole, parts)| whole - parts);
                answer.entry(format!("unallocated|{kpi}")).or_default().push(rest);
            }
        }
    }
    answer
}

/// Every KPI of a group in one bucket.
fn figures(
    world: &World,
    group: &Group,
    bucket: (i64, i64),
) -> BTreeMap<&'static str, Option<f64>> {
    let mut energy = None;
    let (mut covered, mut asked) = (0.0, 0.0);
    // What is not known of a part is not known of the whole.
    let mut rated: [(Option<f64>, bool); 3] = [(None, true); 3];
    for (sensor, lo, hi) in &group.meters {
        let (lo, hi) = clip(*lo, *hi, bucket);
        if hi <= lo {
            continue;
        }
        let all = sums(world, (*sensor, lo, hi));
        covered += all.covered_s;
        asked += (hi - lo) as f64 / 1e6;
        energy = plus(energy, kwh(&world.sensors[*sensor], &all));
        // Prices change at quarters of an hour at the most.
        let mut start = lo;
        while start < hi {
            let end = hi.min((start / (15 * MINUTE) + 1) * 15 * MINUTE);
            if let Some(part) = kwh(&world.sensors[*sensor], &sums(world, (*sensor, start, end))) {
                let plant = world.sensors[*sensor].plant as usize - 1;
                for (slot, rate) in rated.iter_mut().zip(rates(world, plant, start)) {
                    match rate {
                        Some(rate) => slot.0 = plus(slot.0, Some(part * rate)),
                        None => slot.1 = false,
                    }
                }
            }
            start = end;
        }
    }
    let rated = rated.map(|(sum, known)| sum.filter(|_| known));
    let (mut good, mut scrap) = (0.0, 0.0);
    // Not counted is not zero: of the runs that the bucket touches, one must say how many.
    let (mut touched, mut says_good, mut says_scrap) = (false, false, false);
    for (run, lo, hi) in &group.runs {
        let run = &world.runs[*run];
        let (lo, hi) = clip(*lo, *hi, bucket);
        if hi > lo {
            touched = true;
            says_good |= run.good.is_some();
            says_scrap |= run.scrap.is_some();
        }
        let share = (hi - lo).max(0) as f64 / (run.end() - run.from) as f64;
        good += run.good.unwrap_or(0.0) * share;
        scrap += run.scrap.unwrap_or(0.0) * share;
    }
    let mut heat = Pool::default();
    for (sensor, lo, hi) in &group.thermometers {
        let (lo, hi) = clip(*lo, *hi, bucket);
        heat.add(&sums(world, (*sensor, lo, hi)));
    }
    let per_unit = |total: Option<f64>| total.filter(|_| good > 0.0).map(|t| t / good);
    BTreeMap::from([
        ("energy", energy),
        ("energy_per_good_unit", per_unit(energy)),
        ("cost", rated[0]),
        ("cost_per_good_unit", per_unit(rated[0])),
        ("co2", rated[1]),
        ("co2_per_good_unit", per_unit(rated[1])),
        ("co2_market_based", rated[2]),
        ("good_units", Some(good).filter(|_| says_good || !touched)),
        ("scrap_units", Some(scrap).filter(|_| says_scrap || !touched)),
        ("mean_temperature", heat.mean()),
        ("coverage", (asked > 0.0).then(|| (covered / asked).clamp(0.0, 1.0))),
    ])
}

/// Price, and CO2 by location and by contract, at an instant.
fn rates(world: &World, plant: usize, t: i64) -> [Option<f64>; 3] {
    let plant = &world.plants[plant];
    let local = at(t).with_timezone(&plant.zone).naive_local();
    let tariff = plant.tariffs.iter().rfind(|v| v.0 <= local.date());
    let factor = plant.factors.iter().rfind(|v| v.0 <= local.date());
    [
        tariff.map(|t| if local.hour() < 8 { t.1 } else { t.2 }),
        factor.map(|f| f.1),
        factor.map(|f| f.2),
    ]
}

fn label(world: &World, question: &Question, node: Node, run: Option<&Run>) -> String {
    let node = match (question.group, run) {
        ("line", Some(run)) => Node::Line(run.line),
        ("plant", Some(run)) => Node::Plant(run.plant),
        _ => node,
    };
    let (plant, line) = match node {
        Node::Plant(p) => (p, None),
        Node::Line(l) => (world.lines[l].plant, Some(l)),
        Node::Machine(m) => (world.machines[m].plant, Some(world.machines[m].line)),
    };
    let plant = ("plant", world.plants[plant].key.clone());
    let line = ("line", line.map(|l| world.lines[l].key.clone()).unwrap_or_default());
    joined(match (question.group, node, run) {
        ("none", ..) => vec![],
        ("line", ..) => vec![line, plant],
        ("machine", Node::Machine(m), _) => {
            vec![line, ("machine", world.machines[m].key.clone()), plant]
        }
        ("reference", _, Some(run)) => {
            vec![plant, ("reference", format!("r{}", world.lots[run.lot].1))]
        }
        ("lot", _, Some(run)) => vec![plant, ("lot", format!("b{}", run.lot))],
        ("operator", _, Some(run)) => {
            vec![plant, ("operator", run.operator.map(|o| format!("o{o}")).unwrap_or_default())]
        }
        _ => vec![plant],
    })
}

/// Sums of several windows.
#[derive(Default)]
struct Pool {
    all: Expected,
    first: Option<(i64, f64)>,
    last: Option<(i64, f64)>,
}

impl Pool {
    fn add(&mut self, part: &Expected) {
        let all = &mut self.all;
        all.integral += part.integral;
        all.has_amount |= part.has_amount;
        all.amount += part.amount;
        all.covered_s += part.covered_s;
        all.count += part.count;
        all.sum += part.sum;
        let both = |a: Option<f64>, b: Option<f64>, f: fn(f64, f64) -> f64| match (a, b) {
            (Some(a), Some(b)) => Some(f(a, b)),
            (a, b) => a.or(b),
        };
        all.min = both(all.min, part.min, f64::min);
        all.max = both(all.max, part.max, f64::max);
    }

    fn mean(&self) -> Option<f64> {
        let Expected { covered_s, integral, count, sum, .. } = self.all;
        if covered_s > 0.0 {
            return Some(integral / covered_s);
        }
        (count > 0).then(|| sum / count as f64)
    }

    fn value(&self, sensor: &Sensor, aggregate: &str) -> Option<f64> {
        let all = &self.all;
        if all.count == 0 && all.covered_s == 0.0 && !all.has_amount {
            return None;
        }
        match (aggregate, sensor.kind) {
            ("mean", SensorKind::Gauge) => self.mean(),
            ("sum", SensorKind::Gauge) => kwh(sensor, all),
            ("mean" | "sum", _) => all.has_amount.then_some(all.amount),
            ("min", _) => all.min,
            ("max", _) => all.max,
            ("first", _) => self.first.map(|p| p.1),
            ("last", _) => self.last.map(|p| p.1),
            ("count", _) => Some(all.count as f64),
            (other, _) => panic!("{other}"),
        }
    }
}

/// One value of several windows of sensors of one kind; powers are added up.
fn pooled(world: &World, windows: &[Window], question: &Question) -> Option<f64> {
    let mut pools: BTreeMap<usize, Pool> = BTreeMap::new();
    for (sensor, lo, hi) in windows.iter().filter(|w| w.1 < w.2) {
        let apart = ["mean", "sum"].contains(&question.aggregate) && question.quantity == "power";
        let pool = pools.entry(if apart { *sensor } else { windows[0].0 }).or_default();
        let part = sums(world, (*sensor, *lo, *hi));
        pool.add(&part);
        if !["first", "last"].contains(&question.aggregate) {
            continue;
        }
        let delta = world.sensors[*sensor].kind == SensorKind::Delta;
        for &(t, v) in &world.readings[*sensor] {
            if if delta { t > *lo && t <= *hi } else { t >= *lo && t < *hi } {
                // Of two at the same instant any may be the one.
                if pool.first.is_none_or(|f| t < f.0) {
                    pool.first = Some((t, v));
                }
                if pool.last.is_none_or(|l| t > l.0) {
                    pool.last = Some((t, v));
                }
            }
        }
    }
    pools
        .iter()
        .map(|(sensor, pool)| pool.value(&world.sensors[*sensor], question.aggregate))
        .fold(None, plus)
}

/// The sensors of a question, without those that another one of the same series counts already.
fn asked(world: &World, question: &Question, group: &str) -> Vec<usize> {
    let places = places(world, question);
    let all: Vec<usize> = (0..world.sensors.len())
        .filter(|i| {
            let s = &world.sensors[*i];
            s.quantity == question.quantity
                && match places.level {
                    Node::Plant(_) => places.plants.iter().any(|p| s.plant == id(*p)),
                    Node::Line(_) => places.lines.iter().any(|l| s.line == Some(id(*l))),
                    Node::Machine(_) => places.machines.iter().any(|m| s.machine == Some(id(*m))),
                }
        })
        .collect();
    if group == "sensor" || question.quantity == "temperature" {
        return all;
    }
    let is_around = |outer: &Sensor, inner: &Sensor| match (group, outer.line, outer.machine) {
        ("machine", ..) => false,
        // By plant, all of it is one series; else a line is.
        ("plant", None, _) => outer.plant == inner.plant && inner.line.is_some(),
        (_, Some(line), None) => inner.line == Some(line) && inner.machine.is_some(),
        _ => false,
    };
    let is_counted = |i: &usize| {
        let inner = &world.sensors[*i];
        all.iter().any(|o| is_around(&world.sensors[*o], inner))
    };
    all.iter().filter(|i| !is_counted(i)).copied().collect()
}

fn series_label(
    world: &World,
    question: &Question,
    group: &str,
    sensor: usize,
    run: Option<&Run>,
) -> String {
    let s = &world.sensors[sensor];
    let plant = ("plant", world.plants[s.plant as usize - 1].key.clone());
    let line =
        ("line", s.line.map(|l| world.lines[l as usize - 1].key.clone()).unwrap_or_default());
    let machine = (
        "machine",
        s.machine.map(|m| world.machines[m as usize - 1].key.clone()).unwrap_or_default(),
    );
    let mut labels = match (group, run) {
        ("plant", _) => vec![plant],
        ("line", _) => vec![plant, line],
        ("machine", _) => vec![plant, line, machine],
        ("reference", Some(run)) => {
            vec![plant, ("reference", format!("r{}", world.lots[run.lot].1))]
        }
        ("lot", Some(run)) => vec![plant, ("lot", format!("b{}", run.lot))],
        ("operator", Some(run)) => {
            vec![plant, ("operator", run.operator.map(|o| format!("o{o}")).unwrap_or_default())]
        }
        _ => vec![plant, line, machine, ("sensor", s.key.clone())],
    };
    labels.push(("quantity", s.quantity.clone()));
    if let (Some(run), "lots") = (run, question.kind) {
        labels.push(("lot", format!("b{}", run.lot)));
        labels.push(("reference", format!("r{}", world.lots[run.lot].1)));
    }
    // A unit of its own makes a series of its own.
    let unit = match (question.aggregate, s.kind) {
        ("count", _) => String::new(),
        ("sum", SensorKind::Gauge) => "kWh".to_owned(),
        _ => s.unit.clone(),
    };
    labels.push(("unit", unit));
    joined(labels)
}

/// Labels in one order, without empty and repeated ones.
pub fn joined(mut labels: Vec<(&str, String)>) -> String {
    labels.retain(|l| !l.1.is_empty());
    labels.sort();
    labels.dedup();
    let parts: Vec<String> = labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
    parts.join(",")
}

fn concerns(run: &Run, sensor: &Sensor) -> bool {
    sensor.line == Some(id(run.line)) && run.machine.is_none_or(|m| sensor.machine == Some(id(m)))
}

/// None where there is no such sensor, which is an error.
pub fn series(world: &World, question: &Question) -> Option<Answer> {
    let group = if question.group == "none" { "sensor" } else { question.group };
    let sensors = asked(world, question, group);
    // Buckets follow the plant of the first sensor by key.
    let first = sensors_by_key(world, question)?;
    let places = places(world, question);
    let plant = world.sensors[first].plant as usize - 1;
    let edges = edges(world, plant, question.bucket, question.from, question.to);
    let (from, to) = (question.from, question.to.min(NOW));
    let mut windows: BTreeMap<String, Vec<Window>> = BTreeMap::new();
    for sensor in sensors {
        if question.is_restricted() || question.is_by_context() {
            for run in &world.runs {
                let (lo, hi) = clip(from, to, (run.from, run.end()));
                if places.has(run)
                    && passes(world, question, run)
                    && concerns(run, &world.sensors[sensor])
                    && lo < hi
                {
                    let label = series_label(world, question, group, sensor, Some(run));
                    windows.entry(label).or_default().push((sensor, lo, hi));
                }
            }
        } else {
            let label = series_label(world, question, group, sensor, None);
            windows.entry(label).or_default().push((sensor, from, to));
        }
    }
    let value = |windows: &[Window], edge: &[i64]| {
        let parts: Vec<Window> = windows
            .iter()
            .map(|(s, lo, hi)| {
                let (lo, hi) = clip(*lo, *hi, (edge[0], edge[1]));
                (*s, lo, hi)
            })
            .collect();
        pooled(world, &parts, question)
    };
    let of = |(label, windows): (String, Vec<Window>)| {
        (label, edges.windows(2).map(|edge| value(&windows, edge)).collect())
    };
    Some(windows.into_iter().map(of).collect())
}

fn sensors_by_key(world: &World, question: &Question) -> Option<usize> {
    let all = asked(world, question, "sensor");
    all.into_iter().min_by(|a, b| world.sensors[*a].key.cmp(&world.sensors[*b].key))
}

/// None where there is no such sensor.
pub fn lots(world: &World, question: &Question) -> Option<Answer> {
    sensors_by_key(world, question)?;
    let group = if question.group == "none" { "lot" } else { question.group };
    let sensors = asked(world, question, group);
    let places = places(world, question);
    let named = !question.lots.is_empty();
    let candidates: Vec<&Run> = world
        .runs
        .iter()
        .filter(|r| places.has(r) && passes(world, question, r))
        .filter(|r| named || r.from < question.to)
        .collect();
    let mut newest: BTreeMap<usize, i64> = BTreeMap::new();
    for run in candidates {
        let entry = newest.entry(run.lot).or_insert(run.from);
        *entry = (*entry).max(run.from);
    }
    let mut newest: Vec<(usize, i64)> = newest.into_iter().collect();
    newest.sort_by_key(|(_, at)| -at);
    if !named {
        newest.truncate(question.last_lots);
    }
    // All runs of a lot here, whatever else the filters say; those of the future are not there yet.
    let runs_of = |lot: usize| -> Vec<&Run> {
        world.runs.iter().filter(|r| r.lot == lot && places.has(r) && r.from < NOW).collect()
    };
    let spans: BTreeMap<usize, (i64, i64)> = newest
        .iter()
        .filter_map(|(lot, _)| {
            let runs = runs_of(*lot);
            let from = runs.iter().map(|r| r.from).min()?;
            let to = runs.iter().map(|r| r.end().min(NOW)).max()?;
            Some((*lot, (from, to)))
        })
        .collect();
    let longest = spans.values().map(|(from, to)| to - from).max().unwrap_or(0);
    let progress = question.align == "progress";
    let width = if question.bucket == "hour" { HOUR } else { 10 * MINUTE };
    let count = if progress { 100 } else { (longest + width - 1) / width };
    let mut answer = Answer::new();
    let mut windows: BTreeMap<String, (usize, Vec<Window>)> = BTreeMap::new();
    for lot in spans.keys() {
        for run in runs_of(*lot) {
            for sensor in sensors.iter().filter(|s| concerns(run, &world.sensors[**s])) {
                let label = series_label(world, question, group, *sensor, Some(run));
                let entry = windows.entry(label).or_insert((*lot, Vec::new()));
                entry.1.push((*sensor, run.from, run.end()));
            }
        }
    }
    for (label, (lot, windows)) in windows {
        let (from, to) = spans[&lot];
        let edge = |step: i64| match progress {
            true => from + ((to - from) as f64 / 100.0 * step as f64).round() as i64,
            false => from + step * width,
        };
        let own = if progress { 100 } else { (to - from + width - 1) / width };
        let value = |step: i64| {
            if step >= own {
                return None;
            }
            let parts: Vec<Window> = windows
                .iter()
                .map(|(s, lo, hi)| {
                    let (lo, hi) = clip(*lo, *hi, (edge(step), edge(step + 1)));
                    (*s, lo, hi)
                })
                .collect();
            pooled(world, &parts, question)
        };
        answer.insert(label, (0..count).map(value).collect());
    }
    Some(answer)
}
