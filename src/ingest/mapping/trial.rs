//! What mappings would make of line protocol, without storing any of it. Pure.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::Mapping;
use crate::ingest::payload::line_protocol::{Field, Item, Naming, Precision, read};
use crate::ingest::payload::{Reason, RowError};
use crate::ingest::reading::Instant;

/// Most fields and errors of a trial.
pub const MAX_TESTED: usize = 1_000;

/// What would become of the fields of some lines.
#[derive(Debug, Default)]
pub struct Trial {
    /// The fields, in order.
    pub fields: Vec<TestedField>,
    /// Lines that cannot be read, and fields of plants that are not for the asker.
    pub errors: Vec<RowError>,
}

/// What would become of a field.
#[derive(Debug, Serialize, ToSchema)]
pub struct TestedField {
    /// Number of its line, from 1.
    pub line: usize,
    /// Its name.
    #[schema(example = "energy")]
    pub field: String,
    /// Key of the plant; null where none is named.
    pub plant: Option<String>,
    /// Key of the sensor; null where a mapping leaves the field out.
    #[schema(example = "oven.energy")]
    pub sensor: Option<String>,
    /// Whether the plant has that sensor.
    pub registered: bool,
    /// The reading, in the sensor's unit; null where there is none.
    pub value: Option<f64>,
    /// The mapping that fits; null: the rule without mappings.
    pub mapping: Option<UsedMapping>,
}

/// The key of a mapping.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsedMapping {
    measurement: String,
    tags: BTreeMap<String, String>,
    field: String,
}

impl From<&Mapping> for UsedMapping {
    fn from(mapping: &Mapping) -> Self {
        let Mapping { measurement, tags, field, .. } = mapping.clone();
        Self { measurement, tags, field }
    }
}

impl UsedMapping {
    /// Such as `modbus {"slave_id":"7"} energy`.
    pub fn in_words(&self) -> String {
        let tags = serde_json::to_string(&self.tags).unwrap_or_default();
        format!("{} {tags} {}", self.measurement, self.field)
    }
}

impl Trial {
    /// Of lines without a time it is `now`. Fields of plants that `allows` denies become errors: a
    /// key is told nothing of other plants.
    pub fn of(
        body: &[u8],
        precision: Precision,
        now: Instant,
        naming: Naming<'_>,
        allows: impl Fn(&str) -> bool,
    ) -> Self {
        let mut trial = Self::default();
        read(body, precision, now, naming, &mut |item| match item {
            _ if trial.fields.len() + trial.errors.len() >= MAX_TESTED => {}
            Item::Error(error) => trial.errors.push(error),
            Item::Field(field) => match field.plant.as_deref().filter(|plant| !allows(plant)) {
                Some(plant) => {
                    let reason = Reason::PlantNotAllowed(plant.to_owned());
                    trial.errors.push(RowError { position: field.position, reason });
                }
                None => trial.fields.push(TestedField::new(field, naming)),
            },
        });
        trial
    }

    /// Plant and key of each field's sensor, where it has one.
    pub fn sensors(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        self.fields.iter().filter_map(TestedField::named)
    }

    /// Takes down which of [`Self::sensors`] are registered, in their order.
    pub fn set_registered(&mut self, registered: impl IntoIterator<Item = bool>) {
        let with_sensor = self.fields.iter_mut().filter(|field| field.named().is_some());
        for (field, registered) in with_sensor.zip(registered) {
            field.registered = registered;
        }
    }
}

impl TestedField {
    fn new(field: Field<'_, '_, '_>, naming: Naming<'_>) -> Self {
        let plant = field.plant.as_deref().or(naming.default_plant);
        Self {
            line: field.position,
            field: field.name.to_owned(),
            plant: plant.map(str::to_owned),
            value: field.sensor.is_some().then(|| field.value.ok().map(|v| v.get())).flatten(),
            sensor: field.sensor.map(|sensor| sensor.into_owned()),
            registered: false,
            mapping: field.mapping.map(UsedMapping::from),
        }
    }

    fn named(&self) -> Option<(&str, &str)> {
        Some((self.plant.as_deref()?, self.sensor.as_deref()?))
    }
}
