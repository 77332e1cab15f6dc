//! Whether a real Telegraf would be satisfied: its behaviour against the real service.

pub mod client;

use std::time::{Duration, Instant};

use lotwise::ingest::keys::store::{self, NewKey};
use lotwise::ingest::keys::{Scope, Secret};
use serde_json::json;

use self::client::{Metric, Telegraf};
use crate::ingest::on_both;
use crate::support::db::Server;
use crate::support::ingest::Ingest;

on_both!(
    good_metrics_arrive_and_bad_ones_are_dropped_once,
    a_batch_that_is_too_large_arrives_in_parts,
    metrics_wait_for_the_database,
);

fn metric(second: i64, value: u64) -> Metric {
    Metric::new(("T1".to_owned(), second * 1_000), value)
}

/// What is stored of plant madrid's sensor T1: seconds and values.
async fn stored(ingest: &Ingest) -> Vec<(i64, u64)> {
    let rows: Vec<(i64, f64)> = sqlx::query_as(
        "SELECT extract(epoch FROM r.time)::int8, r.value FROM reading r
         JOIN sensor s ON s.id = r.sensor_id AND s.key = 'T1' ORDER BY 1",
    )
    .fetch_all(&ingest.pool)
    .await
    .expect("the readings");
    rows.into_iter().map(|(second, value)| (second, value as u64)).collect()
}

fn sequence(seconds: std::ops::Range<i64>) -> Vec<(i64, u64)> {
    seconds.map(|second| (second, second as u64)).collect()
}

async fn good_metrics_arrive_and_bad_ones_are_dropped_once(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    let mut telegraf = Telegraf::new(ingest.url(), &ingest.key, "madrid", 1_000);
    for second in 0..4_500 {
        telegraf.add(metric(second, second as u64));
        if [1_200, 1_201, 3_999].contains(&second) {
            telegraf.add(Metric::bad("T1"));
            telegraf.add(metric(second, 0));
            telegraf.add(metric(second, second as u64));
        }
    }
    telegraf.flush().await;
    // Two batches hold something bad: each is refused once, and its good lines are stored.
    assert_eq!(telegraf.log.answers, [204, 400, 204, 204, 400]);
    assert_eq!((telegraf.log.dropped, telegraf.waiting()), (1_509, 0));
    assert_eq!(stored(&ingest).await, sequence(0..4_500));
}

async fn a_batch_that_is_too_large_arrives_in_parts(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    // The service of the tests takes 100 kB, compressed or not; this batch has over 200.
    let mut telegraf = Telegraf::new(ingest.url(), &ingest.key, "madrid", 5_000);
    (0..5_000).for_each(|second| telegraf.add(metric(second, second as u64)));
    telegraf.flush().await;
    assert_eq!(telegraf.log.answers, [413, 413, 204, 204, 413, 204, 204]);
    assert_eq!((telegraf.log.dropped, telegraf.waiting()), (0, 0));
    assert_eq!(stored(&ingest).await, sequence(0..5_000));
}

async fn metrics_wait_for_the_database(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    let mut telegraf = Telegraf::new(ingest.url(), &ingest.key, "madrid", 100);
    telegraf.add(metric(0, 7));
    telegraf.flush().await;
    ingest.db.stop().await;
    (0..250).for_each(|second| telegraf.add(metric(second, second as u64)));
    telegraf.flush().await;
    // It waits as it was asked to: nothing more is sent, whatever comes in.
    for _ in 0..3 {
        let (waits, answers) = (telegraf.is_throttled(), telegraf.log.answers.len());
        telegraf.flush().await;
        // On a slow machine the time may be over.
        assert!(telegraf.log.answers.len() == answers || !waits);
    }
    ingest.db.start().await;
    let since = Instant::now();
    while telegraf.waiting() > 0 {
        assert!(since.elapsed() < Duration::from_secs(180), "{:?}", telegraf.log);
        tokio::time::sleep(Duration::from_millis(100)).await;
        telegraf.flush().await;
    }
    let (first, rest) = telegraf.log.answers.split_at(2);
    assert_eq!(first, [204, 503]);
    let delivered: Vec<_> = rest.iter().filter(|status| **status != 503).collect();
    assert_eq!(delivered, [&204; 3]);
    assert_eq!((telegraf.log.dropped, telegraf.log.overflowed), (0, 0));
    assert_eq!(stored(&ingest).await, sequence(0..250));
}

#[tokio::test]
async fn metrics_wait_for_a_key_that_works() {
    let ingest = Ingest::with_plants(Server::Plain).await;
    let secret = Secret::generate().expect("random numbers");
    let mut telegraf = Telegraf::new(ingest.url(), secret.reveal(), "madrid", 100);
    (0..10).for_each(|second| telegraf.add(metric(second, second as u64)));
    telegraf.flush().await;
    telegraf.flush().await;
    assert_eq!((telegraf.log.answers.as_slice(), telegraf.waiting()), (&[401, 401][..], 10));
    let porto = vec!["porto".to_owned()];
    let key = NewKey { name: "late", scopes: &[Scope::Readings], plants: &porto, expires_at: None };
    assert!(store::insert(&ingest.pool, &key, &secret.hash()).await.expect("insert"));
    telegraf.flush().await;
    assert_eq!((telegraf.log.answers.last(), telegraf.waiting()), (Some(&403), 10));
    let working = ingest.new_key("right", &[Scope::Readings], &["madrid"], None).await;
    telegraf.set_token(&working);
    telegraf.flush().await;
    assert_eq!(telegraf.log.answers, [401, 401, 403, 204]);
    assert_eq!(stored(&ingest).await, sequence(0..10));
}

/// A buffer that is too small for the outage loses its oldest metrics, and the service nothing.
#[tokio::test]
async fn a_full_buffer_loses_its_oldest() {
    let mut ingest = Ingest::with_plants(Server::Plain).await;
    let mut telegraf =
        Telegraf::new(ingest.url(), &ingest.key, "madrid", 100).with_buffer_limit(150);
    ingest.stop().await;
    (0..200).for_each(|second| telegraf.add(metric(second, second as u64)));
    telegraf.flush().await;
    assert_eq!((telegraf.log.answers.as_slice(), telegraf.log.overflowed), (&[0][..], 50));
    assert_eq!(telegraf.waiting(), 150);
}

/// Good lines are stored whatever the others hold, and no answer makes it lose or repeat for ever.
#[tokio::test]
async fn metrics_of_unknown_sensors_are_dropped_by_telegraf_and_kept_by_the_service() {
    let ingest = Ingest::with_plants(Server::Plain).await;
    let mut telegraf = Telegraf::new(ingest.url(), &ingest.key, "madrid", 100);
    telegraf.add(metric(1, 1));
    telegraf.add(Metric::new(("ghost".to_owned(), 1_000), 5));
    telegraf.flush().await;
    assert_eq!((telegraf.log.answers.as_slice(), telegraf.waiting()), (&[400][..], 0));
    assert_eq!(stored(&ingest).await, [(1, 1)]);
    let held = ingest.get("/v1/quarantine?plant=madrid").await;
    assert_eq!(held.body["items"][0]["sensor"], json!("ghost"), "{}", held.text);
}
