//! What each machine was doing, or what was made on each line, as texts over time.
//!
//! One series a machine or line, each value up to the next; empty where nothing is known.

use chrono::{DateTime, Utc};

use super::{AnswerError, MAX_STATES, Provenance, Source, resolve_runs};
use crate::domain::{MachineState, TimeRange, span};
use crate::frame::{Field, Frame, Notice};
use crate::model::{Format, GroupBy, Query};
use crate::plan::{Ask, Run, Selection};
use crate::sql::states;

/// What holds from a start up to an end.
type Spell = (TimeRange, String);

pub(super) async fn answer(
    source: &Source<'_>,
    query: &Query,
    selection: &Selection<'_>,
    ask: &Ask,
) -> Result<Vec<Frame>, AnswerError> {
    let restricted = query.context.is_restricted();
    let (runs, mut notices) = if query.group_by.is_context() || restricted {
        resolve_runs(source, query, selection, ask.range).await?
    } else {
        (Vec::new(), Vec::new())
    };
    // Nothing is known of the time after now.
    let known = ask.range.clip(ask.range.from(), Some(ask.now.max(ask.range.from())));
    // Marked regions are always of machines: those of what was made are a query for runs.
    let by_run = query.group_by.is_context() && query.format != Format::Annotations;
    let (mut frames, shown, reason) = match (known, by_run) {
        (None, _) => (Vec::new(), String::new(), "the time range has not begun".to_owned()),
        (Some(known), true) => {
            let frames = made(source, query, selection, &runs, known);
            (frames, String::new(), "runs that overlap the time range".to_owned())
        }
        (Some(known), false) => {
            let machines = selection.machines.iter().map(|machine| machine.id).collect();
            let statement = states::statement(machines, known, MAX_STATES + 1);
            let rows = source.db.query(&statement.sql, statement.params).await?;
            if rows.len() > MAX_STATES {
                return Err(AnswerError::TooManyStates(MAX_STATES));
            }
            let mut found: Vec<states::State> =
                rows.iter().map(states::read).collect::<Result<_, crate::db::DbError>>()?;
            found.retain(|state| query.context.states.accepts(&state.state));
            let within = restricted.then_some(runs.as_slice());
            let frames = match query.format {
                Format::Annotations => vec![annotations(source, query, found, within, ask)],
                _ => done(source, selection, &found, within, known),
            };
            (frames, statement.shown.clone(), "states that overlap the time range".to_owned())
        }
    };
    if frames.len() > query.limit {
        let (limit, all) = (query.limit, frames.len());
        notices.push(Notice::Warning(
            query
                .language
                .pick(format!("Only {limit} of {all}."), format!("Solo {limit} de {all}.")),
        ));
        frames.truncate(query.limit);
    }
    if frames.is_empty() {
        return Ok(super::nothing(&notices));
    }
    for frame in &mut frames {
        Provenance {
            language: query.language,
            shown: &shown,
            source: if by_run { "runs" } else { "states" },
            reason: reason.clone(),
            rows: None,
            bucket: "none".to_owned(),
            coverage: None,
            notices: std::mem::take(&mut notices),
        }
        .write(frame);
    }
    Ok(frames)
}

/// What each machine was doing; with runs, only while one of them lasted there.
fn done(
    source: &Source<'_>,
    selection: &Selection<'_>,
    found: &[states::State],
    within: Option<&[Run]>,
    known: TimeRange,
) -> Vec<Frame> {
    let of_machine = |machine: &&crate::catalog::Spot| {
        let runs = |run: &&Run| {
            run.line == machine.line && run.machine.is_none_or(|only| only == machine.id)
        };
        let spans: Vec<TimeRange> = match within {
            None => vec![known],
            Some(all) => all
                .iter()
                .filter(runs)
                .filter_map(|run| known.clip(run.started_at, run.ended_at))
                .collect(),
        };
        let of_it: Vec<&states::State> = found.iter().filter(|s| s.machine == machine.id).collect();
        let inside = |span: &TimeRange| {
            let clipped = |state: &&states::State| {
                Some((span.clip(state.started_at, state.ended_at)?, state.state.clone()))
            };
            of_it.iter().filter_map(clipped).collect::<Vec<Spell>>()
        };
        let spells: Vec<Spell> = spans.iter().flat_map(inside).collect();
        let line = source.catalog.line(machine.line).map(|l| l.key.clone()).unwrap_or_default();
        let labels = vec![
            ("plant", plant(source, machine.plant)),
            ("line", line),
            ("machine", machine.key.clone()),
        ];
        series("state", &machine.name, labels, spells, known)
    };
    selection.machines.iter().filter_map(of_machine).collect()
}

/// The newest states as marked regions; with runs, only those during one of them.
fn annotations(
    source: &Source<'_>,
    query: &Query,
    mut found: Vec<states::State>,
    within: Option<&[Run]>,
    ask: &Ask,
) -> Frame {
    let catalog = source.catalog;
    let machine = |s: &states::State| catalog.machine(s.machine);
    let during = |s: &states::State, run: &Run| {
        machine(s).is_some_and(|m| m.line == run.line)
            && run.machine.is_none_or(|only| only == s.machine)
            && s.started_at < run.ended_at.unwrap_or(ask.now)
            && run.started_at < s.ended_at.unwrap_or(ask.now)
    };
    found.retain(|s| within.is_none_or(|runs| runs.iter().any(|run| during(s, run))));
    found.sort_by_key(|state| std::cmp::Reverse(state.started_at));
    found.truncate(query.limit);
    let name = |s: &states::State| machine(s).map(|m| m.name.clone()).unwrap_or_default();
    let line = |s: &states::State| {
        let line = machine(s).and_then(|m| catalog.line(m.line));
        line.map(|l| l.name.clone()).unwrap_or_default()
    };
    let state = |s: &states::State| match s.state.parse::<MachineState>() {
        Ok(state) => state.name(query.language).to_owned(),
        Err(_) => s.state.clone(),
    };
    let text = |s: &states::State| {
        let lasted = (s.ended_at.unwrap_or(ask.now) - s.started_at).num_seconds().max(0);
        let so_far = query.language.pick(" so far", " hasta ahora");
        let open = if s.ended_at.is_none() { so_far } else { "" };
        Some(format!("{} · {}{open}", line(s), span::words(lasted as u64)))
    };
    let fields = vec![
        Field::time("time", found.iter().map(|s| Some(s.started_at))),
        Field::time("timeEnd", found.iter().map(|s| s.ended_at)),
        Field::text("title", found.iter().map(|s| Some(format!("{} · {}", name(s), state(s))))),
        Field::text("text", found.iter().map(text)),
        Field::text(
            "tags",
            found.iter().map(|s| Some(format!("{},{},{}", line(s), name(s), s.state))),
        ),
        Field::text(
            "id",
            found.iter().map(|s| Some(format!("{} {}", s.machine, s.started_at.timestamp()))),
        ),
    ];
    Frame::new("states", "", fields)
}

/// What was made on each line, and on each machine that has runs of its own.
fn made(
    source: &Source<'_>,
    query: &Query,
    selection: &Selection<'_>,
    runs: &[Run],
    known: TimeRange,
) -> Vec<Frame> {
    let text = |run: &Run| match query.group_by {
        GroupBy::Lot => Some(run.lot.clone()),
        GroupBy::Operator => run.operator.as_ref().map(|operator| operator.1.clone()),
        _ => Some(run.reference_name.clone()),
    };
    let at = |line: i32, machine: Option<i32>| -> Vec<Spell> {
        let here = runs.iter().filter(|run| run.line == line && run.machine == machine);
        here.filter_map(|run| Some((known.clip(run.started_at, run.ended_at)?, text(run)?)))
            .collect()
    };
    let name = query.group_by.as_str();
    let lines = selection.lines.iter().filter_map(|line| {
        let labels = vec![("plant", plant(source, line.plant)), ("line", line.key.clone())];
        series(name, &line.name, labels, at(line.id, None), known)
    });
    let machines = selection.machines.iter().filter_map(|machine| {
        let line = source.catalog.line(machine.line).map(|l| l.key.clone()).unwrap_or_default();
        let labels = vec![
            ("plant", plant(source, machine.plant)),
            ("line", line),
            ("machine", machine.key.clone()),
        ];
        series(name, &machine.name, labels, at(machine.line, Some(machine.id)), known)
    });
    lines.chain(machines).collect()
}

fn plant(source: &Source<'_>, id: i32) -> String {
    source.catalog.plant(id).map(|plant| plant.key.clone()).unwrap_or_default()
}

/// A series of the spells; nothing for none. After a spell that no other follows at once, and that ends
/// before what is known does, there is an empty value, or it would seem to last.
fn series(
    name: &str,
    shown: &str,
    labels: Vec<(&'static str, String)>,
    mut spells: Vec<Spell>,
    known: TimeRange,
) -> Option<Frame> {
    if spells.is_empty() {
        return None;
    }
    spells.sort_by_key(|(range, _)| range.from());
    let mut points: Vec<(DateTime<Utc>, Option<String>)> = Vec::with_capacity(spells.len() + 1);
    let mut before: Option<DateTime<Utc>> = None;
    for (range, text) in spells {
        if let Some(end) = before.filter(|end| *end < range.from()) {
            points.push((end, None));
        }
        before = Some(before.map_or(range.to(), |end| end.max(range.to())));
        points.push((range.from(), Some(text)));
    }
    if let Some(end) = before.filter(|end| *end < known.to()) {
        points.push((end, None));
    }
    let (times, texts): (Vec<_>, Vec<_>) =
        points.into_iter().map(|(time, text)| (Some(time), text)).unzip();
    let value = Field::text(name, texts).labels(labels).display_name(shown);
    // No kind: expressions and alert rules read numbers only.
    Some(Frame::new(shown, "", vec![Field::time("time", times), value]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Column;

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(minute * 60, 0).unwrap()
    }

    fn spell(from: i64, to: i64, text: &str) -> Spell {
        (TimeRange::new(at(from), at(to)).unwrap(), text.to_owned())
    }

    #[test]
    fn a_spell_ends_where_the_next_begins_or_with_an_empty_value() {
        let known = TimeRange::new(at(0), at(60)).unwrap();
        let spells = vec![spell(30, 40, "idle"), spell(0, 10, "setup"), spell(10, 20, "running")];
        let frame = series("state", "Press", Vec::new(), spells, known).unwrap();
        let Column::Text(texts) = frame.fields[1].column() else { panic!("{frame:?}") };
        let texts: Vec<Option<&str>> = texts.iter().map(Option::as_deref).collect();
        assert_eq!(texts, [Some("setup"), Some("running"), None, Some("idle"), None]);
        let Column::Time(times) = frame.fields[0].column() else { panic!("{frame:?}") };
        let minutes: Vec<i64> = times.iter().map(|t| t.unwrap().timestamp() / 60).collect();
        assert_eq!(minutes, [0, 10, 20, 30, 40]);
        // One that lasts up to what is known has no end.
        let frame = series("state", "Press", Vec::new(), vec![spell(50, 60, "off")], known);
        let last = frame.unwrap();
        assert_eq!(last.texts("state"), Some([Some("off".to_owned())].as_slice()));
        assert!(series("state", "Press", Vec::new(), Vec::new(), known).is_none());
    }
}
