//! What machines were doing: as a table, as annotations, on a timeline.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::timeline::Lane;
use super::{AnswerError, Provenance, Source, machine_states, nothing};
use crate::catalog::{Plant, Spot};
use crate::domain::{MachineState, span};
use crate::frame::{Field, Frame, Notice};
use crate::model::{Format, Query};
use crate::plan::{Ask, Selection};

/// A machine in one state.
struct Spell<'a> {
    plant: Option<&'a Plant>,
    line: Option<&'a Spot>,
    machine: &'a Spot,
    state: MachineState,
    from: DateTime<Utc>,
    to: Option<DateTime<Utc>>,
}

impl Spell<'_> {
    /// Seconds so far.
    fn lasted(&self, now: DateTime<Utc>) -> f64 {
        (self.to.unwrap_or(now) - self.from).num_milliseconds().max(0) as f64 / 1000.0
    }
}

pub(super) async fn answer(
    source: &Source<'_>,
    query: &Query,
    selection: &Selection<'_>,
    ask: &Ask,
) -> Result<Vec<Frame>, AnswerError> {
    let catalog = source.catalog;
    let mut spells = Vec::new();
    for state in machine_states(source, selection, ask.range).await? {
        let Some(machine) = catalog.machine(state.machine) else { continue };
        let Ok(what) = state.state.parse::<MachineState>() else { continue };
        if query.context.states.accepts(what.as_str()) {
            spells.push(Spell {
                plant: catalog.plant(machine.plant),
                line: catalog.line(machine.line),
                machine,
                state: what,
                from: state.started_at,
                to: state.ended_at,
            });
        }
    }
    let mut notices = Vec::new();
    if spells.is_empty() {
        let text = "No machine of this selection was in such a state in the time range.";
        notices.push(Notice::Info(text.to_owned()));
    }
    if query.format != Format::Timeline {
        spells.sort_by(|a, b| b.from.cmp(&a.from));
        if spells.len() > query.limit {
            let text = format!("Only the newest {} states; raise the limit for more.", query.limit);
            notices.push(Notice::Warning(text));
            spells.truncate(query.limit);
        }
    }
    let mut frames = match query.format {
        Format::Timeline => timeline(&spells, ask),
        Format::Annotations => vec![annotations(&spells, ask)],
        // The model has no other format for states.
        Format::Table | Format::Silent | Format::Alert | Format::Score => {
            vec![table(&spells, ask)]
        }
    };
    if frames.is_empty() {
        frames = nothing(&notices);
    }
    for frame in &mut frames {
        Provenance {
            shown: "",
            source: "states",
            reason: "states of the machines that overlap the time range".to_owned(),
            rows: None,
            bucket: "none".to_owned(),
            coverage: None,
            notices: notices.clone(),
        }
        .write(frame);
    }
    Ok(frames)
}

fn table(spells: &[Spell<'_>], ask: &Ask) -> Frame {
    let text = |name, of: &dyn Fn(&Spell<'_>) -> Option<String>| {
        Field::text(name, spells.iter().map(of).collect::<Vec<_>>())
    };
    let fields = vec![
        Field::time("started_at", spells.iter().map(|s| Some(s.from))),
        Field::time("ended_at", spells.iter().map(|s| s.to)),
        text("plant", &|s| s.plant.map(|p| p.key.clone())),
        text("line", &|s| s.line.map(|l| l.key.clone())),
        text("machine", &|s| Some(s.machine.key.clone())),
        text("state", &|s| Some(s.state.as_str().to_owned())).mappings(mappings()),
        Field::number("duration_s", spells.iter().map(|s| Some(s.lasted(ask.now)))).unit("s"),
        Field::bool("open", spells.iter().map(|s| Some(s.to.is_none()))),
    ];
    Frame::new("states", "table", fields)
}

fn annotations(spells: &[Spell<'_>], ask: &Ask) -> Frame {
    let line = |s: &Spell<'_>| s.line.map(|l| l.name.clone()).unwrap_or_default();
    let title = |s: &Spell<'_>| Some(format!("{} · {}", s.machine.name, s.state.name()));
    let body = |s: &Spell<'_>| {
        let lasted = span::words(s.lasted(ask.now) as u64);
        let open = if s.to.is_none() { " so far" } else { "" };
        Some(format!("{} · {lasted}{open}", line(s)))
    };
    let tags = |s: &Spell<'_>| Some(format!("{},{},{}", line(s), s.machine.name, s.state));
    let id = |s: &Spell<'_>| Some(format!("{} {}", s.machine.key, s.from.timestamp_millis()));
    let fields = vec![
        Field::time("time", spells.iter().map(|s| Some(s.from))),
        Field::time("timeEnd", spells.iter().map(|s| s.to)),
        Field::text("title", spells.iter().map(title)),
        Field::text("text", spells.iter().map(body)),
        Field::text("tags", spells.iter().map(tags)),
        Field::text("id", spells.iter().map(id)),
    ];
    Frame::new("states", "", fields)
}

/// One lane a machine.
fn timeline(spells: &[Spell<'_>], ask: &Ask) -> Vec<Frame> {
    let mut lanes: Vec<(i32, Lane)> = Vec::new();
    // They come by machine and time.
    for spell in spells {
        if lanes.last().is_none_or(|(machine, _)| *machine != spell.machine.id) {
            let labels = [
                ("plant", spell.plant.map(|p| p.key.clone()).unwrap_or_default()),
                ("line", spell.line.map(|l| l.key.clone()).unwrap_or_default()),
                ("machine", spell.machine.key.clone()),
            ];
            lanes.push((spell.machine.id, Lane::new(&spell.machine.name, labels)));
        }
        if let Some((_, lane)) = lanes.last_mut() {
            lane.add(ask, spell.from, spell.to, spell.state.as_str());
        }
    }
    lanes.into_iter().map(|(_, lane)| lane.frame(Some(mappings()))).collect()
}

/// Colours and names of the states.
fn mappings() -> Value {
    let colour = |state| match state {
        MachineState::Running => "green",
        MachineState::Idle => "yellow",
        MachineState::Setup => "blue",
        MachineState::Stopped => "red",
        MachineState::Off => "#808080",
    };
    let mut options = serde_json::Map::new();
    for (index, state) in MachineState::ALL.into_iter().enumerate() {
        let shown = json!({"text": state.name(), "color": colour(state), "index": index});
        options.insert(state.as_str().to_owned(), shown);
    }
    json!([{"type": "value", "options": options}])
}
