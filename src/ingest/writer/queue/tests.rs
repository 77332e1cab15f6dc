use std::sync::atomic::{AtomicI32, Ordering};

use super::{MAX_WAITING, Places, Pushed, Queue};
use crate::domain::key::{PlantId, SensorId};
use crate::ingest::batch::{Batch, MAX_READINGS, WORTH_A_TRANSACTION};
use crate::ingest::database::DriverError;
use crate::ingest::reading::{Finite, Instant, Reading};

/// So many readings of a sensor that no other batch has, a second or so many weeks apart.
fn batch(readings: usize, weeks: i64) -> Batch {
    static SENSOR: AtomicI32 = AtomicI32::new(1_000);
    let sensor = SensorId(SENSOR.fetch_add(1, Ordering::Relaxed));
    let row = |i: usize| Reading {
        plant: PlantId(1),
        sensor,
        time: Instant::from_epoch(i as i64 * (1 + weeks * 604_800), 1).expect("time"),
        value: Finite::new(1.0).expect("value"),
    };
    Batch::new((0..readings).map(row).collect())
}

fn push(queue: &Queue, readings: usize) -> Pushed {
    queue.push(batch(readings, 0)).ok().expect("room")
}

fn sizes(queue: &Queue) -> Option<Vec<usize>> {
    queue.take().map(|taken| {
        queue.settle(taken.transaction, taken.batches.iter().map(|_| Ok(())));
        taken.batches.iter().map(Batch::len).collect()
    })
}

fn of_sensor(sensor: i32, second: i64, value: f64) -> Batch {
    let (plant, sensor) = (PlantId(1), SensorId(sensor));
    let time = Instant::from_epoch(second, 1).expect("time");
    Batch::new(vec![Reading { plant, sensor, time, value: Finite::new(value).expect("value") }])
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
    let _running = queue.take().expect("a transaction");
    let little = push(&queue, 1);
    let much = push(&queue, WORTH_A_TRANSACTION);
    let more = push(&queue, 2 * WORTH_A_TRANSACTION);
    let started = [&first, &little, &much, &more].map(|p| p.start_worker);
    assert_eq!(started, [true, false, true, false]);
}

#[test]
fn workers_share_what_waits() {
    let queue = Queue::new(4);
    let pushed = [2_500, 2_500].map(|readings| push(&queue, readings));
    assert_eq!(pushed.each_ref().map(|p| p.start_worker), [true, true]);
    let first = queue.take().expect("the first part");
    assert_eq!(first.batches.iter().map(Batch::len).collect::<Vec<_>>(), [2_500]);
    let second = queue.take().expect("the second part");
    assert_eq!(second.batches.len(), 1);
    let small = [(); 30].map(|()| push(&queue, 100));
    let started = small.iter().filter(|p| p.start_worker).count();
    assert_eq!(started, 1, "one more is worth a transaction, and a fourth is not");
    let third = queue.take().expect("all that waits");
    assert_eq!(third.batches.len(), 30);
    let running = [first, second, third].map(|taken| taken.transaction);
    running.into_iter().for_each(|transaction| queue.settle(transaction, []));
    // Three workers come, but less than this is worth no transaction of its own.
    let _little = push(&queue, WORTH_A_TRANSACTION - 1);
    let _more = push(&queue, 1);
    assert_eq!(queue.take().expect("little").batches.len(), 2);
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

/// A sender that lost its connection sends a newer value at once, and its leaving is noticed later.
#[test]
fn a_newer_value_waits_for_an_older_one() {
    let queue = Queue::new(2);
    let _older = queue.push(of_sensor(1, 60, 1.0)).ok().expect("room");
    let first = queue.take().expect("a transaction");
    let pushed = [
        of_sensor(1, 60, 2.0),
        of_sensor(2, 60, 3.0),
        of_sensor(1, 60, 4.0),
        of_sensor(1, 61, 5.0),
    ]
    .map(|batch| queue.push(batch).ok().expect("room"));
    let values = |batches: &[Batch]| -> Vec<f64> {
        batches.iter().flat_map(Batch::readings).map(|r| r.value.get()).collect()
    };
    let second = queue.take().expect("what does not depend on it");
    assert_eq!(values(&second.batches), [3.0, 5.0]);
    queue.settle(second.transaction, [Ok(()), Ok(())]);
    queue.state().workers += 1;
    assert!(queue.take().is_none(), "the rest waits");
    queue.settle(first.transaction, [Ok(())]);
    let third = queue.take().expect("its turn");
    assert_eq!(values(&third.batches), [2.0, 4.0]);
    drop(pushed);
}

#[test]
fn a_slow_transaction_calls_another_worker() {
    let queue = Queue::new(2);
    let _older = queue.push(of_sensor(1, 60, 1.0)).ok().expect("room");
    let _first = queue.take().expect("a transaction");
    queue.state().running[0].since -= std::time::Duration::from_secs(2);
    let other = queue.push(of_sensor(2, 60, 2.0)).ok().expect("room");
    assert!(other.start_worker);
}

#[test]
fn a_transaction_without_an_outcome_closes_its_receipts() {
    let queue = Queue::new(1);
    let mut pushed = push(&queue, 1);
    let taken = queue.take().expect("a transaction");
    assert!(
        pushed.receipt.try_recv().is_err_and(|e| e == super::oneshot::error::TryRecvError::Empty)
    );
    queue.settle(taken.transaction, []);
    assert!(
        pushed.receipt.try_recv().is_err_and(|e| e == super::oneshot::error::TryRecvError::Closed)
    );
}

#[test]
fn what_meets_a_transaction_in_doubt_waits_until_it_is_resolved() {
    let queue = Queue::new(2);
    let failed = queue.push(of_sensor(1, 5, 1.0)).ok().expect("room");
    let taken = queue.take().expect("a transaction");
    queue.settle_in_doubt(taken.transaction, [Err(DriverError::Lost.into())]);
    assert!(failed.receipt.blocking_recv().expect("told").is_err());
    assert!(queue.take().is_none());
    let _newer = queue.push(of_sensor(1, 5, 2.0)).ok().expect("room");
    let other = queue.push(of_sensor(1, 6, 2.0)).ok().expect("room");
    assert!(!other.start_worker, "the one of the batch before it");
    assert_eq!(sizes(&queue), Some(vec![1]), "another time");
    assert_eq!(sizes(&queue), None, "the newer value waits");
    assert!(queue.resolved(taken.transaction), "a worker has to come for it");
    assert_eq!(sizes(&queue), Some(vec![1]));
    assert!(!queue.resolved(taken.transaction));
}

#[test]
fn batches_meet_where_they_share_a_sensor_and_a_time() {
    let times = |sensor: i32, times: &[i64]| -> Vec<Reading> {
        times.iter().flat_map(|time| of_sensor(sensor, *time, 1.0).readings().to_vec()).collect()
    };
    let meet = |one: &[(i32, &[i64])], other: &[(i32, &[i64])]| {
        let [one, other] = [one, other].map(|rows| {
            Batch::new(rows.iter().flat_map(|(sensor, at)| times(*sensor, at)).collect())
        });
        let met = Places::of(&one).meet(&other);
        assert_eq!(met, Places::of(&other).meet(&one));
        met
    };
    assert!(meet(&[(1, &[1, 5, 9]), (2, &[1])], &[(1, &[2, 9])]));
    assert!(meet(&[(1, &[1]), (2, &[3])], &[(1, &[2]), (2, &[3])]));
    assert!(!meet(&[(1, &[1, 3]), (2, &[2])], &[(1, &[2, 4]), (2, &[1, 3]), (3, &[1])]));
    assert!(!meet(&[], &[(1, &[1])]));
}
