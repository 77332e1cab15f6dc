use super::{MAX_WAITING, Pushed, Queue, WORTH_ANOTHER};
use crate::domain::key::{PlantId, SensorId};
use crate::ingest::batch::{Batch, MAX_READINGS};
use crate::ingest::reading::{Finite, Instant, Reading};

/// So many readings, a second or so many weeks apart.
fn batch(readings: usize, weeks: i64) -> Batch {
    let row = |i: usize| Reading {
        plant: PlantId(1),
        sensor: SensorId(1),
        time: Instant::from_epoch(i as i64 * (1 + weeks * 604_800), 1).expect("time"),
        value: Finite::new(1.0).expect("value"),
    };
    Batch::new((0..readings).map(row).collect())
}

fn push(queue: &Queue, readings: usize) -> Pushed {
    queue.push(batch(readings, 0)).ok().expect("room")
}

fn sizes(queue: &Queue) -> Option<Vec<usize>> {
    queue.take().map(|taken| taken.iter().map(|w| w.batch.len()).collect())
}

#[test]
fn takes_what_waits_in_the_order_of_arrival() {
    let queue = Queue::new(2);
    let pushed = [3, 1, 2].map(|readings| push(&queue, readings));
    assert_eq!(pushed.each_ref().map(|p| p.start_worker), [true, false, false]);
    assert_eq!(sizes(&queue), Some(vec![3, 1, 2]));
    assert_eq!(sizes(&queue), None);
}

#[test]
fn a_transaction_is_bounded_in_readings_and_weeks() {
    let queue = Queue::new(1);
    let _pushed = [MAX_READINGS - 1, 2, 5].map(|readings| push(&queue, readings));
    let _weeks = [150, 60].map(|weeks| queue.push(batch(weeks, 1)).ok().expect("room"));
    assert_eq!(sizes(&queue), Some(vec![MAX_READINGS - 1]));
    assert_eq!(sizes(&queue), Some(vec![2, 5, 150]));
    assert_eq!(sizes(&queue), Some(vec![60]));
    assert_eq!(sizes(&queue), None);
}

#[test]
fn another_worker_starts_when_much_waits() {
    let queue = Queue::new(2);
    let first = push(&queue, 1);
    let little = push(&queue, 1);
    let much = push(&queue, WORTH_ANOTHER);
    let more = push(&queue, WORTH_ANOTHER);
    let started = [&first, &little, &much, &more].map(|p| p.start_worker);
    assert_eq!(started, [true, false, true, false]);
}

#[test]
fn an_ended_worker_is_started_again() {
    let queue = Queue::new(1);
    for _ in 0..2 {
        let pushed = push(&queue, 1);
        assert!(pushed.start_worker);
        assert_eq!(sizes(&queue), Some(vec![1]));
        assert_eq!(sizes(&queue), None);
    }
}

#[test]
fn what_nobody_waits_for_is_not_written() {
    let queue = Queue::new(1);
    drop(push(&queue, 3));
    let waits = push(&queue, 2);
    assert_eq!(sizes(&queue), Some(vec![2]));
    drop(waits);
    drop(push(&queue, 1));
    assert_eq!(sizes(&queue), None);
}

#[test]
fn is_bounded() {
    let queue = Queue::new(1);
    let mut pushed = Vec::new();
    while let Ok(receipt) = queue.push(batch(MAX_READINGS, 0)) {
        pushed.push(receipt);
    }
    assert_eq!(pushed.len() * MAX_READINGS, MAX_WAITING);
    assert_eq!(queue.push(batch(1, 0)).err().map(|full| full.readings), Some(MAX_WAITING));
    drop(pushed);
    assert!(queue.take().is_none(), "nobody waits");
    assert!(queue.push(batch(1, 0)).is_ok());
}

#[tokio::test]
async fn is_drained_when_the_last_worker_ends() {
    let queue = Queue::new(1);
    queue.drained().await;
    let _pushed = push(&queue, 1);
    let (drained, ()) = tokio::join!(
        async {
            queue.drained().await;
            queue.state().workers
        },
        async {
            tokio::task::yield_now().await;
            assert_eq!(sizes(&queue), Some(vec![1]));
            tokio::task::yield_now().await;
            assert_eq!(sizes(&queue), None);
        }
    );
    assert_eq!(drained, 0);
}
