//! Readings in the columnstore of TimescaleDB's community edition: the same figures, and late readings
//! are stored. What other kinds of database say.

use lotwise::columnstore::{self, ColumnstoreError};
use lotwise::reader;
use lotwise::rollup::check::{Scope, check};
use lotwise::rollup::{connect, refresh, try_lock};
use serde_json::json;
use sqlx::{Connection, PgConnection};

use crate::reader::Login;
use crate::support::db::{Server, TestDb};
use crate::support::fixture;
use crate::support::frame::Decoded;
use crate::support::ingest::Ingest;
use crate::support::panel::Plugin;

async fn columnar(conn: &mut PgConnection) -> usize {
    let chunks = columnstore::chunks(conn).await.expect("chunks");
    chunks.iter().filter(|c| c.is_columnar).count()
}

#[tokio::test]
async fn figures_are_the_same_from_columns() {
    let db = fixture::factory(Server::Tsl).await;
    let mut owner = PgConnection::connect(&db.url).await.expect("connect");
    let plugin = Plugin::start(&db).await;
    let questions = [
        json!({"type": "kpi", "groupBy": "reference"}),
        json!({"type": "series", "place": {"quantity": "temperature"}}),
        json!({"type": "series", "aggregate": "last", "bucket": "hour", "place": {"quantity": "energy"}}),
        json!({"type": "latest"}),
        json!({"type": "lots", "bucket": "10m", "place": {"quantity": "energy"}}),
    ];
    let values = |frames: Vec<Decoded>| -> Vec<_> {
        frames
            .into_iter()
            .flat_map(|f| f.columns)
            .filter(|c| c.name != "age_s")
            .map(|c| (c.name, c.values))
            .collect()
    };
    let mut before = Vec::new();
    for question in &questions {
        before.push(values(plugin.frames(question.clone()).await));
    }
    columnstore::turn_on(&mut owner, 30).await.expect("on");
    columnstore::turn_on(&mut owner, 20).await.expect("on again, with another time");
    let to = fixture::to() + chrono::TimeDelta::days(30);
    assert_eq!(columnstore::move_before(&mut owner, to).await.expect("move"), 1);
    assert_eq!(columnar(&mut owner).await, 1);
    for (question, before) in questions.iter().zip(&before) {
        assert_eq!(values(plugin.frames(question.clone()).await), *before, "{question}");
    }
    // The job that the database runs.
    let after: String = sqlx::query_scalar(
        "SELECT config->>'compress_after' FROM timescaledb_information.jobs WHERE hypertable_name = 'reading'",
    )
    .fetch_one(&mut owner)
    .await
    .expect("one job");
    assert_eq!(after, "20 days");
    assert_eq!(columnstore::turn_off(&mut owner).await.expect("off"), 1);
    assert_eq!(columnar(&mut owner).await, 0);
    assert_eq!(columnstore::turn_off(&mut owner).await.expect("off again"), 0);
}

#[tokio::test]
async fn late_and_corrected_readings_are_stored_in_columns() {
    let ingest = Ingest::with_plants(Server::Tsl).await;
    let mut owner = PgConnection::connect(&ingest.db.url).await.expect("connect");
    let mut keeper = connect(&ingest.db.url).await.expect("connect");
    assert!(try_lock(&mut keeper).await.expect("lock"));
    let start = 1_767_225_600; // 2026-01-01
    let lines = |from: i64, count: i64, step: i64, value: i64| -> String {
        (0..count)
            .map(|i| format!("E1 value={} {}\n", value + i, start + from + i * step))
            .collect()
    };
    assert_eq!(ingest.write(lines(0, 2_000, 60, 0)).await.status, 204);
    refresh(&mut keeper, None).await.expect("refresh");
    columnstore::turn_on(&mut owner, 7).await.expect("on");
    let all = chrono::DateTime::from_timestamp(start + 90 * 86_400, 0).expect("time");
    assert_eq!(columnstore::move_before(&mut owner, all).await.expect("move"), 1);
    // New ones in between, and other values for 300 that are there.
    assert_eq!(ingest.write(lines(30, 500, 60, 5)).await.status, 204);
    assert_eq!(ingest.write(lines(0, 300, 60, 9_000)).await.status, 204);
    let (count, corrected): (i64, i64) = sqlx::query_as(
        "SELECT count(*), count(*) FILTER (WHERE value >= 9000) FROM lotwise.reading",
    )
    .fetch_one(&mut owner)
    .await
    .expect("count");
    assert_eq!((count, corrected), (2_500, 300));
    refresh(&mut keeper, None).await.expect("refresh");
    let checked = check(&mut keeper, &Scope::default()).await.expect("check");
    assert!(checked.difference.is_none() && checked.hours > 30, "{checked:?}");
}

#[tokio::test]
async fn is_refused_where_it_cannot_be() {
    for server in [Server::Timescale, Server::Plain] {
        let db = TestDb::migrated(server).await;
        let mut owner = PgConnection::connect(&db.url).await.expect("connect");
        let refused = columnstore::turn_on(&mut owner, 30).await.expect_err("another edition");
        assert!(refused.to_string().contains("community edition"), "{refused}");
    }
    let db = fixture::factory(Server::Tsl).await;
    let pool = db.pool().await;
    let mut owner = PgConnection::connect(&db.url).await.expect("connect");
    let login = Login::new(&db, &pool, "").await;
    let madrid = [reader::Place { plant: "madrid".to_owned(), line: None }];
    columnstore::turn_on(&mut owner, 30).await.expect("on");
    let refused = reader::grant(&mut owner, &login.role, &madrid).await.expect_err("columnstore");
    assert!(refused.to_string().contains("columnstore off"), "{refused}");
    columnstore::turn_off(&mut owner).await.expect("off");
    reader::grant(&mut owner, &login.role, &madrid).await.expect("grant");
    let refused = columnstore::turn_on(&mut owner, 30).await.expect_err("row security");
    assert!(matches!(refused, ColumnstoreError::RowSecurity), "{refused}");
}
