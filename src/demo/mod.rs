//! `lotwise demo`: a small factory whose history and present go through the ingest API.
//!
//! `factory` simulates and is pure; `post` sends; this module decides which stretch of time is
//! due. Data that is there already is continued, not made again.

pub mod factory;
mod items;
mod live;
mod post;
mod prices;
mod resume;
mod slice;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;
use chrono::{DateTime, Utc};

use crate::client::Client;
use factory::Simulation;
use live::Phase;
use slice::Stretch;

const DAY_S: i64 = 86_400;

/// Fill the database with a simulated factory, and keep it going.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Address of the ingest service.
    #[arg(long, default_value = "http://127.0.0.1:8086", env = "LOTWISE_URL")]
    pub url: String,
    /// File with the API key (scopes readings and context).
    #[arg(long, env = "LOTWISE_KEY_FILE")]
    pub key_file: PathBuf,
    /// Days of history; where there is some already it is continued instead.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(i64).range(0..=3660))]
    pub days: i64,
    /// Which factory: the same seed gives the same data.
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// Time between readings, such as 60s, 5m or 10 (seconds); must divide an hour.
    #[arg(long, default_value = "60s", value_parser = parse_interval)]
    pub interval: i64,
    /// End of the history; the default is now.
    #[arg(long)]
    pub until: Option<DateTime<Utc>>,
    /// Post the whole history again, also where there is some already.
    #[arg(long)]
    pub rewrite: bool,
    /// Go on after the history with readings as time passes.
    #[arg(long)]
    pub live: bool,
    /// With --live: so many times as many readings a minute. History that ends in the past (--until)
    /// is continued that many times faster than real time until it has caught up.
    #[arg(long, default_value_t = 1.0)]
    pub speed: f64,
}

/// Runs the command.
pub async fn run(args: Args) -> anyhow::Result<()> {
    ensure!(
        args.speed > 0.0 && args.speed <= 3600.0,
        "--speed must be more than 0 and at most 3600"
    );
    let now = Utc::now();
    let until = args.until.unwrap_or(now);
    ensure!(until <= now, "--until {until} is in the future");
    let client = Client::new(&args.url, &args.key_file, Duration::from_secs(120))?;
    client.reach().await?;
    let mut simulation = Simulation::new(args.seed);
    let to = until.timestamp().div_euclid(args.interval) * args.interval;
    // History starts at a full UTC day.
    let start = (to - args.days * DAY_S).div_euclid(DAY_S) * DAY_S;

    post::directory(&client, &simulation, args.interval).await?;
    let known = resume::known(&client).await?;
    let known_at = known.map_or(to, |known| known.newest.max(to));
    let (from, context_from) = match known {
        Some(known) if known.newest > start && !args.rewrite => {
            eprintln!("there is data up to {}; going on from there", items::rfc3339(known.newest));
            (known.newest, known.oldest)
        }
        _ => (start, start),
    };
    let stretch = Stretch { from, to: to.max(from), step: args.interval, context_from, known_at };
    if stretch.from < stretch.to {
        post::history(&client, &mut simulation, stretch).await?;
    }
    if args.live {
        let phase = if args.until.is_some() { Phase::CatchingUp } else { Phase::Following };
        live::run(&client, &mut simulation, stretch, phase, args.speed).await?;
    }
    Ok(())
}

/// Seconds of an interval that divides an hour.
fn parse_interval(text: &str) -> Result<i64, String> {
    let unit = text.chars().last();
    let digits = text.strip_suffix(['s', 'm', 'h']).unwrap_or(text);
    let factor = match unit {
        Some('h') => 3600,
        Some('m') => 60,
        _ => 1,
    };
    let seconds = digits.parse::<i64>().ok().and_then(|number| number.checked_mul(factor));
    seconds.filter(|seconds| (1..=3600).contains(seconds) && 3600 % seconds == 0).ok_or_else(|| {
        format!("'{text}' is not an interval that divides an hour; try 60s, 10s or 5m")
    })
}

#[cfg(test)]
mod tests {
    use super::parse_interval;

    #[test]
    fn an_interval_divides_an_hour() {
        for (text, seconds) in [("60s", 60), ("10", 10), ("5m", 300), ("1h", 3600)] {
            assert_eq!(parse_interval(text), Ok(seconds));
        }
        for text in ["", "s", "0", "7m", "-60s", "2h", "1d", "99999999999999999999s"] {
            assert!(parse_interval(text).is_err(), "{text}");
        }
    }
}
