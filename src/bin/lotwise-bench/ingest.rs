//! Readings in: Lotwise beside `psql`'s binary COPY of the same rows, and beside multi-row INSERT.
//!
//! A round writes the same rows to the empty table first by COPY, the floor, and then through the
//! service, so that whatever else the machine does falls on both. Each way is measured in several
//! rounds; the medians count, so that one disturbed round does not.

mod client;
mod hostile;
mod rows;
mod service;
mod target;

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;

use crate::report::{Figure, Report};
use crate::sample::Sample;
use crate::{database, programs};
use service::Service;
use target::Target;

/// Readings in: the rate, the time to the acknowledgement, and the service's memory.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: database::Options,
    /// Only these measurements, such as batch_5000 or memory; all without it
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// The service's executable; without it, the release build beside this program
    #[arg(long)]
    lotwise: Option<PathBuf>,
    /// Times that each way of writing is measured
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Write the figures to this file
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Readings of a certain batch size over so many connections.
struct Shape {
    name: &'static str,
    batch: usize,
    connections: usize,
    /// Readings of a round, a multiple of the batch: some seconds each.
    readings: usize,
}

const SHAPES: [Shape; 3] = [
    Shape { name: "batch_5000", batch: 5_000, connections: 1, readings: 400_000 },
    Shape { name: "batch_100_x50", batch: 100, connections: 50, readings: 200_000 },
    Shape { name: "single_x200", batch: 1, connections: 200, readings: 10_000 },
];

const INSERTED: usize = 200_000;

/// Measures and prints.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let lotwise = match args.lotwise {
        Some(lotwise) => lotwise,
        None => programs::release("lotwise").await?,
    };
    let server = args.server.open().await?;
    let target = Target::prepare(&server.db, server.psql().await).await?;
    let service = Service::start(&lotwise, &server.db.url).await?;
    let mut results = Vec::new();
    let wanted = |name: &str| args.only.is_empty() || args.only.iter().any(|only| only == name);
    for shape in SHAPES.iter().filter(|shape| wanted(shape.name)) {
        results.extend(measure(shape, args.rounds, &service, &target).await?);
    }
    if wanted("telegraf_insert") {
        results.extend(inserts(args.rounds, &target).await?);
    }
    if wanted("memory") {
        results.extend(memory(&service, &target).await?);
    }
    Report { results }.publish(args.json.as_deref())
}

async fn measure(
    shape: &Shape,
    rounds: u16,
    service: &Service,
    target: &Target,
) -> anyhow::Result<[Figure; 3]> {
    let (mut measured, mut floor) = (Rates::default(), Rates::default());
    let mut acknowledged = Vec::new();
    for _ in 0..rounds {
        floor.add(shape.readings, copied(0..shape.readings, target).await?);
        target.empty().await?;
        let load = through(shape, service, target).await.context(shape.name)?;
        measured.add(shape.readings, load.took);
        acknowledged.extend(load.acknowledged);
    }
    Ok(figures(shape.name, &measured, &floor, acknowledged))
}

/// The most memory of all, of the load before, and of each hostile case.
async fn memory(service: &Service, target: &Target) -> anyhow::Result<Vec<Figure>> {
    let mut peaks = vec![("load", service.peak_rss_mb()?)];
    for case in &hostile::CASES {
        target.empty().await?;
        peaks.push((case.name, case.run(service, target).await?));
    }
    let most = peaks.iter().map(|(_, peak)| *peak).fold(0.0, f64::max);
    let figure = |name: String, peak| Figure::new(name, peak, "MB", None);
    let each = peaks.into_iter().map(|(name, peak)| figure(format!("peak_rss_mb, {name}"), peak));
    Ok(std::iter::once(figure("peak_rss_mb".to_owned(), most)).chain(each).collect())
}

async fn inserts(rounds: u16, target: &Target) -> anyhow::Result<[Figure; 3]> {
    let (mut measured, mut floor) = (Rates::default(), Rates::default());
    let mut committed = Vec::new();
    for _ in 0..rounds {
        floor.add(INSERTED, copied(0..INSERTED, target).await?);
        target.empty().await?;
        let took = target.insert(0..INSERTED).await?;
        target.check(INSERTED).await?;
        measured.add(INSERTED, took.iter().sum());
        committed.extend(took);
    }
    Ok(figures("telegraf_insert", &measured, &floor, committed))
}

async fn copied(rows: Range<usize>, target: &Target) -> anyhow::Result<Duration> {
    target.empty().await?;
    let count = rows.len();
    let took = target.copy(rows).await?;
    target.check(count).await?;
    Ok(took)
}

async fn through(
    shape: &Shape,
    service: &Service,
    target: &Target,
) -> anyhow::Result<client::Load> {
    let requests = (0..shape.readings)
        .step_by(shape.batch)
        .map(|first| client::request(&target.key, &rows::lines(first..first + shape.batch)))
        .collect();
    let load = client::send(service.address, requests, shape.connections).await?;
    target.check(shape.readings).await?;
    Ok(load)
}

fn figures(name: &str, measured: &Rates, floor: &Rates, calls: Vec<Duration>) -> [Figure; 3] {
    let calls = Sample::new(calls);
    let call = |label: &str, share| {
        Figure::new(format!("{name}, {label}"), calls.quantile(share), "ms", None)
    };
    [
        Figure::new(name.to_owned(), measured.median(), "readings/s", Some(floor.median())),
        call("p50", 0.50),
        call("p99", 0.99),
    ]
}

/// Readings per second of several rounds.
#[derive(Default)]
struct Rates(Vec<f64>);

impl Rates {
    fn add(&mut self, readings: usize, took: Duration) {
        self.0.push(readings as f64 / took.as_secs_f64());
    }

    fn median(&self) -> f64 {
        let mut rates = self.0.clone();
        rates.sort_by(f64::total_cmp);
        rates.get(rates.len() / 2).copied().unwrap_or(f64::NAN)
    }
}
