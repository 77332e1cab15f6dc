use super::*;
use crate::catalog::{Plant, Spot};
use crate::domain::{Calendar, ShiftStart};
use crate::model;

/// Plant `p` with lines `a1`, `a2` and `b`, a machine on each, shifts `day` and `night`.
fn catalog() -> Catalog {
    let shift = |key: &str, hour| ShiftStart {
        key: key.into(),
        name: key.into(),
        starts_at: chrono::NaiveTime::from_hms_opt(hour, 0, 0).unwrap(),
    };
    let calendar =
        Calendar { zone: chrono_tz::UTC, shifts: vec![shift("day", 6), shift("night", 18)] };
    let spot = |id, line, key: &str| Spot { id, plant: 1, line, key: key.into(), name: key.into() };
    Catalog {
        plants: vec![Plant { id: 1, key: "p".into(), name: "P".into(), calendar }],
        lines: vec![spot(1, 1, "a1"), spot(2, 2, "a2"), spot(3, 3, "b")],
        machines: vec![spot(1, 1, "x1"), spot(2, 2, "x2"), spot(3, 3, "x3")],
        ..Catalog::default()
    }
}

fn narrowed(kind: &str, place: &str, filters: &str) -> Narrowed {
    let json = format!(r#"{{"type":"{kind}","place":{{{place}}},"filters":[{filters}]}}"#);
    narrow(model::parse(json.as_bytes()).unwrap(), &catalog()).unwrap()
}

#[test]
fn a_rule_leaves_the_places_that_pass_it_and_the_query() {
    let rule = r#"{"key":"line","op":"matches","values":["^a"]}"#;
    let query = narrowed("kpi", r#""lines":["a2","b"]"#, rule).query.unwrap();
    assert_eq!(query.place.lines.keys().unwrap(), ["a2"]);
    let query = narrowed("kpi", "", rule).query.unwrap();
    assert_eq!(query.place.lines.keys().unwrap(), ["a1", "a2"]);
    let both = format!(r#"{rule},{{"key":"machine","op":"is_not","values":["x2"]}}"#);
    let query = narrowed("kpi", "", &both).query.unwrap();
    assert_eq!(query.place.machines.keys().unwrap(), ["x1"]);
}

#[test]
fn where_nothing_passes_there_is_no_query_and_not_one_for_everything() {
    let none = narrowed("kpi", r#""lines":["b"]"#, r#"{"key":"line","op":"is","values":["a1"]}"#);
    assert!(none.query.is_none() && none.notices[0].contains("filter on line"), "{none:?}");
    let none = narrowed("kpi", "", r#"{"key":"shift","op":"is","values":["dawn"]}"#);
    assert!(none.query.is_none(), "{none:?}");
}

#[test]
fn rules_on_shifts_and_states_become_keys_where_they_mean_something() {
    let rules = r#"{"key":"shift","op":"is_not","values":["day"]},{"key":"state","op":"matches","values":["^(idle|off)$"]}"#;
    let query = narrowed("series", "", rules).query.unwrap();
    assert_eq!(query.context.shifts.keys().unwrap(), ["night"]);
    assert_eq!(query.context.states.keys().unwrap(), ["idle", "off"]);
    let latest = narrowed("latest", "", rules);
    assert!(latest.notices[0].contains("no meaning for latest"), "{latest:?}");
    assert_eq!(latest.query.unwrap().context.shifts, Filter::All);
}
