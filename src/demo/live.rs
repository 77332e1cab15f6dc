//! The factory's present: readings of each sensor as time passes, runs and states as they begin
//! and end.

use std::time::Duration;

use chrono::Utc;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep_until};

use super::factory::Simulation;
use super::post;
use super::slice::Stretch;
use crate::client::{Client, ClientError};

/// A gap longer than this is filled like history, in slices and with progress.
const LONG_GAP_S: i64 = 3600;

/// How the data relates to the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The data ends in the past and moves towards the present faster than time passes.
    CatchingUp,
    /// The data follows the clock; what is missing is filled at once.
    Following,
}

/// Goes on where `history` ends, until SIGINT (Ctrl-C) or SIGTERM.
///
/// Each `interval / speed` of real time makes one reading of each sensor. While it is catching up,
/// data moves on by `interval` each time, so `speed` times as fast as time passes; after that,
/// readings carry the clock's time and are that much denser. The future is never posted. While the
/// API is away nothing is lost: the gap is filled when it is back.
pub async fn run(
    client: &Client,
    simulation: &mut Simulation,
    history: Stretch,
    phase: Phase,
    speed: f64,
) -> anyhow::Result<()> {
    let pace = Duration::from_secs_f64(history.step as f64 / speed);
    let dense = (pace.as_secs_f64().round() as i64).max(1);
    eprintln!("live: a reading of each sensor every {:.1} s; Ctrl-C stops", pace.as_secs_f64());
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let work = follow(client, simulation, history, phase, pace, dense);
    tokio::select! {
        ended = work => ended,
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    }
}

async fn follow(
    client: &Client,
    simulation: &mut Simulation,
    history: Stretch,
    mut phase: Phase,
    pace: Duration,
    dense: i64,
) -> anyhow::Result<()> {
    let interval = history.step;
    let mut at = history.to;
    let mut wake = Instant::now();
    loop {
        let now = Utc::now().timestamp();
        if now - at < 2 * interval {
            phase = Phase::Following;
        }
        let (to, step) = match phase {
            Phase::CatchingUp => (at + interval, interval),
            Phase::Following => (now.div_euclid(dense) * dense, dense),
        };
        if to > at {
            let next = Stretch { from: at, to, step, known_at: to, ..history };
            match advance(client, simulation, next).await {
                Ok(()) => at = to,
                Err(error) if is_away(&error) => eprintln!("live: {error:#}; going on"),
                Err(error) => return Err(error),
            }
        }
        wake = match phase {
            Phase::CatchingUp => wake + pace,
            Phase::Following => Instant::now() + until_multiple(dense),
        };
        sleep_until(wake).await;
    }
}

async fn advance(
    client: &Client,
    simulation: &mut Simulation,
    stretch: Stretch,
) -> anyhow::Result<()> {
    if stretch.to - stretch.from > LONG_GAP_S {
        post::history(client, simulation, stretch).await
    } else {
        post::present(client, simulation, stretch).await
    }
}

/// Time until the clock shows the next multiple of `seconds`.
fn until_multiple(seconds: i64) -> Duration {
    let millis = Utc::now().timestamp_millis();
    Duration::from_millis((seconds * 1000 - millis.rem_euclid(seconds * 1000)).unsigned_abs())
}

/// Whether the API may be back later.
fn is_away(error: &anyhow::Error) -> bool {
    match error.downcast_ref::<ClientError>() {
        Some(ClientError::Unreachable { .. }) => true,
        Some(ClientError::Refused { status, .. }) => {
            status.is_server_error() || status.as_u16() == 429
        }
        _ => false,
    }
}
