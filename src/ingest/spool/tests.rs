//! The spool without a database: what is durable when, and what a new process finds.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use super::inventory::Segment;
use super::record::{self, Row, Sender};
use super::segment::{Found, Walk};
use super::{Settings, Spool, SpoolError};
use crate::ingest::keys::rules::Window;
use crate::ingest::reading::{Finite, Instant};

const SETTINGS: Settings =
    Settings { dir: None, max_bytes: 1_000_000, after_seconds: 3, key_grace_seconds: 60 };

fn open(path: &Path) -> Spool {
    Spool::open(path.to_owned(), &SETTINGS).expect("open the spool")
}

fn row(us: i64) -> Row<'static> {
    let time = Instant::from_epoch(us, 1_000_000).expect("an instant");
    Row { plant: "madrid", sensor: "T1", time, value: Finite::new(us as f64).expect("finite") }
}

fn sender() -> Sender {
    let window = Window::UNLIMITED;
    let (future_window, past_window) = (window, window);
    Sender { key: "gateway".to_owned(), key_id: 1, future_window, past_window, registration: None }
}

async fn append(spool: &Spool, rows: &[Row<'_>]) -> Result<(), SpoolError> {
    spool.append(spool.begin(), "json", sender(), rows).await
}

/// Times in the files, in order.
fn times(spool: &Spool) -> Vec<i64> {
    let mut times = Vec::new();
    for number in spool.folder().list().expect("list").segments {
        let path = spool.folder().segment(number);
        let length = std::fs::metadata(&path).expect("file").len();
        let mut walk = Walk::open(&path, length).expect("open");
        while let Some(found) = walk.advance().expect("read") {
            let Found::Record { payload, .. } = found else { panic!("{found:?}") };
            let record = record::read(&payload).expect("a record");
            times.extend(record.rows.iter().map(|row| row.time.micros()));
        }
    }
    times
}

#[tokio::test]
async fn a_new_process_finds_what_was_appended_in_order() {
    let folder = tempfile::tempdir().expect("folder");
    let mut all = Vec::new();
    for process in 0..3 {
        let spool = open(folder.path());
        assert_eq!(spool.depth().rows, all.len() as u64);
        assert_eq!(spool.is_in_use(), process > 0);
        for n in 0..5 {
            let us = process * 100 + n;
            append(&spool, &[row(us), row(us + 50)]).await.expect("append");
            all.extend([us, us + 50]);
        }
        assert_eq!(times(&spool), all);
        assert!(spool.depth().oldest.is_some() && spool.direct().is_none());
        spool.close().await;
        let closed = append(&spool, &[row(1)]).await;
        assert!(matches!(closed, Err(SpoolError::Closed)), "{closed:?}");
    }
}

#[tokio::test]
async fn requests_at_once_are_all_there() {
    let folder = tempfile::tempdir().expect("folder");
    let spool = open(folder.path());
    let appends = (0..200).map(|us| {
        let spool = spool.clone();
        tokio::spawn(async move { append(&spool, &[row(us)]).await })
    });
    for append in appends.collect::<Vec<_>>() {
        append.await.expect("no panic").expect("append");
    }
    let found = times(&spool);
    assert_eq!((found.len(), found.into_iter().collect::<HashSet<_>>().len()), (200, 200));
    assert_eq!(spool.depth().records, 200);
}

#[tokio::test]
async fn segments_are_rotated_and_removed_only_when_all_is_drained() {
    let folder = tempfile::tempdir().expect("folder");
    let spool = open(folder.path());
    let rows: Vec<_> = (0..3_000).map(row).collect();
    for _ in 0..6 {
        // 60 kB each; a segment has an eighth of the limit.
        append(&spool, &rows).await.expect("append");
    }
    let first = spool.inventory.first().expect("a segment");
    assert_eq!((first.records, first.rows), (2, 6_000));
    assert_eq!(spool.folder().list().expect("list").segments, [1, 2, 3]);
    assert!(!spool.remove(1, first.bytes - 1).await.expect("remove"), "there is more in it");
    assert!(spool.remove(1, first.bytes).await.expect("remove"));
    assert_eq!(spool.folder().list().expect("list").segments, [2, 3]);
    assert_eq!(spool.depth().rows, 12_000);
    // The one that is written to goes like any other, and the next append begins a new one.
    for number in [2, 3] {
        let segment = spool.inventory.first().expect("a segment");
        assert!(spool.remove(number, segment.bytes).await.expect("remove"));
    }
    assert!(spool.inventory.is_empty() && times(&spool).is_empty());
    assert!(spool.gate.reopen(|| spool.inventory.is_empty()) && spool.direct().is_some());
    append(&spool, &[row(7)]).await.expect("append");
    assert_eq!(spool.folder().list().expect("list").segments, [4]);
}

#[tokio::test]
async fn a_damaged_segment_is_kept_and_its_number_not_used_again() {
    let folder = tempfile::tempdir().expect("folder");
    let spool = open(folder.path());
    append(&spool, &[row(1)]).await.expect("append");
    spool.inventory.damaged();
    let Segment { number, bytes, .. } = spool.inventory.first().expect("a segment");
    assert!(spool.remove(number, bytes).await.expect("remove"));
    assert!(spool.folder().damaged(1).exists() && !spool.folder().segment(1).exists());
    assert_eq!((spool.depth().rows, spool.depth().bytes), (0, bytes));
    spool.close().await;
    let spool = open(folder.path());
    assert!(!spool.is_in_use());
    append(&spool, &[row(1)]).await.expect("append");
    assert!(spool.folder().segment(2).exists());
}

#[tokio::test]
async fn what_cannot_be_written_is_not_acknowledged_and_the_next_may_be() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("spool");
    let spool = open(&path);
    std::fs::remove_dir_all(&path).expect("remove the directory");
    let failed = append(&spool, &[row(1)]).await;
    assert!(matches!(failed, Err(SpoolError::Io(_))), "{failed:?}");
    assert_eq!(spool.depth().rows, 0);
    assert!(!spool.has_room());
    std::fs::create_dir(&path).expect("the directory is back");
    append(&spool, &[row(2)]).await.expect("append");
    assert_eq!(times(&spool), [2]);
}

#[tokio::test]
async fn a_batch_that_does_not_fit_leaves_room_for_smaller_ones() {
    let folder = tempfile::tempdir().expect("folder");
    let spool = open(folder.path());
    let large: Vec<_> = (0..60_000).map(row).collect();
    let full = append(&spool, &large).await;
    assert!(matches!(full, Err(SpoolError::Full { max_bytes: 1_000_000 })), "{full:?}");
    append(&spool, &large[..40_000]).await.expect("append");
    assert!(append(&spool, &large[..20_000]).await.is_err());
    append(&spool, &[row(1)]).await.expect("append");
    assert_eq!(spool.depth().rows, 40_001);
    assert!(spool.depth().bytes <= 1_000_000);
}

#[tokio::test]
async fn who_hangs_up_leaves_nothing_half() {
    let folder = tempfile::tempdir().expect("folder");
    let spool = open(folder.path());
    for us in 0..50 {
        let rows = [row(us)];
        let append = append(&spool, &rows);
        // Polled once or a few times, then dropped.
        let _ = tokio::time::timeout(Duration::from_micros(us as u64), append).await;
    }
    append(&spool, &[row(1_000)]).await.expect("append");
    spool.gate.appended().await;
    let found = times(&spool);
    assert_eq!(found.last(), Some(&1_000));
    assert!(found.is_sorted() && spool.depth().rows == found.len() as u64);
}
