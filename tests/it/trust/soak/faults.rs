//! What goes wrong, at random, each thing at times of its own so that they overlap.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use super::disk::Disk;
use super::process::Process;
use super::proxy::Proxy;
use crate::support::cluster::Cluster;

/// All that can be hurt.
pub struct Victims {
    /// The service.
    pub process: Process,
    /// The database.
    pub cluster: Cluster,
    /// The disk of the database.
    pub disk: Disk,
    /// The disk of the spool, where there is one.
    pub spool: Option<Disk>,
    /// Between senders and service.
    pub front: Proxy,
    /// Between service and database.
    pub back: Proxy,
    /// Whether the faults are to end.
    pub stop: AtomicBool,
    counts: Mutex<BTreeMap<&'static str, u64>>,
}

/// What happens to the database and the way to it.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    Crash,
    FullDisk,
    /// While the database is down.
    FullSpool,
    CutConnections,
    SlowConnections,
    StrandedConnections,
}

impl Victims {
    /// Nothing is wrong yet.
    pub fn new(
        process: Process,
        cluster: Cluster,
        (disk, spool): (Disk, Option<Disk>),
        front: Proxy,
        back: Proxy,
    ) -> Self {
        let (stop, counts) = (AtomicBool::new(false), Mutex::default());
        Self { process, cluster, disk, spool, front, back, stop, counts }
    }

    /// Hurts them until told to stop, and heals them.
    pub async fn hurt(self: Arc<Self>, seed: u64) {
        // Of the few connections to the database less breaks by itself than of the many before it.
        self.front.break_by_itself(150);
        self.back.break_by_itself(200);
        tokio::join!(
            self.clone().kill_now_and_then(seed),
            self.clone().trouble_the_database(seed + 1),
            self.cut_now_and_then(seed + 2),
        );
        self.front.break_by_itself(0);
        self.back.break_by_itself(0);
        // What broke by itself may still be held back somewhere.
        self.front.cut();
        self.back.cut();
        blocking({
            let victims = self.clone();
            move || {
                victims.revive();
                victims.process.launch();
            }
        })
        .await;
    }

    /// How often each thing happened.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn count(&self, what: &'static str) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(what).or_default() += 1;
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Waits for a random time, or until told to stop.
    async fn pause(&self, random: &mut StdRng, ms: std::ops::Range<u64>) {
        let mut left = random.random_range(ms);
        while left > 0 && !self.stopped() {
            let step = left.min(100);
            tokio::time::sleep(Duration::from_millis(step)).await;
            left -= step;
        }
    }

    async fn kill_now_and_then(self: Arc<Self>, seed: u64) {
        let mut random = StdRng::seed_from_u64(seed);
        loop {
            self.pause(&mut random, 1_500..7_000).await;
            if self.stopped() {
                return;
            }
            self.process.kill();
            self.count("process killed");
            self.pause(&mut random, 0..800).await;
            let victims = self.clone();
            blocking(move || victims.process.launch()).await;
        }
    }

    async fn cut_now_and_then(&self, seed: u64) {
        let mut random = StdRng::seed_from_u64(seed);
        loop {
            self.pause(&mut random, 500..4_000).await;
            if self.stopped() {
                return;
            }
            self.front.cut();
            self.count("clients cut");
        }
    }

    async fn trouble_the_database(self: Arc<Self>, seed: u64) {
        let mut random = StdRng::seed_from_u64(seed);
        let mut to_come: Vec<Trouble> = Vec::new();
        loop {
            self.pause(&mut random, 1_000..4_000).await;
            if self.stopped() {
                return;
            }
            if to_come.is_empty() {
                use Trouble::{
                    Crash, CutConnections, FullDisk, SlowConnections, StrandedConnections,
                };
                to_come = vec![
                    Crash,
                    Crash,
                    FullDisk,
                    CutConnections,
                    SlowConnections,
                    StrandedConnections,
                ];
                if self.spool.is_some() {
                    to_come.push(Trouble::FullSpool);
                }
                to_come.shuffle(&mut random);
            }
            match to_come.pop() {
                Some(Trouble::Crash) => self.crash_the_database(&mut random).await,
                Some(Trouble::FullDisk) => self.fill_the_disk(&mut random).await,
                Some(Trouble::FullSpool) => self.fill_the_spool(&mut random).await,
                Some(Trouble::SlowConnections) => {
                    self.count("database slow");
                    self.back.hold(Duration::from_millis(random.random_range(500..6_000))).await;
                }
                Some(Trouble::StrandedConnections) => {
                    self.count("database connections stranded");
                    self.back.strand();
                }
                Some(Trouble::CutConnections) | None => {
                    self.count("database connections cut");
                    self.back.cut();
                }
            }
        }
    }

    async fn crash_the_database(self: &Arc<Self>, random: &mut StdRng) {
        let victims = self.clone();
        blocking(move || {
            if let Err(said) = victims.cluster.crash() {
                println!("{said}");
            }
        })
        .await;
        self.count("database crashed");
        self.pause(random, 0..3_000).await;
        let victims = self.clone();
        blocking(move || victims.revive()).await;
    }

    async fn fill_the_disk(self: &Arc<Self>, random: &mut StdRng) {
        let victims = self.clone();
        blocking(move || victims.disk.fill(&victims.cluster.processes())).await;
        self.count("disk filled");
        self.pause(random, 1_000..5_000).await;
        let victims = self.clone();
        blocking(move || victims.revive()).await;
    }

    async fn fill_the_spool(self: &Arc<Self>, random: &mut StdRng) {
        let victims = self.clone();
        blocking(move || {
            if let Err(said) = victims.cluster.crash() {
                println!("{said}");
            }
            if let Some(disk) = &victims.spool {
                disk.fill(victims.process.pid().as_slice());
            }
        })
        .await;
        self.count("spool's disk filled");
        self.pause(random, 500..3_000).await;
        let victims = self.clone();
        blocking(move || {
            if let Some(disk) = &victims.spool {
                disk.free(victims.process.pid().as_slice());
            }
            victims.revive();
        })
        .await;
    }

    /// Makes room, and starts the database if it is down: a full disk ends it when its log cannot
    /// grow.
    fn revive(&self) {
        self.disk.free(&self.cluster.processes());
        for attempt in 1.. {
            match self.cluster.recover() {
                Ok(()) => return,
                Err(said) if attempt == 5 => panic!("the database does not recover: {said}"),
                Err(said) => println!("{said}"),
            }
            std::thread::sleep(Duration::from_secs(1));
        }
    }
}

async fn blocking(work: impl FnOnce() + Send + 'static) {
    tokio::task::spawn_blocking(work).await.expect("a fault's own work");
}
