//! The groups with the most, and the others as one, so that the parts still add up.

use std::collections::HashSet;

use super::{KpiGroup, KpiPlan, Role};
use crate::domain::Language;

/// What tells a group: columns and labels with their keys.
pub type Labels = Vec<(&'static str, String)>;

/// Key of the group of all others.
pub const OTHER: &str = "Other";

impl KpiPlan<'_> {
    /// The same plan with one bucket.
    pub fn as_whole(&self) -> Self {
        let (Some(first), Some(last)) = (self.edges.first(), self.edges.last()) else {
            return self.clone();
        };
        let edges = vec![*first, *last];
        Self { edges, slices: self.slices.of_one_bucket(), ..self.clone() }
    }

    /// Leaves the groups with these labels, in this order, and puts the others together.
    pub fn gather(&mut self, keep: &[Labels], language: Language) {
        let place = |group: &KpiGroup| keep.iter().position(|labels| *labels == group.labels);
        let other = keep.len();
        let slots: Vec<usize> = self.groups.iter().map(|g| place(g).unwrap_or(other)).collect();
        let Some(first) = self.groups.first() else { return };
        let names: Vec<&'static str> = first.labels.iter().map(|label| label.0).collect();
        // The plant is that of all of them, if they have one.
        let others = || self.groups.iter().zip(&slots).filter(|(_, slot)| **slot == other);
        let plants: HashSet<&str> = others()
            .flat_map(|(g, _)| g.labels.iter().filter(|l| l.0 == "plant").map(|l| l.1.as_str()))
            .collect();
        let plant = plants.iter().next().filter(|_| plants.len() == 1).copied().unwrap_or_default();
        let key = |name: &'static str| match name {
            "plant" => (name, plant.to_owned()),
            name => (name, OTHER.to_owned()),
        };
        let mut groups: Vec<KpiGroup> = keep
            .iter()
            .map(|labels| KpiGroup { labels: labels.clone(), name: String::new(), runs: vec![] })
            .collect();
        if slots.contains(&other) {
            let labels = names.into_iter().map(key).collect();
            let name = language.pick(OTHER, "Otros").to_owned();
            groups.push(KpiGroup { labels, name, runs: vec![] });
        }
        for (group, &slot) in self.groups.drain(..).zip(&slots) {
            let into = &mut groups[slot];
            if slot != other {
                into.name = group.name;
            }
            // A run of several machines made its units once.
            let new: Vec<_> = group.runs.into_iter().filter(|r| !into.runs.contains(r)).collect();
            into.runs.extend(new);
        }
        self.groups = groups;
        for window in &mut self.windows {
            match &mut window.role {
                Role::Energy(group) | Role::Temperature(group) => *group = slots[*group],
                Role::Total => {}
            }
        }
        for time in &mut self.machine_time {
            time.group = slots[time.group];
        }
    }
}
