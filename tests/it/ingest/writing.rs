//! The writer on a database of its own: batches that share transactions, both ways of writing, and
//! what must not go wrong between them.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use lotwise::domain::key::{PlantId, SensorId};
use lotwise::ingest::batch::Batch;
use lotwise::ingest::copy_pool;
use lotwise::ingest::reading::{Finite, Instant, Reading};
use lotwise::ingest::telemetry;
use lotwise::ingest::writer::Writer;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sqlx::postgres::PgPool;

use super::on_both;
use crate::support::db::{Server, TestDb};
use crate::trust::soak::proxy::{Proxy, Rest};

on_both!(
    any_grouping_ends_as_one_by_one,
    many_workers_with_the_same_rows_agree,
    a_restarted_writer_takes_repeats,
    batches_share_transactions,
    an_impossible_batch_fails_alone,
    a_caller_that_leaves_breaks_nothing,
    a_large_batch_lets_small_ones_pass,
    a_large_batch_is_written_in_parts_and_acknowledged_whole,
    what_a_killed_process_sent_does_not_come_after_newer_values,
    what_a_broken_connection_sent_does_not_come_after_newer_values,
);

/// Sensor, second and value.
type Row = (i32, i64, f64);

const WEEK: i64 = 604_800;

struct Table {
    db: TestDb,
    pool: PgPool,
}

impl Table {
    async fn new(server: Server) -> Self {
        let db = TestDb::migrated(server).await;
        let pool = db.pool().await;
        Self { db, pool }
    }

    /// A writer that knows nothing yet, with the rights that ingest has.
    fn writer(&self, connections: usize) -> Writer {
        writer_at(url::Url::parse(&self.db.url).expect("URL"), connections)
    }

    /// A writer as [`Table::writer`], whose connections go through a proxy.
    async fn writer_behind_a_proxy(&self) -> (Writer, Proxy) {
        let mut url = url::Url::parse(&self.db.url).expect("URL");
        let to = url.socket_addrs(|| None).expect("address")[0];
        let proxy = Proxy::start(to, Rest::Delivered).await;
        url.set_port(Some(proxy.address.port())).expect("port");
        (writer_at(url, 2), proxy)
    }

    async fn rows(&self) -> Vec<Row> {
        let rows = sqlx::query_as(
            "SELECT sensor_id, date_part('epoch', time)::int8, value FROM reading ORDER BY 1, 2",
        );
        rows.fetch_all(&self.pool).await.expect("the readings")
    }

    /// Whether somebody waits for a lock.
    async fn is_waited_for(&self) -> bool {
        let sql = "SELECT EXISTS (SELECT FROM pg_stat_activity
            WHERE wait_event_type = 'Lock' AND datname = current_database())";
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.expect("locks")
    }

    async fn run(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(&self.pool).await.expect(sql);
    }
}

fn writer_at(mut url: url::Url, connections: usize) -> Writer {
    url.query_pairs_mut().append_pair("options", "-c role=lotwise_writer");
    let url = url.as_str().replace('+', "%20");
    Writer::new(copy_pool::pool(&url, connections).expect("pool"))
}

fn batch(rows: &[Row]) -> Batch {
    let reading = |(sensor, second, value): &Row| Reading {
        plant: PlantId(1),
        sensor: SensorId(*sensor),
        time: Instant::from_epoch(*second, 1).expect("time"),
        value: Finite::new(*value).expect("value"),
    };
    Batch::new(rows.iter().map(reading).collect())
}

/// Batches over few sensors and instants, so that they repeat each other.
fn random_batches(random: &mut StdRng) -> Vec<Vec<Row>> {
    let mut value = 0.0;
    (0..random.random_range(1..40))
        .map(|_| {
            (0..random.random_range(1..20))
                .map(|_| {
                    value += 1.0;
                    let week = random.random_range(0..3) * WEEK;
                    (random.random_range(1..5), week + random.random_range(0..12), value)
                })
                .collect()
        })
        .collect()
}

/// Sensors 1 to 4 in order, the first two in one part, the others in the other.
async fn a_large_batch_is_written_in_parts_and_acknowledged_whole(server: Server) {
    let table = Table::new(server).await;
    let writer = table.writer(2);
    let rows = |value: f64| -> Vec<Row> {
        (0..5_000).map(|i| (i / 1_250 + 1, i64::from(i % 1_250), value)).collect()
    };
    assert!(writer.store(batch(&rows(1.0))).await.is_ok());
    // Somebody else holds a row of the last sensor: the first part is committed nevertheless.
    let mut other = table.pool.begin().await.expect("begin");
    sqlx::query("UPDATE reading SET value = 7 WHERE sensor_id = 4 AND time = to_timestamp(9)")
        .execute(&mut *other)
        .await
        .expect("lock a row");
    let mut store = Box::pin(writer.store(batch(&rows(2.0))));
    let of = |sensor: i32, rows: &[Row]| -> Vec<f64> {
        rows.iter().filter(|row| row.0 == sensor).map(|row| row.2).collect()
    };
    loop {
        let waited = tokio::time::timeout(Duration::from_millis(50), &mut store).await;
        assert!(waited.is_err(), "acknowledged before all is committed: {waited:?}");
        let stored = table.rows().await;
        if of(1, &stored) == [2.0; 1_250] {
            assert_eq!(of(2, &stored), [2.0; 1_250], "a part is one transaction");
            assert_eq!(of(4, &stored), [1.0; 1_250]);
            break;
        }
    }
    other.rollback().await.expect("rollback");
    assert!(store.await.is_ok());
    assert_eq!(table.rows().await, batch_rows(&rows(2.0)));

    // A part that is refused makes the whole a failure, which a repeat mends.
    table.run("ALTER TABLE reading ADD CONSTRAINT plausible CHECK (value < 1000)").await;
    let mut bad = rows(3.0);
    bad[4_999].2 = 5_000.0;
    assert!(writer.store(batch(&bad)).await.is_err());
    let stored = table.rows().await;
    assert_eq!((&of(1, &stored)[..], of(4, &stored)[0]), (&[3.0; 1_250][..], 2.0));
    assert!(writer.store(batch(&rows(3.0))).await.is_ok());
    assert_eq!(table.rows().await, batch_rows(&rows(3.0)));
}

/// In the order of the table.
fn batch_rows(rows: &[Row]) -> Vec<Row> {
    let mut rows = rows.to_vec();
    rows.sort_by_key(|(sensor, second, _)| (*sensor, *second));
    rows
}

/// One worker writes in the order of arrival, whichever batches arrive together.
async fn any_grouping_ends_as_one_by_one(server: Server) {
    let table = Table::new(server).await;
    let mut expected = BTreeMap::new();
    let mut writer = table.writer(1);
    for seed in 0..12 {
        let mut random = StdRng::seed_from_u64(seed);
        if random.random_bool(0.5) {
            writer = table.writer(1);
        }
        let batches = random_batches(&mut random);
        for (sensor, second, value) in batches.iter().flatten() {
            expected.insert((*sensor, *second), *value);
        }
        let mut rest = &batches[..];
        while !rest.is_empty() {
            let (group, later) = rest.split_at(random.random_range(1..=rest.len()));
            let stored = join_all(group.iter().map(|rows| writer.store(batch(rows)))).await;
            assert!(stored.iter().all(Result::is_ok), "seed {seed}: {stored:?}");
            rest = later;
        }
        let expected: Vec<Row> = expected.iter().map(|((s, t), v)| (*s, *t, *v)).collect();
        assert_eq!(table.rows().await, expected, "seed {seed}");
    }
}

/// Several writers of several processes, all of them at it with the same readings.
async fn many_workers_with_the_same_rows_agree(server: Server) {
    let table = Table::new(server).await;
    let writers = [table.writer(4), table.writer(4)];
    // The second takes the sessions of the first, which then opens new ones.
    for writer in [&writers[0], &writers[1], &writers[0]] {
        while writer.store(batch(&[(0, 0, 0.0)])).await.is_err() {}
    }
    table.run("DELETE FROM reading").await;
    let all: Vec<Row> = (0..6_000)
        .map(|i| (i % 40, i64::from(i / 40) + i64::from(i % 3) * WEEK, f64::from(i)))
        .collect();
    let mut random = StdRng::seed_from_u64(7);
    let stores = (0..60).map(|i| {
        let first = random.random_range(0..4_000);
        writers[i % 2].store(batch(&all[first..first + 2_000]))
    });
    let stored = join_all(stores).await;
    assert!(stored.iter().all(Result::is_ok), "{stored:?}");
    writers[0].store(batch(&all)).await.expect("store");
    let mut expected = all;
    expected.sort_by_key(|(sensor, second, _)| (*sensor, *second));
    assert_eq!(table.rows().await, expected);
}

async fn a_restarted_writer_takes_repeats(server: Server) {
    let table = Table::new(server).await;
    let rows = |value: f64| -> Vec<Row> { (0..100).map(|t| (1, t, value)).collect() };
    for value in [1.0, 2.0, 2.0] {
        let stored = table.writer(1).store(batch(&rows(value))).await.expect("store");
        assert_eq!(stored, 100);
        assert_eq!(table.rows().await, rows(value));
    }
    // New readings beside repeats, in one batch.
    let mixed = [rows(3.0), vec![(1, 100, 3.0), (2, 5, 3.0)]].concat();
    table.writer(1).store(batch(&mixed)).await.expect("store");
    assert_eq!(table.rows().await, mixed);
    // An unchanged value is not written again.
    let row = "SELECT ctid::text FROM reading WHERE sensor_id = 1 ORDER BY time LIMIT 1";
    let place = || async { sqlx::query_scalar(row).fetch_one(&table.pool).await.expect("a row") };
    let before: String = place().await;
    table.writer(1).store(batch(&mixed)).await.expect("store");
    assert_eq!(before, place().await);
}

async fn batches_share_transactions(server: Server) {
    let table = Table::new(server).await;
    let writer = table.writer(2);
    let rows: Vec<Row> = (0..300).map(|i| (i, 1, f64::from(i))).collect();
    let stored = join_all(rows.iter().map(|row| writer.store(batch(&[*row])))).await;
    assert!(stored.iter().all(Result::is_ok));
    assert_eq!(table.rows().await, rows);
    let transactions: i64 = sqlx::query_scalar("SELECT count(DISTINCT xmin::text) FROM reading")
        .fetch_one(&table.pool)
        .await
        .expect("count");
    assert!(transactions <= 3, "{transactions} transactions for 300 batches at once");
}

async fn an_impossible_batch_fails_alone(server: Server) {
    let table = Table::new(server).await;
    table.run("ALTER TABLE reading ADD CHECK (value < 1000)").await;
    let writer = table.writer(1);
    let rows = [(1, 0, 1.0), (2, 0, 5_000.0), (3, 0, 2.0)];
    let stored = join_all(rows.iter().map(|row| writer.store(batch(&[*row])))).await;
    assert_eq!(stored.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(table.rows().await, [(1, 0, 1.0), (3, 0, 2.0)]);
}

async fn a_caller_that_leaves_breaks_nothing(server: Server) {
    let table = Table::new(server).await;
    let writer = table.writer(1);
    writer.store(batch(&[(1, 0, 0.0)])).await.expect("store");
    let mut blocker = table.pool.begin().await.expect("begin");
    sqlx::query("LOCK TABLE reading IN EXCLUSIVE MODE").execute(&mut *blocker).await.expect("lock");
    // The first is in its transaction when its caller leaves, the second waits behind it.
    let mut first = Box::pin(writer.store(batch(&[(1, 1, 1.0)])));
    let mut second = Box::pin(writer.store(batch(&[(1, 2, 2.0)])));
    let turn = Duration::from_millis(50);
    let locked = "nothing is stored while the table is locked";
    while !table.is_waited_for().await {
        assert!(tokio::time::timeout(turn, &mut first).await.is_err(), "{locked}");
    }
    assert!(tokio::time::timeout(turn, &mut second).await.is_err(), "{locked}");
    drop((first, second));
    blocker.commit().await.expect("unlock");
    writer.store(batch(&[(1, 3, 3.0)])).await.expect("the connection is sound");
    writer.drained().await;
    assert_eq!(table.rows().await, [(1, 0, 0.0), (1, 1, 1.0), (1, 3, 3.0)]);
}

async fn a_large_batch_lets_small_ones_pass(server: Server) {
    let table = Table::new(server).await;
    let writer = table.writer(1);
    let large: Vec<Row> = (0..120_000).map(|i| (1, i, 0.0)).collect();
    let small = async {
        // Behind the large one's first part.
        tokio::task::yield_now().await;
        writer.store(batch(&[(2, 0, 0.0)])).await.expect("store");
        sqlx::query_scalar::<_, i64>("SELECT count(*) FROM reading WHERE sensor_id = 1")
            .fetch_one(&table.pool)
            .await
            .expect("count")
    };
    let (stored, then) = tokio::join!(writer.store(batch(&large)), small);
    assert_eq!(stored.expect("store"), 120_000);
    assert!(then < 120_000, "the small batch had to wait for all of the large one");
}

#[tokio::test]
async fn metrics_tell_the_ways_apart() {
    let metrics = telemetry::metrics().expect("metrics");
    let table = Table::new(Server::Plain).await;
    let writer = table.writer(1);
    for value in [1.0, 2.0] {
        writer.store(batch(&[(1, 0, value)])).await.expect("store");
    }
    let text = metrics.render();
    for part in [
        "lotwise_ingest_readings_written_total{way=\"copy\"}",
        "lotwise_ingest_readings_written_total{way=\"upsert\"}",
        "lotwise_ingest_transaction_readings_bucket{le=\"1\"}",
        "lotwise_ingest_transaction_seconds_bucket",
        "lotwise_ingest_waiting_readings",
    ] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
}

/// Its whole transaction is on the way when it is killed, and arrives after the next process has
/// acknowledged a newer value.
async fn what_a_killed_process_sent_does_not_come_after_newer_values(server: Server) {
    let table = Table::new(server).await;
    // It is not killed, but what it sends next is the same to the server.
    let (killed, proxy) = table.writer_behind_a_proxy().await;
    assert!(killed.store(batch(&[(1, 5, 1.0)])).await.is_ok());
    let held = tokio::spawn(async move {
        proxy.hold(Duration::from_secs(3)).await;
        proxy
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let sent = killed.store(batch(&[(1, 5, 2.0)]));
    assert!(tokio::time::timeout(Duration::from_millis(500), sent).await.is_err(), "held back");
    let newer = table.writer(2);
    assert!(newer.store(batch(&[(1, 5, 3.0)])).await.is_ok());
    held.await.expect("the proxy");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(table.rows().await, [(1, 5, 3.0)]);
}

/// The server waits for a lock and does not see that the connection is gone.
async fn what_a_broken_connection_sent_does_not_come_after_newer_values(server: Server) {
    let table = Table::new(server).await;
    let (writer, proxy) = table.writer_behind_a_proxy().await;
    assert!(writer.store(batch(&[(1, 5, 1.0)])).await.is_ok());
    let mut other = table.pool.begin().await.expect("begin");
    sqlx::query("UPDATE reading SET value = 9").execute(&mut *other).await.expect("a lock");
    let older = tokio::spawn({
        let writer = writer.clone();
        async move { writer.store(batch(&[(1, 5, 2.0)])).await }
    });
    while !table.is_waited_for().await {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    proxy.cut();
    assert!(older.await.expect("a task").is_err(), "nobody knows what became of it");
    while table.is_waited_for().await {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    other.rollback().await.expect("rollback");
    assert_eq!(table.rows().await, [(1, 5, 1.0)], "it was ended, and not carried out");
    assert!(writer.store(batch(&[(1, 5, 3.0)])).await.is_ok());
    assert_eq!(table.rows().await, [(1, 5, 3.0)]);
}
