//! How far lots are from the golden one of their reference at their place.
//!
//! runs -> lots at places -> energy of the earlier ones -> which to learn from -> curves -> envelopes
//! -> verdicts -> frames. Learned from are only lots that ended before the time range begins, so none
//! is judged by itself or by later ones, and a lot that is still being made by what it was so far. Time
//! in which a machine says that it was not running is left out of its curves: stops are no level.

mod curves;
mod frames;
mod price;
mod stops;
mod words;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{NaiveTime, TimeDelta};

use super::memo::{Key, Memo};
use super::{
    AnswerError, MAX_RUNS, Provenance, Source, and_more, in_the_future, nothing, reject_unknown,
    runs,
};
use crate::analytics::golden::{Candidate, Choice, Envelope, FEWEST_RUNS, Verdict, choose};
use crate::domain::{Language, TimeRange};
use crate::figures::levels::Level;
use crate::frame::{Frame, Notice};
use crate::model::{self, Align, Format, GoldenFrom, Query};
use crate::plan::{self, Ask, GoldenCurve, Grid, Made, Run, Selection};
use crate::sql;

/// The envelope of the golden lot and how many lots could have been learned from.
struct Golden {
    envelope: Arc<Option<Envelope>>,
    /// Lots of the learning period.
    ended: usize,
    /// Those of them that were chosen.
    chosen: usize,
}

/// Keys of where a lot is made; of a whole line there is no machine.
#[derive(Clone, Default)]
struct Keys {
    plant: String,
    line: String,
    machine: String,
}

/// A lot's curve with what is said about it.
struct Judged<'a> {
    place: Keys,
    curve: GoldenCurve<'a>,
    made: &'a Made,
    levels: Vec<Level>,
    golden: Arc<Golden>,
    verdict: Option<Verdict>,
    /// kWh more than the golden curve over the judged steps, where the quantity is power or energy.
    energy: Option<f64>,
    /// What that costs, in the plant's currency.
    cost: Option<f64>,
    currency: String,
}

/// What all frames are made of.
struct Answer<'a> {
    judged: Vec<Judged<'a>>,
    grid: Grid,
    quantity: String,
    unit: String,
    language: Language,
}

static ENVELOPES: Memo<Option<Envelope>> = Memo::new(512);

/// The times of a question.
struct Times {
    /// From where lots are learned from.
    learn: TimeRange,
    /// What is judged, up to the present.
    shown: TimeRange,
}

fn times(query: &Query, ask: &Ask) -> Option<Times> {
    let shown = ask.range.clip(ask.range.from(), Some(ask.now))?;
    let first = shown.from() - TimeDelta::days(i64::from(query.learning_days));
    // From midnight (UTC), so that the same lots are learned from while the time range moves on.
    let midnight = first.date_naive().and_time(NaiveTime::MIN).and_utc();
    Some(Times { learn: TimeRange::new(midnight, shown.from()).ok()?, shown })
}

pub(super) async fn answer(
    source: &Source<'_>,
    query: &Query,
    selection: &Selection<'_>,
    ask: &Ask,
) -> Result<Vec<Frame>, AnswerError> {
    let sensors = plan::golden_sensors(query, selection)?;
    let Some(times) = times(query, ask) else {
        return Ok(nothing(&[in_the_future(query.language)]));
    };
    let runs = fetch_runs(source, query, selection, &times).await?;
    let all = plan::made(&runs, ask.now);
    let mut notices = Vec::new();
    let asked = asked(query, &all, &runs, &times, &mut notices);
    if asked.is_empty() {
        reject_unknown(source, query, selection).await?;
        let text = query.language.pick(
            "No lot of this selection has a run in the time range.",
            "Ningún lote de esta selección tiene una fabricación en el intervalo de tiempo.",
        );
        notices.push(Notice::Info(text.to_owned()));
        return Ok(nothing(&notices));
    }
    let learned = learn_from(source, query, selection, ask, &times, &runs, &all, &asked).await?;
    let finest = sensors.iter().map(|s| s.interval_s).fold(f64::INFINITY, f64::min);
    let norms: Vec<&Made> = learned.iter().flat_map(|g| &g.chosen).map(|&i| &all[i]).collect();
    let grid = Grid::of(query, &norms, finest)?;
    let mut wanted: Vec<usize> = learned.iter().flat_map(|g| g.chosen.iter().copied()).collect();
    wanted.extend(&asked);
    wanted.sort_unstable();
    wanted.dedup();
    let (curves, windows) =
        plan::golden(query, source.catalog, &sensors, &runs, &all, &wanted, ask.now)?;
    if curves.is_empty() {
        let text = query.language.pick(
            "The lots' runs have no such sensor on their lines and machines.",
            "Las fabricaciones de los lotes no tienen ese sensor en sus líneas y máquinas.",
        );
        notices.push(Notice::Info(text.to_owned()));
        return Ok(nothing(&notices));
    }
    let read = curves::fetch(source, selection, &all, &curves, &windows, grid).await?;
    let unit = crate::figures::levels::unit(curves[0].sensors[0]);
    let judged = judge(source, &all, &asked, &learned, curves, read.levels).await?;
    let quantity = sensors.first().map(|s| s.quantity.clone()).unwrap_or_default();
    let mut answer = Answer { judged, grid, quantity, unit, language: query.language };
    notices.extend(price::price(source, &mut answer, ask).await?);
    notices.extend(refusals(&answer, query, &times));
    if answer.judged.iter().any(|j| j.made.open) {
        let text = query.language.pick(
            "A lot is still being made: it is judged by its time so far.",
            "Un lote aún se está fabricando: se juzga por su tiempo hasta ahora.",
        );
        notices.push(Notice::Info(text.to_owned()));
    }
    let mut frames = frames::frames(query, &answer, ask)?;
    for frame in &mut frames {
        Provenance {
            language: query.language,
            shown: &read.shown,
            source: "readings",
            reason: format!(
                "{} lots of the {} days before the time range were learned from; {} curves of {}",
                norms.len(),
                query.learning_days,
                windows.len(),
                match grid {
                    Grid::Elapsed(width, _) => format!("steps of {width} s since the start"),
                    Grid::Progress(parts) => format!("{parts} equal parts of each lot's time"),
                }
            ),
            rows: Some(read.estimated),
            bucket: match grid {
                Grid::Elapsed(width, _) => format!("{width}s"),
                Grid::Progress(parts) => format!("1/{parts}"),
            },
            coverage: None,
            notices: notices.clone(),
        }
        .write(frame);
    }
    Ok(frames)
}

/// All runs of the references since the learning began, oldest first: what lots and operators the
/// query is cut to says which are judged, not what is usual.
async fn fetch_runs(
    source: &Source<'_>,
    query: &Query,
    selection: &Selection<'_>,
    times: &Times,
) -> Result<Vec<Run>, AnswerError> {
    let context = model::Context {
        references: query.context.references.clone(),
        ..model::Context::default()
    };
    let Ok(range) = TimeRange::new(times.learn.from(), times.shown.to()) else {
        return Ok(Vec::new());
    };
    let statement = sql::runs::statement(selection, &context, range, MAX_RUNS + 1);
    let rows = source.db.query(&statement.sql, statement.params).await?;
    let mut runs: Vec<Run> = rows.iter().map(sql::runs::read).collect::<Result<_, _>>()?;
    if runs.len() > MAX_RUNS {
        return Err(AnswerError::TooManyRuns(MAX_RUNS));
    }
    runs.reverse();
    Ok(runs)
}

/// The lots that are to be judged, newest first: those with a run in the time range.
fn asked(
    query: &Query,
    all: &[Made],
    runs: &[Run],
    times: &Times,
    notices: &mut Vec<Notice>,
) -> Vec<usize> {
    let passes = |run: &Run| {
        let operator = run.operator.as_ref().map_or("", |operator| &operator.0);
        plan::keeps(run, &query.context)
            && query.context.lots.accepts(&run.lot)
            && query.context.operators.accepts(operator)
    };
    let inside = |made: &Made| {
        let own = || made.runs.iter().filter_map(|run| runs.get(*run));
        made.from < times.shown.to()
            && made.to > times.shown.from()
            && own()
                .any(|run| passes(run) && times.shown.clip(run.started_at, run.ended_at).is_some())
    };
    let mut asked: Vec<usize> = (0..all.len()).filter(|i| inside(&all[*i])).collect();
    if query.align == Align::Progress && asked.iter().any(|i| all[*i].open) {
        asked.retain(|i| !all[*i].open);
        let text = query.language.pick(
            "Lots that are still being made have no known length: they are not compared by progress. Choose elapsed time for them.",
            "Los lotes que aún se fabrican no tienen duración conocida: no se comparan por avance. Elige para ellos el tiempo transcurrido.",
        );
        notices.push(Notice::Info(text.to_owned()));
    }
    asked.sort_by(|a, b| all[*b].from.cmp(&all[*a].from).then(a.cmp(b)));
    match query.format {
        Format::Alert => {
            // The newest of each place: what happens there now.
            let mut seen = Vec::new();
            asked.retain(|i| {
                let place = (all[*i].plant, all[*i].line, all[*i].machine);
                let is_new = !seen.contains(&place);
                seen.push(place);
                is_new
            });
        }
        format => {
            let most = match format {
                Format::Curves | Format::Deviation => query.last_lots,
                _ => query.limit,
            };
            if asked.len() > most {
                let all = asked.len();
                let text = query.language.pick(
                    format!("Only the newest {most} of {all} lots."),
                    format!("Solo los {most} lotes más recientes de {all}."),
                );
                notices.push(Notice::Warning(text));
                asked.truncate(most);
            }
        }
    }
    asked
}

/// The lots that one golden lot is learned from.
struct Learned {
    /// A lot of the reference and place.
    like: usize,
    /// Lots that ended in the learning period.
    ended: usize,
    /// Those that were chosen.
    chosen: Vec<usize>,
}

#[expect(clippy::too_many_arguments, reason = "one step of the pipeline")]
async fn learn_from(
    source: &Source<'_>,
    query: &Query,
    selection: &Selection<'_>,
    ask: &Ask,
    times: &Times,
    runs: &[Run],
    all: &[Made],
    asked: &[usize],
) -> Result<Vec<Learned>, AnswerError> {
    let mut groups: Vec<Learned> = Vec::new();
    for &index in asked {
        if !groups.iter().any(|g| all[g.like].is_like(&all[index])) {
            groups.push(Learned { like: index, ended: 0, chosen: Vec::new() });
        }
    }
    for group in &mut groups {
        let ended = |made: &Made| {
            !made.open && made.to <= times.shown.from() && made.is_like(&all[group.like])
        };
        group.chosen = (0..all.len()).filter(|i| ended(&all[*i])).collect();
        group.ended = group.chosen.len();
    }
    let of: Vec<usize> =
        groups.iter().flat_map(|g| &g.chosen).flat_map(|i| all[*i].runs.iter().copied()).collect();
    let own: Vec<Run> = of.iter().filter_map(|run| runs.get(*run)).cloned().collect();
    let (energy, _) = runs::energy(source, selection, &own, ask).await?;
    let energy: BTreeMap<usize, f64> =
        of.iter().zip(energy).filter_map(|(run, kwh)| Some((*run, kwh?))).collect();
    let choice = match query.golden {
        GoldenFrom::Good => Choice::Good,
        GoldenFrom::BestPercent(percent) => Choice::BestShare(f64::from(percent) / 100.0),
        GoldenFrom::BestLots(lots) => Choice::BestRuns(lots as usize),
    };
    for group in &mut groups {
        let candidates: Vec<Candidate> =
            group.chosen.iter().map(|i| candidate(&all[*i], &energy)).collect();
        let chosen = choose(&candidates, choice);
        group.chosen = chosen.into_iter().map(|position| group.chosen[position]).collect();
    }
    Ok(groups)
}

fn candidate(made: &Made, energy: &BTreeMap<usize, f64>) -> Candidate {
    let kwh: Option<f64> = made.runs.iter().map(|run| energy.get(run).copied()).sum();
    let units = made.good_units + made.scrap_units;
    Candidate {
        energy_per_good_unit: kwh.filter(|_| made.good_units > 0.0).map(|e| e / made.good_units),
        seconds: made.seconds(),
        scrap_share: (units > 0.0).then(|| made.scrap_units / units),
    }
}

/// The verdict on each curve of a lot that is asked for, newest lot first.
async fn judge<'a>(
    source: &Source<'_>,
    all: &'a [Made],
    asked: &[usize],
    learned: &[Learned],
    curves: Vec<GoldenCurve<'a>>,
    levels: Vec<Vec<Level>>,
) -> Result<Vec<Judged<'a>>, AnswerError> {
    let values: Vec<Vec<f64>> = levels
        .iter()
        .map(|levels| levels.iter().map(|l| l.value.unwrap_or(f64::NAN)).collect())
        .collect();
    let sensor = |index: usize| curves[index].sensor.map(|s| s.id);
    let mut goldens: Vec<(usize, Option<i32>, Arc<Golden>)> = Vec::new();
    let mut judged = Vec::new();
    for (index, levels) in levels.into_iter().enumerate() {
        let made = curves[index].made;
        let group = learned.iter().find(|g| all[g.like].is_like(&all[made]));
        let Some(group) = group.filter(|_| asked.contains(&made)) else { continue };
        let known = goldens.iter().find(|g| g.0 == group.like && g.1 == sensor(index));
        let golden = match known {
            Some(known) => known.2.clone(),
            None => {
                let is_norm = |i: &usize| {
                    group.chosen.contains(&curves[*i].made) && sensor(*i) == sensor(index)
                };
                let norms = (0..curves.len()).filter(is_norm);
                let golden = learn(norms.map(|i| values[i].clone()).collect(), group).await?;
                goldens.push((group.like, sensor(index), golden.clone()));
                golden
            }
        };
        let verdict = (*golden.envelope).as_ref().and_then(|e| e.judge(&values[index]));
        judged.push(Judged {
            place: keys(source, &all[made]),
            curve: curves[index].clone(),
            made: &all[made],
            levels,
            golden,
            verdict,
            energy: None,
            cost: None,
            currency: String::new(),
        });
    }
    judged.sort_by_key(|judged| std::cmp::Reverse(judged.made.from));
    Ok(judged)
}

fn keys(source: &Source<'_>, made: &Made) -> Keys {
    let catalog = source.catalog;
    let machine = made.machine.and_then(|id| catalog.machine(id));
    Keys {
        plant: catalog.plant(made.plant).map(|p| p.key.clone()).unwrap_or_default(),
        line: catalog.line(made.line).map(|l| l.key.clone()).unwrap_or_default(),
        machine: machine.map(|m| m.key.clone()).unwrap_or_default(),
    }
}

async fn learn(norms: Vec<Vec<f64>>, group: &Learned) -> Result<Arc<Golden>, AnswerError> {
    let key = norms.iter().fold(Key::of("golden 1"), |key, curve| key.numbers(curve));
    let fit = move || Envelope::learn(&norms.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let envelope = ENVELOPES.get(key, fit).await?;
    Ok(Arc::new(Golden { envelope, ended: group.ended, chosen: group.chosen.len() }))
}

/// Most references and places that a notice names.
const MOST_NAMES: usize = 5;

/// Says which lots have no golden one, and what is missing.
fn refusals(answer: &Answer<'_>, query: &Query, times: &Times) -> Option<Notice> {
    let language = query.language;
    let mut missing: Vec<String> = Vec::new();
    for judged in answer.judged.iter().filter(|j| j.golden.envelope.is_none()) {
        let Golden { ended, chosen, .. } = *judged.golden;
        let (over, usable) = language.pick(("ended", "usable"), ("terminados", "utilizables"));
        let text = match chosen < ended.min(FEWEST_RUNS) {
            true => format!("{} ({ended} {over}, {chosen} {usable})", judged.made.reference),
            false => format!("{} ({ended} {over})", judged.made.reference),
        };
        if !missing.contains(&text) {
            missing.push(text);
        }
    }
    if missing.is_empty() {
        return None;
    }
    let more = missing.len().saturating_sub(MOST_NAMES);
    missing.truncate(MOST_NAMES);
    let missing = format!("{}{}", missing.join(", "), and_more(more, language));
    let needed = match query.golden {
        GoldenFrom::Good => language.pick("measured curves", "curvas medidas"),
        _ => language.pick(
            "measured curves and energy per good unit",
            "curvas medidas y energía por unidad buena",
        ),
    };
    let (days, from) = (query.learning_days, times.shown.from().format("%Y-%m-%d %H:%M UTC"));
    Some(Notice::Warning(language.pick(
        format!("No golden lot of {missing}: {FEWEST_RUNS} lots at one place with {needed} are needed in the {days} days before {from}. Learn from more days, or choose a later time range."),
        format!("Sin lote patrón de {missing}: hacen falta {FEWEST_RUNS} lotes en un mismo lugar con {needed} en los {days} días antes de {from}. Aprenda de más días o elija un intervalo posterior."),
    )))
}
