//! Items in one request end as the same items in requests of their own: stored and refused alike.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use super::on_both;
use crate::support::db::Server;
use crate::support::ingest::Ingest;

on_both!(a_request_is_as_its_items_alone, good_items_are_stored_as_a_set);

/// A service with plants `a` and `b` that have the same lines and machines.
async fn twins(server: Server) -> Ingest {
    let ingest = Ingest::start(server).await;
    for plant in ["a", "b"] {
        let name = json!({"key": plant, "name": plant, "time_zone": "UTC"});
        ingest.create("plants", json!([name])).await;
        let named = |key: &str| json!({"plant": plant, "key": key, "name": key});
        ingest.create("lines", json!([named("L1"), named("L2")])).await;
        let machine =
            |line: &str, key: &str| json!({"plant": plant, "line": line, "key": key, "name": key});
        ingest.create("machines", json!([machine("L1", "m1"), machine("L2", "m2")])).await;
    }
    ingest
}

/// An item that may be good, contradict another one, or name what does not exist. Fields appear as
/// value, as null or not at all.
fn item(resource: &str, random: &mut StdRng) -> Value {
    let mut item = json!({});
    let pick = |from: &[Value], random: &mut StdRng| from.choose(random).cloned().expect("a value");
    let keys = |keys: &[&str]| keys.iter().map(|k| json!(k)).collect::<Vec<_>>();
    let some = |keys: Vec<Value>| [keys.clone(), keys, vec![Value::Null]].concat();
    let start: i64 = random.random_range(0..8);
    let end = start + random.random_range(-1..4);
    let lines = keys(&["L1", "L1", "L1", "L2", "L2", "L9"]);
    let machines = keys(&["m1", "m1", "m1", "m2", "m2", "m9"]);
    let units = [json!(1), json!(2.5), json!(3), json!(-1), Value::Null];
    let mut fields: Vec<(&str, Value, f64)> = match resource {
        "lots" => vec![
            ("key", pick(&keys(&["x", "y", "z"]), random), 1.0),
            ("reference", pick(&keys(&["A", "B"]), random), 0.95),
        ],
        "states" => vec![
            ("machine", pick(&machines, random), 1.0),
            ("state", pick(&keys(&["running", "idle", "idle", "asleep"]), random), 1.0),
            ("started_at", json!(start * 60_000), 1.0),
            ("ended_at", pick(&[json!(end * 60_000), Value::Null], random), 0.7),
        ],
        "counts" => vec![
            ("line", pick(&lines, random), 0.8),
            ("machine", pick(&machines, random), 0.5),
            ("started_at", json!(start * 60_000), 1.0),
            ("ended_at", json!(end * 60_000), 1.0),
            ("good_units", pick(&units, random), 1.0),
            ("scrap_units", pick(&units, random), 0.5),
        ],
        _ => vec![
            ("key", pick(&keys(&["r1", "r2", "r3", "r4", "r5"]), random), 1.0),
            ("line", pick(&lines, random), 1.0),
            ("machine", pick(&some(keys(&["m1", "m2", "m9"])), random), 0.4),
            ("lot", pick(&keys(&["x", "y", "z"]), random), 1.0),
            ("reference", pick(&keys(&["A", "A", "A", "B"]), random), 0.6),
            ("operator", pick(&some(keys(&["o1", "o2"])), random), 0.5),
            ("started_at", json!(start * 60_000), 1.0),
            ("ended_at", pick(&[json!(end * 60_000), Value::Null], random), 0.7),
            ("good_units", pick(&units, random), 0.6),
            ("scrap_units", pick(&units, random), 0.4),
        ],
    };
    if resource == "counts" && random.random_bool(0.1) {
        fields.drain(2..);
        fields.push(("time", json!(start * 60_000), 1.0));
        fields.push(("good_total", json!(start), 1.0));
    }
    for (field, value, chance) in fields {
        if random.random_bool(chance) {
            item[field] = value;
        }
    }
    item
}

async fn post(ingest: &Ingest, resource: &str, plant: &str, items: &[Value]) -> Vec<(u64, Value)> {
    let of_plant = |item: &Value| {
        let mut item = item.clone();
        item["plant"] = json!(plant);
        item
    };
    let items: Vec<Value> = items.iter().map(of_plant).collect();
    let answer = ingest.post(&format!("/v1/{resource}"), &json!({"items": items})).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let errors = answer.body["errors"].as_array().expect("errors").clone();
    assert_eq!(answer.body["accepted"], items.len() - errors.len());
    let plant = format!("plant {plant:?}").replace('"', "\\\"");
    let told = |e: &Value| {
        let text = e.to_string().replace(&plant, "the plant");
        let e: Value = serde_json::from_str(&text).expect("JSON");
        (e["index"].as_u64().expect("index"), json!([e["code"], e["message"]]))
    };
    errors.iter().map(told).collect()
}

async fn listed(ingest: &Ingest, plant: &str) -> Vec<Value> {
    let mut all = Vec::new();
    for resource in ["references", "operators", "lots", "runs", "states", "counts"] {
        let answer = ingest.get(&format!("/v1/{resource}?plant={plant}&limit=10000")).await;
        let mut items = answer.body["items"].as_array().expect("items").clone();
        for item in &mut items {
            item["plant"].take();
        }
        items.sort_by_key(Value::to_string);
        all.extend(items);
    }
    all
}

async fn a_request_is_as_its_items_alone(server: Server) {
    let ingest = twins(server).await;
    let mut random = StdRng::seed_from_u64(20_260_301);
    let (mut stored, mut refused) = (0, 0);
    for round in 0..150 {
        let resource =
            *["lots", "states", "counts", "runs", "runs"].choose(&mut random).expect("one");
        let items: Vec<Value> =
            (0..random.random_range(2..7)).map(|_| item(resource, &mut random)).collect();
        let together = post(&ingest, resource, "a", &items).await;
        let mut alone = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let errors = post(&ingest, resource, "b", std::slice::from_ref(item)).await;
            alone.extend(errors.into_iter().map(|(_, error)| (index as u64, error)));
        }
        assert_eq!(together, alone, "round {round}, {resource}: {items:#?}");
        assert_eq!(listed(&ingest, "a").await, listed(&ingest, "b").await, "round {round}");
        refused += alone.len();
        stored += items.len() - alone.len();
    }
    assert!(stored > 100 && refused > 100, "{stored} stored, {refused} refused");
}

/// How many transactions and savepoints a table's rows were written in.
async fn writes(ingest: &Ingest, table: &'static str) -> i64 {
    let sql = format!("SELECT count(DISTINCT xmin::text) FROM {table}");
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&ingest.pool).await.expect("count")
}

async fn good_items_are_stored_as_a_set(server: Server) {
    let ingest = twins(server).await;
    let many = |item: &dyn Fn(i64) -> Value| Value::from((0..200).map(item).collect::<Vec<_>>());
    let lots = many(&|i| json!({"plant": "a", "key": format!("lot{i}"), "reference": "A"}));
    let states = many(
        &|i| json!({"plant": "a", "machine": "m1", "state": "idle", "started_at": i * 1000, "ended_at": i * 1000 + 1000}),
    );
    let counts = many(
        &|i| json!({"plant": "a", "machine": "m1", "started_at": i * 1000, "ended_at": i * 1000 + 1000, "good_units": 1}),
    );
    let runs = many(&|i| {
        json!({"plant": "a", "key": format!("r{i}"), "line": "L1", "lot": format!("n{i}"), "reference": "B",
        "operator": "o", "started_at": i * 1000, "ended_at": i * 1000 + 1000})
    });
    let missing = [
        json!({"plant": "z", "key": "k", "reference": "A"}),
        json!({"plant": "a", "machine": "m9", "state": "off", "started_at": 0}),
        json!({"plant": "a", "machine": "m9", "started_at": 0, "ended_at": 1, "good_units": 1}),
        json!({"plant": "a", "key": "k", "line": "L9", "lot": "k", "started_at": 0}),
    ];
    let all = [
        ("lots", "lot", lots),
        ("states", "state", states),
        ("counts", "production_count", counts),
        ("runs", "run", runs),
    ];
    for ((resource, table, mut items), missing) in all.into_iter().zip(missing) {
        for _ in 0..2 {
            ingest.create(resource, items.clone()).await;
            assert_eq!(writes(&ingest, table).await, 1, "{resource}");
        }
        // One that is refused costs its neighbours their set, but not all the others.
        items[100] = missing;
        let answer = ingest.post(&format!("/v1/{resource}"), &json!({"items": items})).await;
        assert_eq!(
            (&answer.body["accepted"], &answer.body["errors"][0]["index"]),
            (&json!(199), &json!(100))
        );
        let writes = writes(&ingest, table).await;
        assert!((3..70).contains(&writes), "{resource}: {writes}");
    }
}
