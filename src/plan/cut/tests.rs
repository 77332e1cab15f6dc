use chrono::{DateTime, Utc};

use super::*;
use crate::catalog::Catalog;
use crate::model;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn range(from: &str, to: &str) -> TimeRange {
    TimeRange::new(at(from), at(to)).unwrap()
}

fn cut(json: &str, states: &[State]) -> Cut {
    let starts = [("early", 6), ("late", 14), ("night", 22)];
    let shift = |(key, hour): (&str, u32)| crate::domain::ShiftStart {
        key: key.into(),
        name: key.to_uppercase(),
        starts_at: chrono::NaiveTime::from_hms_opt(hour, 0, 0).unwrap(),
    };
    let calendar = crate::domain::Calendar {
        zone: chrono_tz::UTC,
        shifts: starts.into_iter().map(shift).collect(),
    };
    let plant = crate::catalog::Plant { id: 1, key: "p".into(), name: "P".into(), calendar };
    let catalog = Catalog { plants: vec![plant], ..Catalog::default() };
    let query = model::parse(json.as_bytes()).unwrap();
    let selection = crate::plan::select(&query.place, &catalog).unwrap();
    let whole = range("2026-03-02T00:00:00Z", "2026-03-04T00:00:00Z");
    Cut::new(&query, &selection, states, &Rates::new(), whole).unwrap()
}

fn state(machine: i32, state: &str, from: &str, to: Option<&str>) -> State {
    State { machine, state: state.into(), started_at: at(from), ended_at: to.map(at) }
}

#[test]
fn neighbouring_shifts_are_one_part_unless_the_answer_is_grouped_by_them() {
    let day = range("2026-03-02T05:00:00Z", "2026-03-03T07:00:00Z");
    let both = cut(r#"{"context":{"shifts":["early","late"]}}"#, &[]).parts(1, None, day);
    let part = |from, to, group| Part { range: range(from, to), group };
    let want = [
        part("2026-03-02T06:00:00Z", "2026-03-02T22:00:00Z", None),
        part("2026-03-03T06:00:00Z", "2026-03-03T07:00:00Z", None),
    ];
    assert_eq!(both, want);
    let grouped = cut(r#"{"groupBy":"shift"}"#, &[]).parts(1, None, day);
    let names: Vec<_> = grouped.iter().map(|p| p.group.as_ref().unwrap().1.as_str()).collect();
    assert_eq!(names, ["NIGHT", "EARLY", "LATE", "NIGHT", "EARLY"]);
    // A plant without shifts has no time in any.
    assert_eq!(cut(r#"{"groupBy":"shift"}"#, &[]).parts(2, None, day), []);
}

#[test]
fn shifts_and_states_cut_each_other() {
    let states = [
        state(7, "idle", "2026-03-01T00:00:00Z", Some("2026-03-02T13:00:00Z")),
        state(7, "running", "2026-03-02T13:00:00Z", None),
        state(8, "running", "2026-03-02T13:00:00Z", None),
    ];
    let json = r#"{"context":{"shifts":["early"],"states":["idle"]},"groupBy":"state"}"#;
    let cut = cut(json, &states);
    let day = range("2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z");
    let idle = ("idle".to_owned(), "Idle".to_owned());
    let early = range("2026-03-02T06:00:00Z", "2026-03-02T13:00:00Z");
    assert_eq!(cut.parts(1, Some(7), day), [Part { range: early, group: Some(idle) }]);
    assert_eq!(cut.parts(1, Some(8), day), []);
    assert_eq!(cut.parts(1, None, day), [], "a line has no state");
    let known: Vec<_> = cut.states(7, day).map(|s| (s.state, s.range.seconds())).collect();
    let want = [(MachineState::Idle, 13.0 * 3600.0), (MachineState::Running, 11.0 * 3600.0)];
    assert_eq!(known, want);
}
