//! Labels and names of KPI groups.

use crate::catalog::Catalog;
use crate::domain::Language;
use crate::model::GroupBy;
use crate::plan::series::no_operator;
use crate::plan::{Named, Node, Run};

/// Labels of a group, and its name for people.
pub(super) type Described = (Vec<(&'static str, String)>, String);

/// The group of a run at a place.
pub(super) fn describe(
    group_by: GroupBy,
    catalog: &Catalog,
    node: Node,
    run: &Run,
    language: Language,
) -> Described {
    let plant = catalog.plant(run.plant).map(|p| p.key.clone()).unwrap_or_default();
    match group_by {
        GroupBy::Reference => (
            vec![("plant", plant), ("reference", run.reference.clone())],
            run.reference_name.clone(),
        ),
        GroupBy::Lot => (vec![("plant", plant), ("lot", run.lot.clone())], run.lot.clone()),
        GroupBy::Operator => {
            let nobody = || (String::new(), no_operator(language).to_owned());
            let (key, name) = run.operator.clone().unwrap_or_else(nobody);
            (vec![("plant", plant), ("operator", key)], name)
        }
        GroupBy::Line => describe_place(group_by, catalog, Node::Line(run.line)),
        GroupBy::Plant => describe_place(group_by, catalog, Node::Plant(run.plant)),
        _ => describe_place(group_by, catalog, node),
    }
}

/// The group of a shift, state or tariff period.
pub(super) fn describe_part(
    group_by: GroupBy,
    catalog: &Catalog,
    plant: i32,
    (key, name): Named,
) -> Described {
    let plant = catalog.plant(plant).map(|p| p.key.clone()).unwrap_or_default();
    (vec![("plant", plant), (group_by.as_str(), key)], name)
}

/// The group of a place, in runs or not.
pub(super) fn describe_place(group_by: GroupBy, catalog: &Catalog, node: Node) -> Described {
    let plant_of = |id| catalog.plant(id).map(|p| p.key.clone()).unwrap_or_default();
    let (plant, spot) = match node {
        Node::Plant(id) => (id, None),
        Node::Line(id) => (catalog.line(id).map_or(0, |l| l.plant), catalog.line(id)),
        Node::Machine(id) => (catalog.machine(id).map_or(0, |m| m.plant), catalog.machine(id)),
    };
    match (group_by, spot) {
        (GroupBy::None, _) => (vec![], "Total".to_owned()),
        (GroupBy::Line, Some(line)) => {
            (vec![("plant", plant_of(plant)), ("line", line.key.clone())], line.name.clone())
        }
        (GroupBy::Machine, Some(machine)) => (
            vec![
                ("plant", plant_of(plant)),
                ("line", catalog.line(machine.line).map(|l| l.key.clone()).unwrap_or_default()),
                ("machine", machine.key.clone()),
            ],
            machine.name.clone(),
        ),
        _ => (
            vec![("plant", plant_of(plant))],
            catalog.plant(plant).map(|p| p.name.clone()).unwrap_or_default(),
        ),
    }
}
