//! A client: new readings, repeats, corrections and late ones, one request after the other.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use reqwest::Client;

use super::ledger::{Ledger, Place};
use super::wire::{Answer, Form, Message};

/// What all senders share.
pub struct Field {
    /// Where the service is.
    pub url: String,
    /// A key for readings.
    pub key: String,
    /// What was sent.
    pub ledger: Ledger,
    /// The value of the next new reading.
    next_value: AtomicU64,
    /// Whether the senders are to end.
    pub stop: AtomicBool,
    tally: Mutex<Tally>,
}

/// What the senders saw.
#[derive(Debug, Default)]
pub struct Tally {
    /// How often each kind of answer came.
    pub answers: BTreeMap<String, u64>,
    /// Answers that must never come.
    pub wrong: Vec<String>,
}

/// A way of sending.
#[derive(Debug, Clone)]
pub struct Habit {
    /// How readings travel.
    pub form: Form,
    /// Readings in a request.
    pub batch: usize,
    /// The sensors. Two senders may share them.
    pub sensors: Vec<String>,
    /// Whether some requests hold bad rows too.
    pub careless: bool,
    /// How often in a hundred it gives a request up after one failure, as a gateway with a small
    /// buffer does.
    pub gives_up: u32,
}

/// First instant of the readings: they are recent, so that no window refuses them.
fn start_ms() -> i64 {
    chrono::Utc::now().timestamp_millis() - 5 * DAY_MS
}

const DAY_MS: i64 = 86_400_000;

/// Places that a sender remembers in order to correct them.
const REMEMBERED: usize = 4_000;

impl Field {
    /// Nothing is sent yet.
    pub fn new(url: String, key: String) -> Self {
        Self {
            url,
            key,
            ledger: Ledger::default(),
            next_value: AtomicU64::new(1),
            stop: AtomicBool::new(false),
            tally: Mutex::default(),
        }
    }

    /// What was seen until now.
    pub fn tally(&self) -> std::sync::MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, what: String) {
        *self.tally().answers.entry(what).or_default() += 1;
    }

    /// Sends until it is told to stop.
    pub async fn run(self: Arc<Self>, habit: Habit, seed: u64) {
        let mut sender = Sender::new(&habit, seed);
        let mut client = http_client(&mut sender.random);
        while !self.stop.load(Ordering::Relaxed) {
            let rows = sender.next(&self.next_value);
            let bad = sender.bad_after(rows.len());
            loop {
                if self.attempt(&client, habit.form, &rows, &bad).await {
                    sender.remember(rows);
                    break;
                }
                let gives_up = sender.random.random_range(0..100) < habit.gives_up;
                if gives_up || self.stop.load(Ordering::Relaxed) {
                    sender.doubt(&rows);
                    break;
                }
                // Less patient than Retry-After asks for: more happens in the same time.
                tokio::time::sleep(sender.pause(50..400)).await;
                if sender.random.random_bool(0.1) {
                    client = http_client(&mut sender.random);
                }
            }
            tokio::time::sleep(sender.pause(5..40)).await;
        }
    }

    /// Whether the rows are stored now.
    async fn attempt(
        &self,
        client: &Client,
        form: Form,
        rows: &[(Place, u64)],
        bad: &[usize],
    ) -> bool {
        let message = Message::new(form, rows, bad);
        let sent = self.ledger.send(rows);
        let answer = match message.request(client, &self.url, &self.key).send().await {
            Err(error) if error.is_timeout() => {
                self.count("no answer in time".to_owned());
                Ok(Answer::Broken)
            }
            Err(_) => {
                self.count("connection broken".to_owned());
                Ok(Answer::Broken)
            }
            Ok(response) => {
                self.count(format!("{form:?} {}", response.status().as_u16()));
                message.read(response).await
            }
        };
        match answer {
            Ok(Answer::Stored) => {
                self.ledger.acknowledged(sent);
                return true;
            }
            Ok(Answer::Later | Answer::Broken) => {}
            Err(wrong) => self.tally().wrong.push(wrong),
        }
        self.ledger.gave_up(sent);
        false
    }
}

fn http_client(random: &mut StdRng) -> Client {
    // Some give up before the service does.
    let patience = Duration::from_millis(random.random_range(1_000..9_000));
    Client::builder().timeout(patience).build().expect("client")
}

struct Sender<'a> {
    habit: &'a Habit,
    random: StdRng,
    time: i64,
    recent: VecDeque<Place>,
    last: Vec<(Place, u64)>,
    /// Places of a request that was given up.
    doubtful: Vec<Place>,
}

impl<'a> Sender<'a> {
    fn new(habit: &'a Habit, seed: u64) -> Self {
        let random = StdRng::seed_from_u64(seed);
        Self {
            habit,
            random,
            time: start_ms(),
            recent: VecDeque::new(),
            last: Vec::new(),
            doubtful: Vec::new(),
        }
    }

    /// The rows of the next request.
    fn next(&mut self, next_value: &AtomicU64) -> Vec<(Place, u64)> {
        let count = self.random.random_range(1..=self.habit.batch);
        let doubtful = std::mem::take(&mut self.doubtful);
        let places = match self.random.random_range(0..100) {
            // A newer value at once, while the first one may still be on its way.
            0..70 if !doubtful.is_empty() => doubtful,
            0..15 if !self.last.is_empty() => return self.last.clone(),
            15..35 if !self.recent.is_empty() => self.corrections(count),
            35..45 => self.late(count),
            _ => self.ordered(count),
        };
        places
            .into_iter()
            .map(|place| (place, next_value.fetch_add(1, Ordering::Relaxed)))
            .collect()
    }

    fn ordered(&mut self, count: usize) -> Vec<Place> {
        (0..count).map(|_| self.ordered_place()).collect()
    }

    fn ordered_place(&mut self) -> Place {
        self.time += 7;
        let index = self.time as usize / 7 % self.habit.sensors.len();
        (self.habit.sensors[index].clone(), self.time)
    }

    /// Some of them twice in the same request.
    fn corrections(&mut self, count: usize) -> Vec<Place> {
        let recent = self.recent.make_contiguous();
        (0..count).filter_map(|_| recent.choose(&mut self.random).cloned()).collect()
    }

    /// In other weeks, some of which nobody has written to yet.
    fn late(&mut self, count: usize) -> Vec<Place> {
        let back = self.random.random_range(1..60) * DAY_MS;
        let mut place = |_| {
            let (sensor, time) = self.ordered_place();
            (sensor, time - back)
        };
        (0..count).map(&mut place).collect()
    }

    fn remember(&mut self, rows: Vec<(Place, u64)>) {
        self.recent.extend(rows.iter().map(|(place, _)| place.clone()));
        let over = self.recent.len().saturating_sub(REMEMBERED);
        self.recent.drain(..over);
        self.last = rows;
    }

    fn doubt(&mut self, rows: &[(Place, u64)]) {
        self.doubtful = rows.iter().map(|(place, _)| place.clone()).collect();
    }

    fn bad_after(&mut self, rows: usize) -> Vec<usize> {
        if !self.habit.careless || self.random.random_bool(0.5) {
            return Vec::new();
        }
        let mut after: Vec<usize> = (0..3).map(|_| self.random.random_range(0..rows)).collect();
        after.sort_unstable();
        after.dedup();
        after
    }

    fn pause(&mut self, ms: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.random.random_range(ms))
    }
}
