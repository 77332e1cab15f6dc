//! The robust fit.

use super::linear::{Normal, Solution};
use super::model::{
    Coefficient, Driver, Expected, LEAST_INTERVALS, LEAST_PRODUCING, MOST_CV, Measure, Model,
    Reference, Refusal, effective,
};
use super::observe::{Interval, Made, Observations};
use super::quality::{Quality, quality};
use crate::analytics::robust;

/// Hours in a state without which it has no term of its own.
const LEAST_STATE_HOURS: f64 = 4.0;
/// Tukey's constant: 95 % efficiency for normal deviations (Beaton and Tukey 1974).
const TUKEY: f64 = 4.685;
/// Shares of the energy that may go with the units, and by how much another one must be better than
/// those before it to be believed.
const BY_UNITS: [f64; 5] = [1.0, 0.75, 0.5, 0.25, 0.0];
const WORTH_IT: f64 = 0.98;
/// Least relative scatter of the rates at which lots of a reference are made.
const LEAST_RATE_SIGMA: f64 = 0.03;
/// Rounds of reweighting at most.
const ROUNDS: usize = 40;
/// Believed relative scatter of the references about the machine's model, at least and at most.
const SCATTER: (f64, f64) = (0.05, 1.0);

/// A row of the regression, in mean power.
struct Line {
    row: Vec<(usize, f64)>,
    kw: f64,
    hours: f64,
    kind: Kind,
}

/// Kinds of intervals, whose deviations have a scale of their own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Off,
    Resting,
    Producing,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Off, Self::Resting, Self::Producing];

    fn of(interval: &Interval) -> Self {
        match (interval.production_hours() > 0.0, interval.resting.is_empty()) {
            (true, _) => Self::Producing,
            (false, false) => Self::Resting,
            (false, true) => Self::Off,
        }
    }
}

/// The columns of the regression: base, states, references, drivers.
struct Columns {
    states: Vec<usize>,
    references: usize,
    drivers: usize,
}

impl Columns {
    fn reference(&self, index: usize) -> usize {
        1 + self.states.len() + index
    }

    fn driver(&self, index: usize) -> usize {
        self.reference(self.references) + index
    }

    fn count(&self) -> usize {
        self.driver(2 * self.drivers)
    }

    /// Of the drivers' effect on production.
    fn share(&self, index: usize) -> usize {
        self.driver(self.drivers + index)
    }
}

/// Fits a model to intervals of about the same length, such as hours.
///
/// Least squares on mean powers, reweighted with Tukey's weights from a start by medians, each with
/// the scale of its own kind of interval (off, resting, with production), so that hours at rest fix
/// the base. No coefficient but those of drivers may be negative. Each `k_ref` is shrunk towards the
/// machine's model, that every reference uses the same power while it is made, by how much the
/// references of this machine really differ (empirical Bayes, as in Efron and Morris 1975): a
/// reference with few hours is near the machine's, one with many is its own.
///
/// What it does not see: what was wrong during the whole baseline period; energy that grows with the
/// square of the rate; start-ups, which count as production.
///
/// # Errors
/// [`Refusal`], where the data does not carry a model.
pub fn fit(data: &Observations) -> Result<Model, Refusal> {
    let known = data.intervals.iter().filter(|i| is_known(i)).count();
    if known < LEAST_INTERVALS {
        return Err(Refusal::TooShort { known });
    }
    let usable: Vec<&Interval> = data.intervals.iter().filter(|i| is_known(i)).collect();
    if usable.iter().all(|i| i.energy <= 0.0) {
        return Err(Refusal::NoEnergy);
    }
    let producing = usable.iter().filter(|i| i.production_hours() > 0.0).count();
    if producing < LEAST_PRODUCING {
        return Err(Refusal::NoProduction { producing });
    }
    let totals = totals(data, &usable);
    let drivers = drivers(data, &usable);
    let columns = Columns {
        states: states(data, &usable),
        references: data.references.len(),
        drivers: drivers.len(),
    };
    // Of references that are counted, hours of runs that were not say nothing of energy a unit.
    let is_counted =
        |i: &&&Interval| i.made.iter().all(|m| m.units > 0.0 || totals[m.reference].rate.is_none());
    let usable: Vec<&Interval> = usable.iter().filter(is_counted).copied().collect();

    let enough = enough(&usable);
    let pooled = pooled(&enough, &columns, &drivers).ok_or(Refusal::Numbers)?;
    let production_kw = pooled.values[columns.reference(0)];

    // The machine's model for each reference, kWh a unit or an hour.
    let of = |total: &Total| total.rate.map_or(production_kw, |rate| production_kw / rate);
    let machine: Vec<f64> = totals.iter().map(of).collect();
    let lines = |of: &[&Interval], by_units: f64| {
        lines(of, &columns, &drivers, &totals, production_kw, by_units)
    };
    let mut best: Option<(f64, Fit)> = None;
    for by_units in BY_UNITS {
        let rough = robust_fit(&lines(&enough, by_units), &columns, &machine, SCATTER.1, None);
        let rough = rough.ok_or(Refusal::Numbers)?;
        if best.as_ref().is_none_or(|(_, best)| rough.scale < WORTH_IT * best.scale) {
            best = Some((by_units, rough));
        }
    }
    let (by_units, rough) = best.ok_or(Refusal::Numbers)?;
    let scatter = scatter(&rough, &columns, &machine);
    let start = Some(rough.solution.values);
    let fine = robust_fit(&lines(&usable, by_units), &columns, &machine, scatter, start);
    let fine = fine.ok_or(Refusal::Numbers)?;

    let coefficient = |column: usize| Coefficient {
        value: fine.solution.values[column],
        error: (fine.solution.variances[column] * fine.dependence).sqrt(),
    };
    let references: Vec<Reference> = data
        .references
        .iter()
        .zip(&totals)
        .enumerate()
        .filter(|(_, (_, total))| total.hours > 0.0)
        .map(|(index, (key, total))| {
            let k = coefficient(columns.reference(index));
            let believed = (scatter * machine[index]).powi(2);
            let own = if believed > 0.0 {
                (1.0 - k.error.powi(2) / believed).clamp(0.0, 1.0)
            } else {
                1.0
            };
            let measure = total.rate.map_or(Measure::Hours, |rate| Measure::Units { rate });
            Reference { key: key.clone(), measure, k, own, units: total.units, hours: total.hours }
        })
        .collect();
    let index = references.iter().enumerate().map(|(i, r)| (r.key.clone(), i)).collect();
    let mut model = Model {
        base: coefficient(0),
        states: columns
            .states
            .iter()
            .enumerate()
            .map(|(i, &s)| (data.states[s].clone(), coefficient(1 + i)))
            .collect(),
        drivers: drivers
            .into_iter()
            .enumerate()
            .map(|(i, d)| Driver {
                slope: coefficient(columns.driver(i)),
                share: coefficient(columns.share(i)),
                ..d
            })
            .collect(),
        production_kw,
        by_units,
        coefficients: 1 + columns.states.len() + references.len() + 2 * columns.drivers,
        largest_kw: f64::INFINITY,
        quality: Quality::default(),
        references,
        index,
    };
    let expected: Vec<Expected> = usable.iter().map(|i| model.expected(data, i)).collect();
    let powers = usable.iter().zip(&expected).map(|(i, e)| e.production / i.hours);
    model.largest_kw = powers.fold(0.0, f64::max);
    // What the fit left out as wrong is no fault of the model.
    let kept = usable.iter().zip(&expected).zip(&fine.weights).filter(|(_, w)| **w > 0.0);
    model.quality = quality(kept.map(|((i, e), _)| (i.energy, e.energy)), model.coefficients);
    match model.quality.cv_rmse {
        Some(cv) if cv <= MOST_CV => Ok(model),
        Some(cv) => Err(Refusal::Poor { cv_percent: cv * 100.0 }),
        None => Err(Refusal::TooShort { known: model.quality.n }),
    }
}

/// What the shape of the model is chosen by: all, up to about a year of hours; of more, days that lie
/// evenly in it. Days, because neighbours depend on each other; and of all weekdays.
fn enough<'a>(usable: &[&'a Interval]) -> Vec<&'a Interval> {
    const HOURS: usize = 8_784;
    const DAY: usize = 24;
    let every = match usable.len().div_ceil(HOURS).max(1) {
        every if every.is_multiple_of(7) => every + 1,
        every => every,
    };
    usable.chunks(DAY).step_by(every).flatten().copied().collect()
}

fn is_known(interval: &Interval) -> bool {
    interval.energy.is_finite() && interval.hours > 0.0 && interval.hours.is_finite()
}

/// What was made of a reference.
#[derive(Clone, Copy, Default)]
struct Total {
    /// Units that were counted.
    units: f64,
    /// Hours in which they were made; where none were counted, all hours of production.
    hours: f64,
    /// Units an hour that it is usually made at; `None` where nobody counts.
    rate: Option<f64>,
}

fn totals(data: &Observations, usable: &[&Interval]) -> Vec<Total> {
    let mut counted: Vec<Vec<&Made>> = vec![Vec::new(); data.references.len()];
    let mut all_hours = vec![0.0; data.references.len()];
    for made in usable.iter().flat_map(|i| &i.made) {
        all_hours[made.reference] += made.hours;
        // Hours that were not counted would make the rate too small.
        if made.units > 0.0 && made.hours > 0.0 {
            counted[made.reference].push(made);
        }
    }
    let total = |(made, hours): (&Vec<&Made>, f64)| match made.is_empty() {
        true => Total { hours, ..Total::default() },
        false => Total {
            units: made.iter().map(|made| made.units).sum(),
            hours: made.iter().map(|made| made.hours).sum(),
            rate: usual_rate(made),
        },
    };
    counted.iter().zip(all_hours).map(total).collect()
}

/// Mean rate, without what was made at quite another one than the median: lots with a wrong label,
/// whose power may well be that of the reference they are said to be.
fn usual_rate(made: &[&Made]) -> Option<f64> {
    let rates: Vec<f64> = made.iter().map(|made| (made.units / made.hours).ln()).collect();
    let usual = robust::median_of(&rates)?;
    let sigma = robust::sigma_about(&rates, usual)?.max(LEAST_RATE_SIGMA);
    let kept = made.iter().zip(rates).filter(|(_, rate)| (rate - usual).abs() <= TUKEY * sigma);
    let (units, hours) =
        kept.fold((0.0, 0.0), |sum, (made, _)| (sum.0 + made.units, sum.1 + made.hours));
    Some(units / hours).filter(|rate| rate.is_finite())
}

/// The resting states that have a term. The one that the machine rests in most deeply is the base:
/// `off`, which has none anyhow, or where the machine is never off the one with most hours.
fn states(data: &Observations, usable: &[&Interval]) -> Vec<usize> {
    let mut hours = vec![0.0; data.states.len()];
    let (mut all, mut busy) = (0.0, 0.0);
    for interval in usable {
        all += interval.hours;
        let mut rested = 0.0;
        for &(state, part) in &interval.resting {
            hours[state] += part;
            rested += part;
        }
        // The hours of a plant are those of all of its lines.
        busy += (interval.production_hours() + rested).min(interval.hours);
    }
    let mut kept: Vec<usize> =
        (0..hours.len()).filter(|&s| hours[s] >= LEAST_STATE_HOURS).collect();
    if all - busy < (0.02 * all).max(LEAST_STATE_HOURS) {
        let deepest = kept.iter().copied().max_by(|&a, &b| hours[a].total_cmp(&hours[b]));
        kept.retain(|state| Some(*state) != deepest);
    }
    kept
}

fn drivers(data: &Observations, usable: &[&Interval]) -> Vec<Driver> {
    let driver = |(index, name): (usize, &String)| {
        let of = |i: &&Interval| i.drivers.get(index).copied().filter(|v| v.is_finite());
        let values: Vec<f64> = usable.iter().filter_map(of).collect();
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Driver {
            name: name.clone(),
            slope: Coefficient::default(),
            share: Coefficient::default(),
            centre: robust::mean(&values).unwrap_or(0.0),
            range: if values.is_empty() { (0.0, 0.0) } else { (low, high) },
        }
    };
    data.drivers.iter().enumerate().map(driver).collect()
}

/// Base, states and drivers, with one column for all production, by its hours.
fn pooled(usable: &[&Interval], columns: &Columns, drivers: &[Driver]) -> Option<Solution> {
    let columns =
        Columns { states: columns.states.clone(), references: 1, drivers: columns.drivers };
    let lines: Vec<Line> = usable
        .iter()
        .map(|interval| {
            let mut line = line(interval, &columns, drivers);
            let hours = interval.production_hours();
            if hours > 0.0 {
                line.row.push((columns.reference(0), hours / interval.hours));
            }
            line
        })
        .collect();
    robust_fit(&lines, &columns, &[0.0], f64::INFINITY, None).map(|fit| fit.solution)
}

fn lines(
    usable: &[&Interval],
    columns: &Columns,
    drivers: &[Driver],
    totals: &[Total],
    production_kw: f64,
    by_units: f64,
) -> Vec<Line> {
    let of = |interval: &&Interval| {
        let mut line = line(interval, columns, drivers);
        for made in &interval.made {
            let rate = totals[made.reference].rate;
            let amount =
                rate.map_or(made.hours, |rate| effective(made.units, made.hours, rate, by_units));
            line.row.push((columns.reference(made.reference), amount / interval.hours));
        }
        let kw = production_kw * interval.production_hours() / interval.hours;
        for (index, above) in above(interval, drivers).filter(|_| kw > 0.0) {
            line.row.push((columns.share(index), above * kw));
        }
        line
    };
    usable.iter().map(of).collect()
}

/// The drivers of an interval that are known and off their centre, by how much.
fn above<'a>(
    interval: &'a Interval,
    drivers: &'a [Driver],
) -> impl Iterator<Item = (usize, f64)> + 'a {
    let of = |(index, driver): (usize, &Driver)| {
        let value = interval.drivers.get(index).copied().filter(|v| v.is_finite())?;
        Some((index, value - driver.centre)).filter(|(_, above)| *above != 0.0)
    };
    drivers.iter().enumerate().filter_map(of)
}

/// Everything but the production.
fn line(interval: &Interval, columns: &Columns, drivers: &[Driver]) -> Line {
    let mut row = vec![(0, 1.0)];
    for &(state, hours) in &interval.resting {
        if let Some(position) = columns.states.iter().position(|s| *s == state) {
            row.push((1 + position, hours / interval.hours));
        }
    }
    row.extend(above(interval, drivers).map(|(index, above)| (columns.driver(index), above)));
    Line {
        row,
        kw: interval.energy / interval.hours,
        hours: interval.hours,
        kind: Kind::of(interval),
    }
}

struct Fit {
    solution: Solution,
    weights: Vec<f64>,
    /// Robust scale of the deviations with production, kW.
    scale: f64,
    /// By how much dependence of neighbours widens a variance.
    dependence: f64,
}

/// Iteratively reweighted least squares with beliefs about the references: `machine[i]`, with a
/// relative standard deviation of `scatter`. Begins with `from`; without it, with medians.
fn robust_fit(
    lines: &[Line],
    columns: &Columns,
    machine: &[f64],
    scatter: f64,
    from: Option<Vec<f64>>,
) -> Option<Fit> {
    let mut bounded = vec![true; columns.count()];
    bounded[columns.driver(0)..].fill(false);
    let level = robust::mean(&lines.iter().map(|l| l.kw.abs()).collect::<Vec<_>>())?;
    let solve = |weights: &[f64], dependence: f64| {
        let mut normal = Normal::new(columns.count());
        for (line, weight) in lines.iter().zip(weights).filter(|(_, w)| **w > 0.0) {
            normal.add(&line.row, line.kw, *weight);
        }
        for (index, &k) in machine.iter().enumerate().filter(|(_, k)| **k > 0.0) {
            if scatter.is_finite() {
                let precision = dependence / (scatter * k).powi(2);
                normal.believe(columns.reference(index), k, precision);
            }
        }
        normal.solve(&bounded)
    };
    let residuals = |values: &[f64]| -> Vec<f64> {
        let of = |line: &Line| line.kw - line.row.iter().map(|&(c, v)| values[c] * v).sum::<f64>();
        lines.iter().map(of).collect()
    };
    let scales = |residuals: &[f64]| {
        Kind::ALL.map(|kind| {
            let own = residuals.iter().zip(lines).filter(|(_, l)| l.kind == kind);
            let own: Vec<f64> = own.map(|(r, _)| *r).collect();
            robust::sigma_about(&own, 0.0).unwrap_or(level).max(1e-4 * level)
        })
    };
    let mut values = match from {
        Some(values) => values,
        None => start(lines, columns)?,
    };
    let mut sigma = scales(&residuals(&values));
    let mut solution = None;
    let mut weights = vec![0.0; lines.len()];
    let mut dependence = 1.0;
    for round in 0..ROUNDS {
        let left = residuals(&values);
        // The scale settles first, then the weights with it; where neither moves, both have.
        if round < ROUNDS / 2 {
            sigma = scales(&left);
        }
        for ((weight, line), residual) in weights.iter_mut().zip(lines).zip(&left) {
            let sigma = sigma[line.kind as usize];
            let z = (residual / sigma / TUKEY).powi(2);
            *weight = if z < 1.0 { line.hours * (1.0 - z).powi(2) / (sigma * sigma) } else { 0.0 };
        }
        dependence = neighbours(lines, &left, sigma[Kind::Producing as usize]);
        let next = solve(&weights, dependence)?;
        let far = |(a, b): (&f64, &f64)| (a - b).abs() > 1e-7 * a.abs().max(b.abs());
        let moved = next.values.iter().zip(&values).any(far);
        values.clone_from(&next.values);
        solution = Some(next);
        if !moved {
            break;
        }
    }
    let scale = scales(&residuals(&values))[Kind::Producing as usize];
    Some(Fit { solution: solution?, weights, scale, dependence })
}

/// Where the reweighting starts from: medians, which half of the intervals of a state or reference
/// may spoil, however far away. Least squares would start from the lots with a wrong label that are
/// made fastest. What is never alone comes last, from what the others leave: a stop of minutes in an
/// hour of production would else start with all of that hour's energy, far from where it belongs.
fn start(lines: &[Line], columns: &Columns) -> Option<Vec<f64>> {
    let mut values = vec![0.0; columns.count()];
    let kw = |kind: Option<Kind>| -> Vec<f64> {
        let own = lines.iter().filter(|l| kind.is_none_or(|kind| l.kind == kind));
        own.map(|l| l.kw).collect()
    };
    let off = kw(Some(Kind::Off));
    values[0] = match off.len() {
        0..4 => robust::quantile(&kw(None), 0.05)?,
        _ => robust::median_of(&off)?,
    };
    let amount = |line: &Line, column: usize| {
        line.row.iter().find(|(c, v)| *c == column && *v > 0.0).map(|(_, v)| *v)
    };
    // What is left of the mean power, for each unit of the column.
    let left = |values: &[f64], column: usize, line: &Line| {
        let others = line.row.iter().filter(|(c, _)| *c != column);
        let left = line.kw - others.map(|&(c, v)| values[c] * v).sum::<f64>();
        Some((amount(line, column)?, left))
    };
    let mut never_alone = Vec::new();
    for column in 1..columns.driver(0) {
        let is_alone = |line: &&Line| {
            let others = |&&(c, _): &&(usize, f64)| c > 0 && c != column && c < columns.driver(0);
            line.row.iter().filter(others).count() == 0
        };
        let alone = lines.iter().filter(is_alone);
        let rows: Vec<(f64, f64)> = alone.filter_map(|line| left(&values, column, line)).collect();
        match rows.is_empty() {
            true => never_alone.push(column),
            false => values[column] = slope(&rows),
        }
    }
    let known = values.clone();
    for column in never_alone {
        let rows: Vec<(f64, f64)> =
            lines.iter().filter_map(|line| left(&known, column, line)).collect();
        values[column] = slope(&rows);
    }
    Some(values)
}

/// Median ratio of `(amount, power)`, 0 at least. A few minutes of an hour say little of a unit.
fn slope(rows: &[(f64, f64)]) -> f64 {
    let amounts: Vec<f64> = rows.iter().map(|row| row.0).collect();
    let least = robust::median_of(&amounts).unwrap_or(0.0) / 2.0;
    let usual = rows.iter().filter(|row| row.0 >= least);
    let ratios: Vec<f64> = usual.map(|(amount, kw)| kw / amount).collect();
    robust::median_of(&ratios).unwrap_or(0.0).max(0.0)
}

/// `(1 + ρ) / (1 - ρ)` of neighbouring intervals with production, as of a first-order autoregression.
fn neighbours(lines: &[Line], residuals: &[f64], sigma: f64) -> f64 {
    let clipped = |i: usize| (residuals[i] / sigma).clamp(-3.0, 3.0);
    let producing = |i: usize| lines[i].kind == Kind::Producing;
    let pairs = (1..lines.len()).filter(|&i| producing(i) && producing(i - 1));
    let (mut product, mut square) = (0.0, 0.0);
    for i in pairs {
        product += clipped(i) * clipped(i - 1);
        square += (clipped(i).powi(2) + clipped(i - 1).powi(2)) / 2.0;
    }
    let rho = if square > 0.0 { (product / square).clamp(0.0, 0.9) } else { 0.0 };
    (1.0 + rho) / (1.0 - rho)
}

/// Relative standard deviation of the references about the machine's model: what they differ by,
/// less what their own uncertainty makes them differ by.
fn scatter(rough: &Fit, columns: &Columns, machine: &[f64]) -> f64 {
    let ratios: Vec<(f64, f64)> = machine
        .iter()
        .enumerate()
        .filter(|(_, k)| **k > 0.0)
        .map(|(index, k)| {
            let column = columns.reference(index);
            let variance = rough.solution.variances[column] * rough.dependence / (k * k);
            (rough.solution.values[column] / k - 1.0, variance)
        })
        .filter(|(_, variance)| *variance < 0.25)
        .collect();
    if ratios.len() < 3 {
        // Too few to tell: believe the data.
        return SCATTER.1;
    }
    let squares: f64 = ratios.iter().map(|(r, _)| r * r).sum::<f64>() / ratios.len() as f64;
    let noise: f64 = ratios.iter().map(|(_, v)| v).sum::<f64>() / ratios.len() as f64;
    (squares - noise).max(0.0).sqrt().clamp(SCATTER.0, SCATTER.1)
}
