//! Memory for bodies and their rows: how much all requests together may take.
//!
//! Small and large bodies have room of their own, so that large ones do not keep small ones out.
//! Nobody waits for room while others wait for the room that he holds: a body that outgrows its
//! share moves to the large ones' room, and there it gets all that it may ever need at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use crate::ingest::telemetry;

const KIB: usize = 1_024;
const MIB: usize = 1_024 * KIB;

/// Largest of the small bodies, after decompression.
const SMALL: usize = MIB;

/// All small bodies together.
const SMALL_TOTAL: usize = 16 * MIB;

/// All large bodies together; at least one finds room, whatever the limit for one is.
const LARGE_TOTAL: usize = 48 * MIB;

/// Large bodies that may wait for room; more are refused at once.
const LARGE_WAITING: usize = 8;

/// What a request costs beside its body: buffers of the connection.
const OVERHEAD: usize = 8 * KIB;

/// Rows that all requests together may have between parsing and the writer's queue. A row takes up
/// to 300 bytes there, when it is refused and kept in quarantine.
const ROWS_TOTAL: usize = 120_000;

/// Least length of a row in a body; shorter ones are not worth counting.
const ROW_BYTES: usize = 8;

/// How long a request waits for room.
const WAIT: Duration = Duration::from_secs(5);

/// The room. Clones share it.
#[derive(Clone)]
pub struct Room {
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
    large_waiting: Arc<Semaphore>,
    rows: Arc<Semaphore>,
    largest: usize,
    wait: Duration,
}

/// There is no room now.
#[derive(Debug, PartialEq, Eq)]
pub struct Crowded;

/// The share of one body; given back when dropped.
pub struct Share {
    room: Room,
    permit: OwnedSemaphorePermit,
    bytes: usize,
    is_large: bool,
}

impl Room {
    /// For bodies of at most so many bytes.
    pub fn new(largest: usize) -> Self {
        let semaphore = |bytes: usize| Arc::new(Semaphore::new(units(bytes) as usize));
        Self {
            small: semaphore(SMALL_TOTAL),
            large: semaphore(LARGE_TOTAL.max(largest + OVERHEAD)),
            large_waiting: Arc::new(Semaphore::new(LARGE_WAITING)),
            rows: Arc::new(Semaphore::new(ROWS_TOTAL)),
            largest,
            wait: WAIT,
        }
    }

    /// A share for so many bytes, after a short wait if need be.
    pub async fn share(&self, bytes: usize) -> Result<Share, Crowded> {
        let is_large = bytes > SMALL;
        let permit = match is_large {
            true => self.large(bytes).await?,
            false => {
                self.in_time(self.small.clone().acquire_many_owned(units(bytes + OVERHEAD))).await?
            }
        };
        Ok(Share { room: self.clone(), permit, bytes, is_large })
    }

    async fn large(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Crowded> {
        let units = units(bytes + OVERHEAD);
        if let Ok(permit) = self.large.clone().try_acquire_many_owned(units) {
            return Ok(permit);
        }
        let _waits = self.large_waiting.try_acquire().map_err(|_| crowded())?;
        self.in_time(self.large.clone().acquire_many_owned(units)).await
    }

    async fn in_time<T, E>(
        &self,
        permit: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Crowded> {
        match tokio::time::timeout(self.wait, permit).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(crowded()),
        }
    }

    /// Leave to parse and check so many bytes, at most so many rows, until it is dropped.
    pub async fn rows(&self, bytes: usize, most: usize) -> Result<SemaphorePermit<'_>, Crowded> {
        let rows = (bytes / ROW_BYTES + 1).min(most).min(ROWS_TOTAL);
        self.in_time(self.rows.acquire_many(u32::try_from(rows).unwrap_or(u32::MAX))).await
    }
}

impl Share {
    /// How many bytes it is for.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Makes it a share for at least `bytes`, which are no more than the largest body has.
    pub async fn grow(&mut self, bytes: usize) -> Result<(), Crowded> {
        if bytes <= self.bytes {
            return Ok(());
        }
        let double = bytes.max(2 * self.bytes).min(SMALL);
        if !self.is_large && bytes <= SMALL {
            let more = units(double + OVERHEAD) - units(self.bytes + OVERHEAD);
            if let Ok(permit) = self.room.small.clone().try_acquire_many_owned(more) {
                self.permit.merge(permit);
                self.bytes = double;
                return Ok(());
            }
        }
        if !self.is_large {
            self.permit = self.room.large(self.room.largest).await?;
            self.is_large = true;
        }
        self.bytes = self.room.largest;
        Ok(())
    }

    /// Gives back what is more than `bytes`.
    pub fn shrink(&mut self, bytes: usize) {
        let surplus = self.permit.num_permits().saturating_sub(units(bytes + OVERHEAD) as usize);
        drop(self.permit.split(surplus));
        self.bytes = self.bytes.min(bytes);
    }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(KIB)).unwrap_or(u32::MAX)
}

fn crowded() -> Crowded {
    metrics::counter!(telemetry::CROWDED).increment(1);
    Crowded
}

#[cfg(test)]
mod tests {
    use super::{Crowded, KIB, LARGE_WAITING, MIB, ROWS_TOTAL, Room};

    const LARGEST: usize = 16 * MIB;

    /// One in which nobody waits long.
    fn impatient(largest: usize) -> Room {
        Room { wait: std::time::Duration::from_millis(20), ..Room::new(largest) }
    }

    #[tokio::test]
    async fn small_bodies_find_room_beside_large_ones() {
        let room = impatient(LARGEST);
        let mut large = Vec::new();
        while let Ok(share) = room.share(LARGEST - 8 * KIB).await {
            large.push(share);
        }
        assert_eq!(large.len(), 3);
        assert!(room.share(MIB).await.is_ok());
        large.pop();
        assert!(room.share(LARGEST - 8 * KIB).await.is_ok());
    }

    #[tokio::test]
    async fn a_body_of_unknown_length_takes_what_it_needs_and_no_more() {
        let room = Room::new(LARGEST);
        let free = || (room.small.available_permits(), room.large.available_permits());
        let all = free();
        let mut share = room.share(64 * KIB).await.expect("room");
        share.grow(65 * KIB).await.expect("room");
        assert_eq!((share.bytes(), free()), (128 * KIB, (all.0 - 136, all.1)));
        share.grow(MIB + 1).await.expect("room");
        assert_eq!((share.bytes(), free()), (LARGEST, (all.0, all.1 - 16 * KIB - 8)));
        share.shrink(2 * MIB);
        assert_eq!(free(), (all.0, all.1 - 2 * KIB - 8));
        share.shrink(4 * MIB);
        drop(share);
        assert_eq!(free(), all);
    }

    /// All of them hold a little when the room for small bodies is full.
    #[tokio::test]
    async fn many_growing_bodies_do_not_block_each_other() {
        let room = Room::new(LARGEST);
        let grow = |room: Room| async move {
            let mut share = room.share(64 * KIB).await?;
            for size in 1..=16 {
                share.grow(size * MIB).await?;
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
            Ok::<_, Crowded>(())
        };
        let bodies: Vec<_> = (0..40).map(|_| tokio::spawn(grow(room.clone()))).collect();
        let mut taken = 0;
        for body in bodies {
            taken += usize::from(body.await.expect("no panic").is_ok());
        }
        assert!(taken >= 2 + LARGE_WAITING, "{taken}");
        assert!(room.share(MIB).await.is_ok());
    }

    #[tokio::test]
    async fn one_body_finds_room_however_large_it_may_be() {
        let room = Room::new(100 * MIB);
        assert!(room.share(100 * MIB).await.is_ok());
    }

    #[tokio::test]
    async fn rows_in_work_are_bounded() {
        let room = impatient(LARGEST);
        let mut turns = Vec::new();
        while let Ok(turn) = room.rows(LARGEST, 10_000).await {
            turns.push(turn);
        }
        assert_eq!(turns.len(), ROWS_TOTAL / 10_000);
        turns.pop();
        assert!(room.rows(10, 10_000).await.is_ok());
    }
}
