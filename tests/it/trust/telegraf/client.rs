//! A sender that behaves as Telegraf's output `influxdb_v2` does (version 1.37): what it keeps, what
//! it drops, when it waits, and when it splits.
//!
//! Written from the rules that its source shows:
//!
//! - The oldest metrics go first, a batch at a time; a flush ends at the first batch that fails.
//!   A full buffer loses its oldest metrics.
//! - 200, 201, 202, 204, 206, 207 and 208 mean delivered.
//! - 413: both halves are sent, and theirs, down to single metrics.
//! - 400, 406, 422 and any other 4xx not named here: the batch is dropped.
//! - 401 and 403: the batch stays.
//! - 429, 502, 503 and 504: the batch stays, and nothing is sent for `Retry-After` seconds, at least
//!   n²/40 for the n-th time in a row.
//! - Any other status, and no answer at all: the batch stays.

use std::collections::VecDeque;
use std::io::Write;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::Client;

use crate::trust::soak::ledger::{Ledger, Place};

/// A metric in its wire form, and what it says.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    line: String,
    row: (Place, u64),
}

/// One `[[outputs.influxdb_v2]]`.
pub struct Telegraf<'a> {
    client: Client,
    url: String,
    token: String,
    bucket: String,
    batch_size: usize,
    buffer_limit: usize,
    buffer: VecDeque<Metric>,
    not_before: Option<Instant>,
    throttled: u32,
    ledger: Option<&'a Ledger>,
    /// What became of everything until now.
    pub log: Log,
}

/// What a Telegraf would write to its own log.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// Status of each answer, in order; 0 stands for none.
    pub answers: Vec<u16>,
    /// Metrics that were dropped because the service refused their batch.
    pub dropped: usize,
    /// Metrics that a full buffer lost.
    pub overflowed: usize,
}

const AGENT: &str = "Telegraf/1.37";

/// What became of a batch, or of a part of it.
enum Fate {
    Done,
    Kept,
}

impl Metric {
    /// A reading; its time in milliseconds is sent in nanoseconds, as Telegraf does.
    pub fn new(place: Place, value: u64) -> Self {
        let line = format!("{},host=gateway value={value}i {}\n", place.0, place.1 * 1_000_000);
        Self { line, row: (place, value) }
    }

    /// A metric that no service can store.
    pub fn bad(name: &str) -> Self {
        Self { line: format!("{name} value=\"text\" 1000000\n"), row: ((name.to_owned(), 1), 0) }
    }
}

impl<'a> Telegraf<'a> {
    /// With a buffer for all that these tests feed, and more patience than a machine may need that
    /// is loaded.
    pub fn new(url: &str, token: &str, bucket: &str, batch_size: usize) -> Self {
        let client = Client::builder().timeout(Duration::from_secs(120)).user_agent(AGENT);
        Self {
            client: client.build().expect("client"),
            url: url.to_owned(),
            token: token.to_owned(),
            bucket: bucket.to_owned(),
            batch_size,
            buffer_limit: 100_000,
            buffer: VecDeque::new(),
            not_before: None,
            throttled: 0,
            ledger: None,
            log: Log::default(),
        }
    }

    /// With the timeout that Telegraf has unless told otherwise.
    pub fn with_default_timeout(mut self) -> Self {
        let client = Client::builder().timeout(Duration::from_secs(5)).user_agent(AGENT);
        self.client = client.build().expect("client");
        self
    }

    /// Keeps a book of what is sent.
    pub fn with_ledger(mut self, ledger: &'a Ledger) -> Self {
        self.ledger = Some(ledger);
        self
    }

    /// `metric_buffer_limit`.
    pub fn with_buffer_limit(mut self, limit: usize) -> Self {
        self.buffer_limit = limit;
        self
    }

    /// Whether it still waits because the service asked for it.
    pub fn is_throttled(&self) -> bool {
        self.not_before.is_some_and(|time| time > Instant::now())
    }

    /// A new token in the configuration file.
    pub fn set_token(&mut self, token: &str) {
        token.clone_into(&mut self.token);
    }

    /// A metric comes in.
    pub fn add(&mut self, metric: Metric) {
        self.buffer.push_back(metric);
        if self.buffer.len() > self.buffer_limit {
            self.buffer.pop_front();
            self.log.overflowed += 1;
        }
    }

    /// How many metrics wait.
    pub fn waiting(&self) -> usize {
        self.buffer.len()
    }

    /// The flush interval is over.
    pub async fn flush(&mut self) {
        let batches = self.buffer.len().div_ceil(self.batch_size);
        for _ in 0..batches {
            if self.is_throttled() {
                return;
            }
            let size = self.batch_size.min(self.buffer.len());
            let batch: Vec<Metric> = self.buffer.drain(..size).collect();
            let kept = self.write(batch).await;
            let failed = !kept.is_empty();
            for metric in kept.into_iter().rev() {
                self.buffer.push_front(metric);
            }
            if failed {
                return;
            }
        }
    }

    /// Sends a batch, and the parts that it has to be split into; gives back what stays.
    async fn write(&mut self, batch: Vec<Metric>) -> Vec<Metric> {
        let (mut to_send, mut kept) = (vec![batch], Vec::new());
        while let Some(mut part) = to_send.pop() {
            match self.post(&part).await {
                (413, _) if part.len() > 1 => {
                    let second = part.split_off(part.len() / 2);
                    to_send.push(second);
                    to_send.push(part);
                }
                (status, retry_after) => match self.judge(status, retry_after, part.len()) {
                    Fate::Done => {}
                    Fate::Kept => kept.append(&mut part),
                },
            }
        }
        kept
    }

    fn judge(&mut self, status: u16, retry_after: Option<f64>, metrics: usize) -> Fate {
        match status {
            200..=202 | 204 | 206..=208 => {
                self.throttled = 0;
                Fate::Done
            }
            401 | 403 | 413 => Fate::Kept,
            429 | 502..=504 => {
                self.throttled += 1;
                let backoff = (f64::from(self.throttled).powi(2) / 40.0).min(60.0);
                let seconds = backoff.max(retry_after.unwrap_or(0.0).min(600.0));
                self.not_before = Some(Instant::now() + Duration::from_secs_f64(seconds));
                Fate::Kept
            }
            400..=499 => {
                self.log.dropped += metrics;
                Fate::Done
            }
            _ => Fate::Kept,
        }
    }

    /// Status, or 0, and `Retry-After` in seconds.
    async fn post(&mut self, part: &[Metric]) -> (u16, Option<f64>) {
        let rows: Vec<_> = part.iter().map(|metric| metric.row.clone()).collect();
        let sent = self.ledger.map(|ledger| (ledger, ledger.send(&rows)));
        let request = self
            .client
            .post(format!("{}/api/v2/write?bucket={}&org=plant", self.url, self.bucket))
            .header("authorization", format!("Token {}", self.token))
            .header("content-type", "text/plain; charset=utf-8")
            .header("content-encoding", "gzip")
            .body(gzip(part));
        let (status, retry_after) = match request.send().await {
            Err(_) => (0, None),
            Ok(response) => {
                let header = response.headers().get("retry-after");
                // What it cannot read it takes for ten seconds.
                let seconds =
                    header.map(|h| h.to_str().ok().and_then(|h| h.parse().ok()).unwrap_or(10.0));
                (response.status().as_u16(), seconds)
            }
        };
        self.log.answers.push(status);
        if let Some((ledger, sent)) = sent {
            if status == 204 { ledger.acknowledged(sent) } else { ledger.gave_up(sent) }
        }
        (status, retry_after)
    }
}

fn gzip(metrics: &[Metric]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    for metric in metrics {
        encoder.write_all(metric.line.as_bytes()).expect("compress");
    }
    encoder.finish().expect("compress")
}
