//! Attempts at injection. Hostile text in any string of a query, or of a picker, is a key: one that nobody
//! knows, or just the one that bears it. It is never a part of a statement, and nothing changes.
//!
//! The plugin works with a superuser here: nothing but itself keeps it from doing harm.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};

use crate::support::db::{Server, TestDb};
use crate::support::fixture;
use crate::support::panel::{Plugin, decode, query};

/// What breaks programs that put texts into statements, regular expressions, `LIKE` or arrays.
const NASTY: [&str; 24] = [
    "'",
    "''; DROP TABLE lotwise.run; --",
    "'); DELETE FROM lotwise.reading; --",
    "\" OR \"\"=\"",
    "x' OR '1'='1",
    "\\",
    "\\'; SELECT pg_sleep(9); --",
    "$1",
    "$$; DROP SCHEMA lotwise CASCADE; $$",
    "/* ",
    " */",
    "-- ",
    "%",
    "_",
    "*x",
    "{LOT-1,LOT-2}",
    "NULL",
    "${plant}",
    "[[plant]]",
    "(",
    "a{1,99999}",
    "\u{202e}'\u{0301}\u{1f600}",
    "; COPY lotwise.run TO PROGRAM 'touch /tmp/x'",
    "' UNION SELECT usename, passwd FROM pg_shadow --",
];

const TYPES: [&str; 13] = [
    "series",
    "kpi",
    "runs",
    "latest",
    "data_quality",
    "anomalies",
    "lots",
    "golden",
    "abnormal_runs",
    "states",
    "baseline",
    "spc",
    "demand",
];

/// A query with the text in one of the places of a saved query that hold one.
fn with(kind: &str, slot: usize, text: &str) -> Value {
    let filter = |key: &str, op: &str| json!([{"key": key, "op": op, "values": [text]}]);
    let mut query = json!({"type": kind, "place": {"plants": ["madrid"]}});
    match slot {
        0 => query["place"]["plants"] = json!([text]),
        1 => query["place"]["lines"] = json!([text]),
        2 => query["place"]["machines"] = json!([text]),
        3 => query["place"]["sensors"] = json!([text]),
        4 => query["place"]["quantity"] = json!(text),
        5 => query["context"] = json!({"references": [text]}),
        6 => query["context"] = json!({"lots": ["LOT-1", text]}),
        7 => query["context"] = json!({"operators": [text]}),
        8 => query["context"] = json!({"shifts": [text]}),
        9 => query["context"] = json!({"states": [text]}),
        10 => query["bucket"] = json!(text),
        11 => {
            query["compare"] = json!("lots");
            query["compareLots"] = json!([text]);
        }
        12 => query["baseline"] = json!({"from": text, "to": text}),
        13 => query["baseline"] = json!({"drivers": [text]}),
        14 => query["filters"] = filter("lot", "is"),
        15 => query["filters"] = filter("reference", "matches"),
        16 => query["filters"] = filter("line", "matches_not"),
        17 => query["filters"] = filter(text, "is"),
        18 => query["groupBy"] = json!(text),
        19 => query["aggregate"] = json!(text),
        20 => query["format"] = json!(text),
        21 => query["kpis"] = json!([text]),
        _ => query["type"] = json!(text),
    }
    query
}
const SLOTS: usize = 23;

const PICKERS: [&str; 10] = [
    "plants",
    "lines",
    "machines",
    "sensors",
    "quantities",
    "references",
    "lots",
    "operators",
    "shifts",
    "states",
];
const PARAMETERS: [&str; 8] =
    ["search", "plant", "line", "machine", "reference", "quantity", "from", "limit"];

/// A text that is nasty, or is made of nasty ones, or has every kind of character.
fn nasty() -> impl Strategy<Value = String> {
    let one = proptest::sample::select(NASTY.to_vec());
    prop_oneof![
        one.clone().prop_map(str::to_owned),
        proptest::collection::vec(one, 1..5).prop_map(|parts| parts.concat()),
        any::<String>(),
        "\\PC{0,300}",
    ]
}

/// A checksum of all rows and all objects.
async fn fingerprint(pool: &PgPool) -> Vec<(String, String)> {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = 'lotwise' ORDER BY 1",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let mut all = Vec::new();
    for table in tables {
        let sql = format!(
            "SELECT coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') FROM {table} t"
        );
        all.push((table, sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(pool).await.unwrap()));
    }
    let objects = "SELECT md5(string_agg(x, '|' ORDER BY x)) FROM (
        SELECT relname || relkind::text || coalesce(relacl::text, '') FROM pg_class WHERE relnamespace = 'lotwise'::regnamespace
        UNION ALL SELECT prosrc FROM pg_proc WHERE pronamespace = 'lotwise'::regnamespace
        UNION ALL SELECT rolname || rolsuper::text || coalesce(rolpassword, '') FROM pg_authid WHERE rolname = current_user) o(x)";
    all.push(("objects".to_owned(), sqlx::query_scalar(objects).fetch_one(pool).await.unwrap()));
    all
}

async fn asked(plugin: &Plugin, model: &Value) {
    let answer = plugin.ask(vec![query("A", model.clone())]).await.remove("A").expect("an answer");
    // Not known, not valid, or nothing found: never the database's or the plugin's fault.
    assert!([200, 400].contains(&answer.status), "{model}: {} {}", answer.status, answer.error);
    if model.to_string().contains("\\u0000") && !answer.error.is_empty() {
        assert!(!answer.error.contains("encoding"), "{model}: {}", answer.error);
    }
}

async fn picked(plugin: &Plugin, picker: &str, parameter: &str, text: &str) {
    let mut url = format!("{picker}?");
    url.extend(url::form_urlencoded::byte_serialize(parameter.as_bytes()));
    url.push('=');
    url.extend(url::form_urlencoded::byte_serialize(text.as_bytes()));
    let answer = plugin.pick(&url).await;
    assert!([200, 400].contains(&answer.status), "{url}: {answer:?}");
    if text.contains('\0') && answer.status == 400 {
        assert!(format!("{answer:?}").contains("NUL character"), "{url}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_texts_change_nothing() {
    for server in [Server::Timescale, Server::Plain] {
        let db = fixture::factory(server).await;
        let pool = db.pool().await;
        let plugin = Plugin::start(&db).await;
        let before = fingerprint(&pool).await;
        for (slot, text) in (0..SLOTS).zip(NASTY.iter().cycle()) {
            for kind in TYPES {
                asked(&plugin, &with(kind, slot, text)).await;
                asked(&plugin, &with(kind, slot, "a\0b")).await;
            }
        }
        for picker in PICKERS {
            for parameter in PARAMETERS {
                picked(&plugin, picker, parameter, "x' OR '1'='1").await;
                picked(&plugin, picker, parameter, "a\0b").await;
            }
        }
        let config = Config { cases: 200, failure_persistence: None, ..Config::default() };
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
        let case = (nasty(), 0..SLOTS, 0..TYPES.len(), 0..PICKERS.len(), 0..PARAMETERS.len());
        let handle = tokio::runtime::Handle::current();
        tokio::task::block_in_place(|| {
            TestRunner::new_with_rng(config, rng)
                .run(&case, |(text, slot, kind, picker, parameter)| {
                    handle.block_on(async {
                        asked(&plugin, &with(TYPES[kind], slot, &text)).await;
                        picked(&plugin, PICKERS[picker], PARAMETERS[parameter], &text).await;
                    });
                    Ok(())
                })
                .unwrap();
        });
        assert_eq!(fingerprint(&pool).await, before, "{server:?}");
    }
}

/// A lot and a reference for each nasty text, with as many good units as its place in the list and one hour.
async fn nasty_lots(db: &TestDb) {
    let pool = db.pool().await;
    for (index, text) in NASTY.iter().enumerate() {
        sqlx::query(
            "WITH f AS (INSERT INTO reference (plant_id, key, name)
                        SELECT id, $1, $1 FROM plant WHERE key = 'madrid' RETURNING id, plant_id),
                  t AS (INSERT INTO lot (plant_id, key, reference_id) SELECT plant_id, $1, id FROM f RETURNING id, plant_id)
             INSERT INTO run (plant_id, key, line_id, lot_id, started_at, ended_at, good_units)
             SELECT t.plant_id, $1, l.id, t.id, s.at, s.at + interval '1 h', $2
             FROM t JOIN line l ON l.plant_id = t.plant_id AND l.key = 'L1',
                  LATERAL (SELECT '2026-01-16 00:00Z'::timestamptz + $2 * interval '1 h' AS at) s",
        )
        .bind(text.trim())
        .bind(index as f64 + 1.0)
        .execute(&pool)
        .await
        .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_key_that_exists_is_found_and_no_other() {
    let db = fixture::factory(Server::Timescale).await;
    nasty_lots(&db).await;
    let plugin = Plugin::start(&db).await;
    for (index, text) in NASTY.iter().enumerate() {
        let text = text.trim();
        for narrowed in [
            json!({"context": {"lots": [text]}}),
            json!({"context": {"references": [text]}}),
            json!({"filters": [{"key": "lot", "op": "is", "values": [text]}]}),
            json!({"filters": [{"key": "lot", "op": "matches", "values": [format!("^{}$", regex::escape(text))]}]}),
        ] {
            let mut model = json!({"type": "kpi", "kpis": ["good_units"], "groupBy": "lot", "place": {"lines": ["L1"]}});
            model.as_object_mut().unwrap().extend(narrowed.as_object().unwrap().clone());
            let mut asked = query("A", model.clone());
            let range = asked.time_range.as_mut().unwrap();
            range.to_epoch_ms += 3 * 24 * 3_600_000;
            let frames = decode(&plugin.ask(vec![asked]).await["A"]);
            assert_eq!(frames[0].texts("lot"), [text], "{model}");
            assert_eq!(frames[0].numbers("good_units"), [Some(index as f64 + 1.0)], "{model}");
        }
        let search: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
        let found = plugin.pick(&format!("lots?plant=madrid&search={search}")).await;
        // Others may contain it.
        assert!(found.values().contains(&text), "{text}: {found:?}");
        assert!(
            found.values().iter().all(|value| value.to_lowercase().contains(&text.to_lowercase())),
            "{text}: {found:?}"
        );
    }
}
