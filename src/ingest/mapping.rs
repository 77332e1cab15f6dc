//! Which sensor a field of line protocol is, as a plant's mappings say it. Pure; [`store`] has the
//! table and what is kept of it in memory, [`item`] the mappings as they are sent, [`trial`] what
//! they would do, [`cli`] the command.

pub mod cli;
pub mod item;
pub mod store;
mod template;
pub mod trial;

use std::collections::{BTreeMap, HashMap};

pub use template::{Template, TemplateError};

/// What fits anything.
pub const ANY: &str = "*";

/// One mapping.
#[derive(Debug, Clone, PartialEq)]
pub struct Mapping {
    /// Name of the measurement, or `*`.
    pub measurement: String,
    /// Tags that a line must have, with their values.
    pub tags: BTreeMap<String, String>,
    /// Name of the field, or `*`.
    pub field: String,
    /// What becomes of the field.
    pub target: Target,
}

/// What becomes of a field.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// It is no reading, and no error either.
    LeftOut,
    /// A reading of a sensor.
    Sensor {
        /// Its key.
        key: Template,
        /// From the field's value to the reading.
        scale: Scale,
    },
}

/// `reading = value * factor + offset`; the reading has the sensor's unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// Sensor's units in one of the value's.
    pub factor: f64,
    /// The reading at the value 0.
    pub offset: f64,
}

impl Scale {
    /// The reading, which may be infinite.
    pub fn apply(self, value: f64) -> f64 {
        value * self.factor + self.offset
    }

    /// Changes nothing.
    pub const ONE: Self = Self { factor: 1.0, offset: 0.0 };
}

/// A line as mappings see it.
pub trait Line {
    /// Its measurement.
    fn measurement(&self) -> &str;
    /// Value of a tag.
    fn tag(&self, name: &str) -> Option<&str>;
}

/// The mappings of one plant, ready to look things up.
#[derive(Debug, Default)]
pub struct PlantMappings {
    by_measurement: HashMap<String, Ranked>,
    of_any: Ranked,
}

/// Mappings of one measurement: the most specific first, and where to find those with conditions.
#[derive(Debug, Default)]
struct Ranked {
    mappings: Vec<Mapping>,
    /// Those with conditions, by name and value of their first one.
    by_tag: BTreeMap<String, HashMap<String, Vec<usize>>>,
    /// The others.
    plain: Vec<usize>,
}

/// What a mapping makes of a field.
#[derive(Debug, PartialEq)]
pub struct Mapped<'a> {
    /// The mapping.
    pub mapping: &'a Mapping,
    /// The sensor and how its value is made; `None` where the field is left out.
    pub sensor: Option<(String, Scale)>,
}

impl PlantMappings {
    /// Ranks the mappings.
    pub fn new(mappings: impl IntoIterator<Item = Mapping>) -> Self {
        let mut lists: HashMap<String, Vec<Mapping>> = HashMap::new();
        for mapping in mappings {
            lists.entry(mapping.measurement.clone()).or_default().push(mapping);
        }
        let of_any = Ranked::new(lists.remove(ANY).unwrap_or_default());
        let by_measurement = lists.into_iter().map(|(name, list)| (name, Ranked::new(list)));
        Self { by_measurement: by_measurement.collect(), of_any }
    }

    /// The most specific mapping that fits: of the measurement before `*`; then with more tags
    /// before fewer; then of the field before `*`. One whose template needs a tag that the line has
    /// not does not fit.
    pub fn find(&self, line: &impl Line, field: &str) -> Option<Mapped<'_>> {
        let of_measurement = self.by_measurement.get(line.measurement());
        of_measurement
            .and_then(|ranked| ranked.find(line, field))
            .or_else(|| self.of_any.find(line, field))
    }
}

impl Ranked {
    fn new(mut mappings: Vec<Mapping>) -> Self {
        let rank = |m: &Mapping| (std::cmp::Reverse(m.tags.len()), m.field == ANY);
        // The tags themselves come last, so that the choice among equals does not change.
        mappings.sort_by(|a, b| (rank(a), &a.field, &a.tags).cmp(&(rank(b), &b.field, &b.tags)));
        let mut ranked = Self { mappings, ..Self::default() };
        for (at, mapping) in ranked.mappings.iter().enumerate() {
            match mapping.tags.first_key_value() {
                None => ranked.plain.push(at),
                Some((name, value)) => {
                    let values = ranked.by_tag.entry(name.clone()).or_default();
                    values.entry(value.clone()).or_default().push(at);
                }
            }
        }
        ranked
    }

    fn find(&self, line: &impl Line, field: &str) -> Option<Mapped<'_>> {
        let with_tag = self.by_tag.iter().filter_map(|(name, values)| values.get(line.tag(name)?));
        let first = |list: &Vec<usize>| {
            list.iter().find_map(|at| Some((*at, self.mappings[*at].map(line, field)?)))
        };
        let found = with_tag.chain([&self.plain]).filter_map(first).min_by_key(|(at, _)| *at);
        found.map(|(_, mapped)| mapped)
    }
}

impl Mapping {
    /// What it makes of the field, if it fits. The measurement is checked already.
    fn map(&self, line: &impl Line, field: &str) -> Option<Mapped<'_>> {
        let fits = (self.field == ANY || self.field == field)
            && self.tags.iter().all(|(name, value)| line.tag(name) == Some(value.as_str()));
        if !fits {
            return None;
        }
        let sensor = match &self.target {
            Target::LeftOut => None,
            Target::Sensor { key, scale } => Some((key.render(line, field)?, *scale)),
        };
        Some(Mapped { mapping: self, sensor })
    }
}

#[cfg(test)]
mod tests;
