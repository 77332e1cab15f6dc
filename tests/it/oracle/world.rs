//! A random factory, in memory and in a database: what happened, as the truth is told from.

use chrono::NaiveDate;
use chrono_tz::{America, Asia, Europe, Tz};
use lotwise::catalog::Sensor;
use lotwise::domain::SensorKind;
use lotwise::rollup;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use sqlx::postgres::{PgConnection, PgPool};

use super::{HOUR, START, at};
use crate::support::db::TestDb;

pub const SECOND: i64 = 1_000_000;
/// The present, before the newest readings and in the middle of nothing.
pub const NOW: i64 = START + 28 * HOUR + 1_234 * SECOND;
/// The clock of the second plant is half an hour off, and in the first the clocks change.
const ZONES: [[Tz; 2]; 3] = [
    [Europe::Madrid, Asia::Kolkata],
    [Europe::Lisbon, America::St_Johns],
    [Asia::Kathmandu, Europe::Madrid],
];

pub struct Plant {
    pub key: String,
    pub zone: Tz,
    /// Start of each shift, seconds of the day.
    pub shifts: Vec<u32>,
    /// Price of the night (before 08:00) and of the day, from a date on.
    pub tariffs: Vec<(NaiveDate, f64, f64)>,
    /// kg CO2 a kWh by location from a date on, and by contract.
    pub factors: Vec<(NaiveDate, f64, f64)>,
}

pub struct Spot {
    pub plant: usize,
    pub line: usize,
    pub key: String,
}

#[derive(Debug, Clone)]
pub struct Run {
    pub plant: usize,
    pub line: usize,
    pub machine: Option<usize>,
    pub lot: usize,
    pub operator: Option<usize>,
    pub from: i64,
    /// None while it lasts.
    pub to: Option<i64>,
    pub good: Option<f64>,
    pub scrap: Option<f64>,
}

impl Run {
    pub fn end(&self) -> i64 {
        self.to.unwrap_or(NOW.max(self.from))
    }
}

/// Ids in the database are places in these lists plus one.
pub struct World {
    pub plants: Vec<Plant>,
    pub lines: Vec<Spot>,
    pub machines: Vec<Spot>,
    pub sensors: Vec<Sensor>,
    /// By sensor, ascending.
    pub readings: Vec<Vec<(i64, f64)>>,
    /// Plant and reference of each lot.
    pub lots: Vec<(usize, usize)>,
    /// Plant of each reference.
    pub references: Vec<usize>,
    /// Plant of each operator.
    pub operators: Vec<usize>,
    pub runs: Vec<Run>,
    rng: StdRng,
    pool: PgPool,
    keeper: PgConnection,
}

impl World {
    pub async fn new(db: &TestDb, seed: u64) -> Self {
        let mut keeper = rollup::connect(&db.url).await.unwrap();
        while !rollup::try_lock(&mut keeper).await.unwrap() {
            tokio::task::yield_now().await; // the connection of the factory before still closes
        }
        let mut world = Self {
            plants: Vec::new(),
            lines: Vec::new(),
            machines: Vec::new(),
            sensors: Vec::new(),
            readings: Vec::new(),
            lots: Vec::new(),
            references: Vec::new(),
            operators: Vec::new(),
            runs: Vec::new(),
            rng: StdRng::seed_from_u64(seed),
            pool: db.pool().await,
            keeper,
        };
        world.imagine();
        world.build().await;
        world
    }

    fn chance(&mut self, of: f64) -> bool {
        self.rng.random_bool(of)
    }

    fn imagine(&mut self) {
        let zones = ZONES[self.rng.random_range(0..ZONES.len())];
        let day = |d| NaiveDate::from_ymd_opt(2026, 3, d).unwrap();
        for (p, zone) in zones.into_iter().enumerate() {
            // Sometimes no price holds on the first day, and it changes at a midnight.
            let first = if self.chance(0.7) { day(1) } else { day(29) };
            self.plants.push(Plant {
                key: format!("p{p}"),
                zone,
                shifts: vec![6 * 3_600, 14 * 3_600 + 1_800, 22 * 3_600],
                tariffs: vec![(first, 0.08, 0.21), (day(30), 0.07, 0.25)],
                factors: vec![(day(1), 0.12, 0.3), (day(29), 0.19, 0.28)],
            });
            self.meter(p, None, None, 0.5);
            for _ in 0..self.rng.random_range(1..3) {
                let line = self.lines.len();
                self.lines.push(Spot { plant: p, line, key: format!("l{line}") });
                self.meter(p, Some(line), None, 0.6);
                self.thermometer(p, line, None);
                for _ in 0..self.rng.random_range(0..3) {
                    let machine = self.machines.len();
                    self.machines.push(Spot { plant: p, line, key: format!("m{machine}") });
                    self.meter(p, Some(line), Some(machine), 0.7);
                    self.thermometer(p, line, Some(machine));
                }
            }
            for _ in 0..3 {
                self.references.push(p);
                self.operators.push(p);
                let reference = self.references.len() - 1;
                self.lots.extend([(p, reference), (p, reference)]);
            }
        }
        for line in 0..self.lines.len() {
            self.produce(line);
        }
    }

    /// Energy of a place: a register, amounts or a power, or two of them; or it is not metered.
    fn meter(&mut self, plant: usize, line: Option<usize>, machine: Option<usize>, often: f64) {
        if !self.chance(often) {
            return;
        }
        let kind = [SensorKind::Counter, SensorKind::Delta, SensorKind::Gauge]
            [self.rng.random_range(0..3)];
        let above = self.sensors.iter().find(|s| {
            s.plant == plant as i32 + 1
                && s.quantity == "energy"
                && s.machine.is_none()
                && machine.is_some()
                && s.line == line.map(|l| l as i32 + 1)
        });
        let parent = above.map(|s| s.id);
        let in_tree = kind != SensorKind::Gauge && self.rng.random_bool(0.5);
        let parent = parent.filter(|_| in_tree);
        let (quantity, unit) = match kind {
            SensorKind::Gauge => ("power", ["kW", "W"][self.rng.random_range(0..2)]),
            _ => ("energy", ["kWh", "Wh", "MJ"][self.rng.random_range(0..3)]),
        };
        self.sensor(plant, line, machine, quantity, unit, kind, parent);
        if kind != SensorKind::Gauge && self.chance(0.3) {
            // Both: the power must not count.
            self.sensor(plant, line, machine, "power", "kW", SensorKind::Gauge, None);
        }
    }

    fn thermometer(&mut self, plant: usize, line: usize, machine: Option<usize>) {
        if self.chance(0.5) {
            let kind = SensorKind::Gauge;
            self.sensor(plant, Some(line), machine, "temperature", "°C", kind, None);
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn sensor(
        &mut self,
        plant: usize,
        line: Option<usize>,
        machine: Option<usize>,
        quantity: &str,
        unit: &str,
        kind: SensorKind,
        parent: Option<i32>,
    ) {
        let id = self.sensors.len() as i32 + 1;
        let (mut sensor, readings) = super::random_sensor_of(&mut self.rng, id, kind);
        sensor.plant = plant as i32 + 1;
        sensor.line = line.map(|l| l as i32 + 1);
        sensor.machine = machine.map(|m| m as i32 + 1);
        (sensor.quantity, sensor.unit, sensor.parent) = (quantity.into(), unit.into(), parent);
        self.sensors.push(sensor);
        self.readings.push(readings);
    }

    /// Runs of a line, and sometimes of one of its machines at the same time.
    fn produce(&mut self, line: usize) {
        let plant = self.lines[line].plant;
        let of_line: Vec<usize> =
            (0..self.machines.len()).filter(|m| self.machines[*m].line == line).collect();
        let mut places = vec![None];
        if let Some(machine) = of_line.first().filter(|_| self.rng.random_bool(0.4)) {
            places.push(Some(*machine));
        }
        for machine in places {
            let mut from = START + self.rng.random_range(0..4 * 3_600) * SECOND;
            while from < NOW - 4 * HOUR {
                let to = from + self.rng.random_range(900..5 * 3_600) * SECOND;
                let open = to > NOW - 6 * HOUR && self.chance(0.6);
                let lots: Vec<usize> =
                    (0..self.lots.len()).filter(|l| self.lots[*l].0 == plant).collect();
                let operators: Vec<usize> =
                    (0..self.operators.len()).filter(|o| self.operators[*o] == plant).collect();
                let units = self.rng.random_range(50..500) as f64;
                self.runs.push(Run {
                    plant,
                    line,
                    machine,
                    lot: lots[self.rng.random_range(0..lots.len())],
                    operator: self
                        .rng
                        .random_bool(0.7)
                        .then(|| operators[self.rng.random_range(0..operators.len())]),
                    from,
                    to: (!open).then_some(to),
                    good: self.rng.random_bool(0.85).then_some(units),
                    scrap: self.rng.random_bool(0.7).then_some((units / 20.0).floor()),
                });
                if open {
                    break;
                }
                // Sometimes the next one starts at once.
                from = to
                    + [0, self.rng.random_range(60..7_200)][self.rng.random_range(0..2)] * SECOND;
            }
        }
    }

    async fn build(&mut self) {
        let mut sql = String::new();
        for plant in &self.plants {
            sql += &format!(
                "INSERT INTO plant (key, name, time_zone) VALUES ('{0}', '{0}', '{1}');",
                plant.key, plant.zone
            );
        }
        for (p, plant) in self.plants.iter().enumerate() {
            let id = p + 1;
            for (i, start) in plant.shifts.iter().enumerate() {
                let time = format!("{:02}:{:02}", start / 3_600, start / 60 % 60);
                sql += &format!(
                    "INSERT INTO shift (plant_id, key, name, starts_at) VALUES ({id}, 's{i}', 's{i}', '{time}');"
                );
            }
            for (i, (from, night, day)) in plant.tariffs.iter().enumerate() {
                let to =
                    plant.tariffs.get(i + 1).map_or("NULL".to_owned(), |t| format!("'{}'", t.0));
                let periods = json!([{"period": "N", "price_per_kwh": night}, {"period": "D", "price_per_kwh": day}]);
                let calendar =
                    json!([{"from": "00:00", "to": "08:00", "period": "N"}, {"period": "D"}]);
                sql += &format!(
                    "INSERT INTO tariff (plant_id, key, name, valid_from, valid_to, periods, calendar) VALUES ({id}, 't{i}', 't', '{from}', {to}, '{periods}', '{calendar}');"
                );
            }
            for (i, (from, location, market)) in plant.factors.iter().enumerate() {
                let to =
                    plant.factors.get(i + 1).map_or("NULL".to_owned(), |t| format!("'{}'", t.0));
                for (kind, factor) in [("location_based", location), ("market_based", market)] {
                    sql += &format!(
                        "INSERT INTO factor (plant_id, kind, valid_from, valid_to, kg_co2_per_kwh) VALUES ({id}, '{kind}', '{from}', {to}, {factor});"
                    );
                }
            }
        }
        for line in &self.lines {
            sql += &format!(
                "INSERT INTO line (plant_id, key, name) VALUES ({}, '{1}', '{1}');",
                line.plant + 1,
                line.key
            );
        }
        for m in &self.machines {
            sql += &format!(
                "INSERT INTO machine (plant_id, line_id, key, name) VALUES ({}, {}, '{2}', '{2}');",
                m.plant + 1,
                m.line + 1,
                m.key
            );
        }
        for (i, plant) in self.references.iter().enumerate() {
            sql += &format!(
                "INSERT INTO reference (plant_id, key, name) VALUES ({0}, 'r{i}', 'r{i}'); INSERT INTO operator (plant_id, key, name) VALUES ({0}, 'o{i}', 'o{i}');",
                plant + 1
            );
        }
        for (i, (plant, reference)) in self.lots.iter().enumerate() {
            sql += &format!(
                "INSERT INTO lot (plant_id, key, reference_id) VALUES ({}, 'b{i}', {});",
                plant + 1,
                reference + 1
            );
        }
        let null = |value: Option<String>| value.unwrap_or_else(|| "NULL".to_owned());
        for s in &self.sensors {
            sql += &format!(
                "INSERT INTO sensor (plant_id, line_id, machine_id, key, name, quantity, unit, kind, interval_s, max_gap_s, rollover, parent_sensor_id)
                 VALUES ({}, {}, {}, '{}', '', '{}', '{}', '{}', {}, {}, {}, {});",
                s.plant,
                null(s.line.map(|l| l.to_string())),
                null(s.machine.map(|m| m.to_string())),
                s.key, s.quantity, s.unit, s.kind.as_str(), s.interval_s, s.max_gap_s,
                null(s.rollover.map(|r| r.to_string())),
                null(s.parent.map(|p| p.to_string())),
            );
        }
        sql += &format!(
            "SELECT ensure_partitions('{}', '{}');",
            at(START - HOUR),
            at(START + 40 * HOUR)
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&self.pool).await.unwrap();
        for index in 0..self.runs.len() {
            self.store_run(index).await;
        }
        for index in 0..self.sensors.len() {
            let readings = self.readings[index].clone();
            self.store(index, &readings).await;
        }
    }

    async fn store_run(&self, index: usize) {
        let run = &self.runs[index];
        sqlx::query(
            "INSERT INTO run (plant_id, key, line_id, machine_id, lot_id, operator_id, started_at, ended_at, good_units, scrap_units)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
             ON CONFLICT (plant_id, key) DO UPDATE SET lot_id = excluded.lot_id, operator_id = excluded.operator_id,
                started_at = excluded.started_at, ended_at = excluded.ended_at, good_units = excluded.good_units",
        )
        .bind(run.plant as i32 + 1)
        .bind(format!("n{index}"))
        .bind(run.line as i32 + 1)
        .bind(run.machine.map(|m| m as i32 + 1))
        .bind(run.lot as i32 + 1)
        .bind(run.operator.map(|o| o as i32 + 1))
        .bind(at(run.from))
        .bind(run.to.map(at))
        .bind(run.good)
        .bind(run.scrap)
        .execute(&self.pool)
        .await
        .unwrap();
    }

    /// As the writer does.
    async fn store(&self, index: usize, readings: &[(i64, f64)]) {
        let (times, values): (Vec<_>, Vec<_>) = readings.iter().map(|r| (at(r.0), r.1)).unzip();
        let sensor = &self.sensors[index];
        let mut tx = self.pool.begin().await.unwrap();
        sqlx::query(
            "INSERT INTO lotwise.reading SELECT t, v, $4, $1 FROM unnest($2::timestamptz[], $3::float8[]) AS x(t, v)
             ON CONFLICT (plant_id, sensor_id, time) DO UPDATE SET value = excluded.value",
        )
        .bind(sensor.id)
        .bind(&times)
        .bind(values)
        .bind(sensor.plant)
        .execute(&mut *tx)
        .await
        .unwrap();
        sqlx::query("SELECT rollup_mark(array_fill($4, ARRAY[$1]), array_fill($2, ARRAY[$1]), $3)")
            .bind(times.len() as i32)
            .bind(sensor.id)
            .bind(times)
            .bind(sensor.plant)
            .execute(&mut *tx)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    /// Late and corrected readings, corrected runs, rollups that follow or lag behind.
    pub async fn go_on(&mut self) {
        for _ in 0..self.rng.random_range(0..20) {
            let index = self.rng.random_range(0..self.sensors.len());
            let readings = &self.readings[index];
            let near = readings[self.rng.random_range(0..readings.len())];
            let t = match self.rng.random_range(0..3) {
                0 => near.0,
                1 => near.0 / HOUR * HOUR,
                _ => near.0 + self.rng.random_range(1..60) * SECOND,
            };
            let value = near.1 + self.rng.random_range(0.0..2.0);
            let readings = &mut self.readings[index];
            match readings.binary_search_by_key(&t, |r| r.0) {
                Ok(at) => readings[at].1 = value,
                Err(at) => readings.insert(at, (t, value)),
            }
            self.store(index, &[(t, value)]).await;
        }
        for _ in 0..self.rng.random_range(0..4) {
            self.correct_a_run().await;
        }
        if self.rng.random_bool(0.7) {
            let until = START + self.rng.random_range(0..29) * HOUR;
            rollup::refresh(&mut self.keeper, Some(at(until))).await.unwrap();
        }
    }

    async fn correct_a_run(&mut self) {
        let index = self.rng.random_range(0..self.runs.len());
        let same_plant: Vec<usize> =
            (0..self.lots.len()).filter(|l| self.lots[*l].0 == self.runs[index].plant).collect();
        let run = &mut self.runs[index];
        match self.rng.random_range(0..3) {
            0 => run.lot = same_plant[self.rng.random_range(0..same_plant.len())],
            1 => run.good = Some(self.rng.random_range(1..900) as f64),
            // Only shorter, so that it meets no neighbour.
            _ => {
                let longest = (run.end() - run.from) / SECOND - 60;
                if longest > 0 {
                    run.from += self.rng.random_range(0..=longest / 2) * SECOND;
                }
                if let Some(to) = &mut run.to {
                    let longest = (*to - run.from) / SECOND - 60;
                    *to -= self.rng.random_range(0..=(longest / 2).max(0)) * SECOND;
                }
            }
        }
        self.store_run(index).await;
    }
}
