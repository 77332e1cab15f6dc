//! Random questions: what a panel may ask of figures.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::world::{SECOND, World};
use super::{HOUR, START};

/// Numbers that become keys of the world's places, whatever it has.
#[derive(Debug, Clone)]
pub struct Question {
    pub kind: &'static str,
    pub group: &'static str,
    pub kpis: Vec<&'static str>,
    pub aggregate: &'static str,
    pub quantity: &'static str,
    pub bucket: &'static str,
    pub align: &'static str,
    pub last_lots: usize,
    pub plants: Vec<usize>,
    pub lines: Vec<usize>,
    pub machines: Vec<usize>,
    pub references: Vec<usize>,
    pub lots: Vec<usize>,
    pub operators: Vec<usize>,
    pub from: i64,
    pub to: i64,
}

const KPIS: [&str; 10] = [
    "energy",
    "energy_per_good_unit",
    "cost",
    "cost_per_good_unit",
    "co2",
    "co2_per_good_unit",
    "co2_market_based",
    "good_units",
    "scrap_units",
    "mean_temperature",
];
const AGGREGATES: [&str; 7] = ["mean", "min", "max", "first", "last", "count", "sum"];

/// Mostly no restriction.
fn some(most: usize) -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![3 => Just(Vec::new()), 2 => prop::collection::vec(0..most, 1..3)]
}

/// A second, or a full hour.
fn moment() -> impl Strategy<Value = i64> {
    prop_oneof![
        (-3_600i64..26 * 3_600).prop_map(|s| START + s * SECOND),
        (-1i64..26).prop_map(|h| START + h * HOUR)
    ]
}

pub fn question() -> impl Strategy<Value = Question> {
    let what = (
        prop::sample::select(vec!["kpi", "kpi", "series", "lots"]),
        prop::sample::select(vec![
            "none",
            "plant",
            "line",
            "machine",
            "reference",
            "lot",
            "operator",
        ]),
        prop::sample::subsequence(KPIS.to_vec(), 1..5),
        prop::sample::select(AGGREGATES.to_vec()),
        prop::sample::select(vec!["energy", "power", "temperature"]),
        prop::sample::select(vec!["whole", "hour", "day", "shift", "15m", "2h", "week"]),
        prop::sample::select(vec!["elapsed", "progress"]),
        1usize..6,
    );
    let place = (some(2), some(9), some(9));
    let context = (some(9), some(9), some(9));
    let range = (moment(), 600i64..30 * 3_600, any::<bool>());
    (what, place, context, range).prop_map(|(what, place, context, (from, length, full))| {
        let (kind, group, kpis, aggregate, quantity, bucket, align, last_lots) = what;
        let to = from + length * SECOND;
        Question {
            kind,
            group,
            kpis,
            aggregate,
            quantity,
            bucket,
            align,
            last_lots,
            plants: place.0,
            lines: place.1,
            machines: place.2,
            references: context.0,
            lots: context.1,
            operators: context.2,
            from,
            to: if full { (to / HOUR + 1) * HOUR } else { to },
        }
    })
}

/// Picks that exist, of those that may be picked.
fn cut(picks: &[usize], of: &[usize]) -> Vec<usize> {
    if of.is_empty() {
        return Vec::new();
    }
    let mut picked: Vec<usize> = picks.iter().map(|p| of[p % of.len()]).collect();
    picked.sort_unstable();
    picked.dedup();
    picked
}

impl Question {
    /// The question with places that the world has, one inside the other.
    pub fn of(mut self, world: &World) -> Self {
        let all = |n: usize| (0..n).collect::<Vec<_>>();
        self.plants = cut(&self.plants, &all(world.plants.len()));
        let in_plants = |plant: usize| self.plants.is_empty() || self.plants.contains(&plant);
        let lines: Vec<usize> = all(world.lines.len())
            .into_iter()
            .filter(|l| in_plants(world.lines[*l].plant))
            .collect();
        let picked = cut(&self.lines, &lines);
        let lines = if picked.is_empty() { lines } else { picked.clone() };
        let machines: Vec<usize> = all(world.machines.len())
            .into_iter()
            .filter(|m| lines.contains(&world.machines[*m].line))
            .collect();
        self.machines = cut(&self.machines, &machines);
        let of = |owners: &[usize], picks: &[usize]| {
            let known: Vec<usize> = (0..owners.len()).filter(|i| in_plants(owners[*i])).collect();
            cut(picks, &known)
        };
        let owners: Vec<usize> = world.lots.iter().map(|l| l.0).collect();
        self.references = of(&world.references, &self.references);
        self.lots = of(&owners, &self.lots);
        self.operators = of(&world.operators, &self.operators);
        self.lines = picked;
        // Of two readings at the same instant any may be the first.
        if ["first", "last"].contains(&self.aggregate) {
            match self.kind {
                "series" => self.group = "none",
                "lots" => self.aggregate = "mean",
                _ => {}
            }
        }
        if self.kind == "lots" {
            self.bucket = if self.bucket == "hour" { "hour" } else { "10m" };
            if !["none", "line", "machine"].contains(&self.group) {
                self.group = "none";
            }
        }
        if self.kind != "kpi" && self.quantity == "temperature" && self.aggregate == "sum" {
            self.aggregate = "mean";
        }
        self
    }

    pub fn json(&self, world: &World) -> Value {
        let keys = |picks: &[usize], key: &dyn Fn(usize) -> String| -> Vec<String> {
            picks.iter().map(|p| key(*p)).collect()
        };
        let quantity = if self.kind == "kpi" { "" } else { self.quantity };
        json!({
            "type": self.kind, "groupBy": self.group, "kpis": self.kpis, "aggregate": self.aggregate,
            "bucket": self.bucket, "align": self.align, "lastLots": self.last_lots,
            "place": {
                "plants": keys(&self.plants, &|p| world.plants[p].key.clone()),
                "lines": keys(&self.lines, &|l| world.lines[l].key.clone()),
                "machines": keys(&self.machines, &|m| world.machines[m].key.clone()),
                "quantity": quantity,
            },
            "context": {
                "references": keys(&self.references, &|r| format!("r{r}")),
                "lots": keys(&self.lots, &|l| format!("b{l}")),
                "operators": keys(&self.operators, &|o| format!("o{o}")),
            },
        })
    }

    pub fn is_restricted(&self) -> bool {
        !(self.references.is_empty() && self.lots.is_empty() && self.operators.is_empty())
    }

    pub fn is_by_context(&self) -> bool {
        ["reference", "lot", "operator"].contains(&self.group)
    }
}
