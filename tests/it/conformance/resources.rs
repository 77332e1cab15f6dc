//! The pickers: search, limits, cascading, refusals.

use serde_json::json;

use crate::support::db::{Server, TestDb};
use crate::support::fixture;
use crate::support::panel::Plugin;

async fn plugin() -> (TestDb, Plugin) {
    let db = fixture::factory(Server::Plain).await;
    let plugin = Plugin::start(&db).await;
    (db, plugin)
}

/// Each call with the values that it must offer.
async fn expect(plugin: &Plugin, calls: &[(&str, &[&str])]) {
    for (url, expected) in calls {
        assert_eq!(plugin.pick(url).await.values(), *expected, "{url}");
    }
}

#[tokio::test]
async fn offer_everything() {
    let (_db, plugin) = plugin().await;
    let everything: [(&str, &[&str]); 10] = [
        ("plants", &["madrid", "porto"]),
        ("lines", &["L1", "L2", "P1"]),
        ("machines", &["mixer", "oven", "press", "saw"]),
        ("quantities", &["count", "energy", "power", "temperature"]),
        ("references", &["REF-A", "REF-B", "REF-C", "REF-Z"]),
        ("lots", &["LOT-9", "LOT-3", "LOT-2", "LOT-1"]),
        ("operators", &["ana", "luis", "rui"]),
        ("sensors?quantity=temperature", &["mixer-temp", "oven-temp", "saw-temp"]),
        ("shifts", &["morning", "afternoon", "night"]),
        ("states", &["running", "idle", "setup", "stopped", "off"]),
    ];
    for (url, expected) in everything {
        let mut values: Vec<String> =
            plugin.pick(url).await.values().into_iter().map(str::to_owned).collect();
        let mut expected = expected.to_vec();
        values.sort_unstable();
        expected.sort_unstable();
        assert_eq!(values, expected, "{url}");
    }
    let plants = plugin.pick("plants").await.body;
    let madrid = json!({"value": "madrid", "label": "Madrid", "description": "Europe/Madrid"});
    assert_eq!(plants["items"][0], madrid);
    assert_eq!(plants["truncated"], false);
    let states = plugin.pick("states?language=es&search=marcha").await.body;
    assert_eq!(
        states["items"][0],
        json!({"value": "running", "label": "En marcha", "description": ""})
    );
}

#[tokio::test]
async fn narrow_down_by_the_choices_above() {
    let (_db, plugin) = plugin().await;
    expect(
        &plugin,
        &[
            ("lines?plant=madrid", &["L1", "L2"]),
            ("lines?plant=*", &["L1", "L2", "P1"]),
            ("lines?plant=", &["L1", "L2", "P1"]),
            ("lines?plant=madrid&plant=porto", &["L1", "L2", "P1"]),
            ("machines?plant=madrid&line=L1", &["oven", "press"]),
            ("machines?line=L2&line=P1", &["mixer", "saw"]),
            ("sensors?machine=press", &["press-count", "press-power"]),
            ("sensors?machine=press&quantity=power", &["press-power"]),
            ("quantities?line=L2", &["energy", "temperature"]),
            ("references?plant=porto", &["REF-Z"]),
            ("references?line=L1", &["REF-A", "REF-B"]),
            ("lots?reference=REF-A&line=L2", &["LOT-3"]),
            ("lots?reference=REF-B&reference=REF-Z", &["LOT-9", "LOT-2"]),
            ("operators?plant=madrid", &["ana", "luis"]),
            ("lots?from=2026-01-15T11:45:00Z&plant=madrid", &["LOT-3"]),
            ("lots?to=2026-01-15T08:00:00Z", &[]),
            ("lots?from=1768471200000&to=1768473000000&line=L1", &["LOT-2"]),
            // A choice further up that has gone offers nothing, which is no error.
            ("lines?plant=gone", &[]),
            ("shifts?plant=porto&search=noon", &["afternoon"]),
            ("lots?line=gone", &[]),
        ],
    )
    .await;
}

#[tokio::test]
async fn search_takes_every_character_as_it_is() {
    let (_db, plugin) = plugin().await;
    expect(
        &plugin,
        &[
            ("references?search=%25", &["REF-A"]),
            ("references?search=_", &["REF-B"]),
            ("references?search=UNDER", &["REF-B"]),
            ("references?search=ref-c", &["REF-C"]),
            ("references?search=%5C", &[]),
            ("references?search=%27%3B--", &[]),
            ("lots?search=_", &[]),
            ("lots?search=ot-3", &["LOT-3"]),
            ("operators?search=UI", &["luis", "rui"]),
            ("lines?search=%25", &["L2"]),
            ("lines?search=_", &["P1"]),
            ("sensors?search=TEMP&line=L1", &["oven-temp"]),
        ],
    )
    .await;
}

#[tokio::test]
async fn limits_cut_and_say_so() {
    let (_db, plugin) = plugin().await;
    for subject in ["sensors", "references", "lots", "operators"] {
        let cut = plugin.pick(&format!("{subject}?limit=2")).await;
        assert_eq!((cut.values().len(), &cut.body["truncated"]), (2, &json!(true)), "{subject}");
        let whole = plugin.pick(&format!("{subject}?limit=1000")).await;
        assert_eq!(whole.body["truncated"], false, "{subject}");
    }
    for limit in ["0", "1001", "-1", "many"] {
        let refused = plugin.pick(&format!("plants?limit={limit}")).await;
        assert_eq!((refused.status, &refused.body["code"]), (400, &json!("invalid_parameter")));
        let message = refused.body["message"].as_str().expect("message");
        assert!(message.contains("use 1 to 1000"), "{message}");
    }
    let refused = plugin.pick("lots?from=yesterday").await;
    let message = refused.body["message"].as_str().expect("message");
    assert!(refused.status == 400 && message.contains("use ISO 8601"), "{message}");
}

#[tokio::test]
async fn refuse_what_they_do_not_know() {
    let (_db, plugin) = plugin().await;
    for url in ["", "factories", "plants/madrid", "factories?plant=gone", "factories?limit=0"] {
        let refused = plugin.pick(url).await;
        assert_eq!((refused.status, &refused.body["code"]), (404, &json!("not_found")), "{url:?}");
    }
    let refused = plugin.call("POST", "plants").await.expect("CallResource");
    assert_eq!(refused.status, 405);
}

#[tokio::test]
async fn a_reference_made_known_a_moment_ago_is_found_by_its_key() {
    let (db, plugin) = plugin().await;
    expect(&plugin, &[("references?search=REF-N", &[]), ("references?plant=porto", &["REF-Z"])])
        .await;
    let pool = db.pool().await;
    let new = "INSERT INTO lotwise.reference (plant_id, key, name) \
         SELECT id, 'REF-N', 'New' FROM lotwise.plant WHERE key = 'porto'";
    sqlx::raw_sql(new).execute(&pool).await.expect("a new reference");
    let found: &[&str] = &["REF-N"];
    expect(
        &plugin,
        &[("references?search=ref-n", found), ("references?plant=porto&search=new", found)],
    )
    .await;
}
