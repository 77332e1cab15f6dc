//! Whole requests: roles, sizes, ref ids, what alert rules ask.

use grafana_plugin_sdk::pluginv2 as pb;
use serde_json::json;

use crate::support::db::Server;
use crate::support::fixture;
use crate::support::panel::{Plugin, decode, query};

async fn plugin() -> (crate::support::db::TestDb, Plugin) {
    let db = fixture::factory(Server::Plain).await;
    let plugin = Plugin::start(&db).await;
    (db, plugin)
}

#[tokio::test]
async fn accepts_every_role() {
    let (_db, plugin) = plugin().await;
    for role in ["None", "", "Viewer", "Editor", "Admin"] {
        let mut request = plugin.request(vec![query("A", json!({"type": "latest"}))]);
        request.plugin_context = Some(plugin.source.context(role));
        let answer = plugin.host.data().query_data(request).await.expect(role).into_inner();
        assert_eq!(answer.responses["A"].error, "", "role {role:?}");
    }
    // Public dashboards and alert rules come without a user.
    let mut request = plugin.request(vec![query("A", json!({"type": "latest"}))]);
    request.plugin_context.as_mut().expect("context").user = None;
    let answer = plugin.host.data().query_data(request).await.expect("no user").into_inner();
    assert_eq!(answer.responses["A"].error, "");
}

#[tokio::test]
async fn accepts_a_request_of_ten_mebibytes() {
    let (_db, plugin) = plugin().await;
    let padding = "x".repeat(10 * 1024 * 1024);
    let large = json!({"type": "latest", "place": {"sensors": ["saw-temp"]}, "ignored": padding});
    let answers = plugin.ask(vec![query("A", large)]).await;
    assert_eq!(decode(&answers["A"])[0].rows, 1);
}

#[tokio::test]
async fn answers_a_good_query_beside_bad_ones() {
    let (_db, plugin) = plugin().await;
    let mut no_json = query("J", json!({}));
    no_json.json = b"{\"type\":".to_vec();
    let mut no_range = query("R", json!({"type": "latest"}));
    no_range.time_range = None;
    let answers = plugin
        .ask(vec![
            query("A", json!({"type": "latest", "place": {"sensors": ["saw-temp"]}})),
            query("B", json!({"type": "series", "place": {"plants": ["nowhere"]}})),
            query("T", json!({"type": "pie"})),
            no_json,
            no_range,
        ])
        .await;
    assert_eq!(decode(&answers["A"])[0].numbers("value"), [Some(40.0)]);
    for (ref_id, says) in [
        ("B", "unknown plant \"nowhere\""),
        ("T", "unknown variant `pie`"),
        ("J", "the query is not understood"),
        ("R", "the time range"),
    ] {
        let answer = &answers[ref_id];
        assert!(answer.error.contains(says), "{ref_id}: {}", answer.error);
        assert_eq!((answer.status, answer.error_source.as_str()), (400, "downstream"), "{ref_id}");
        assert!(answer.frames.is_empty());
    }
}

#[tokio::test]
async fn gives_queries_of_the_same_ref_id_one_answer_with_all_their_frames() {
    let (_db, plugin) = plugin().await;
    let sensor = |key: &str| json!({"type": "series", "place": {"sensors": [key]}});
    let queries = vec![query("A", sensor("saw-temp")), query("A", sensor("oven-temp"))];
    let answers = plugin.ask(queries).await;
    let names: Vec<String> = decode(&answers["A"]).into_iter().map(|f| f.name).collect();
    assert_eq!(names, ["Saw temperature", "Oven temperature"]);

    let queries = vec![query("A", sensor("saw-temp")), query("A", sensor("nothing"))];
    let answers = plugin.ask(queries).await;
    assert!(answers["A"].error.contains("unknown sensor \"nothing\""), "{:?}", answers["A"].error);
}

#[tokio::test]
async fn clamps_what_an_alert_rule_asks() {
    let (_db, plugin) = plugin().await;
    let model = json!({"type": "series", "place": {"sensors": ["saw-temp"]}, "bucket": "auto"});
    let mut ask = query("A", model);
    (ask.max_data_points, ask.interval_ms) = (43_200, 1_000);
    ask.time_range.as_mut().expect("range").from_epoch_ms -= 40 * 86_400_000;
    let answers = plugin.ask(vec![ask]).await;
    let frame = &decode(&answers["A"])[0];
    assert!((1_000..=11_000).contains(&frame.rows), "{} rows", frame.rows);
}

#[tokio::test]
async fn a_request_without_queries_has_no_answers() {
    let (_db, plugin) = plugin().await;
    assert!(plugin.ask(Vec::new()).await.is_empty());
}

#[tokio::test]
async fn says_what_a_request_without_data_source_lacks() {
    let (_db, plugin) = plugin().await;
    let queries = vec![query("A", json!({"type": "latest"}))];
    let request = pb::QueryDataRequest { queries, ..Default::default() };
    let answer = plugin.host.data().query_data(request).await.expect("QueryData").into_inner();
    let error = &answer.responses["A"].error;
    assert!(error.contains("plugin context"), "{error}");
}

#[tokio::test]
async fn settings_that_change_take_effect_at_once() {
    let (_db, plugin) = plugin().await;
    let model = json!({"type": "latest", "place": {"plants": ["madrid"], "sensors": ["saw-temp"]}});
    assert_eq!(plugin.frames(model.clone()).await[0].rows, 1);
    let scoped = plugin.source.clone().set("plants", json!(["porto"]));
    let answer = plugin.rebound(scoped).error(model).await;
    assert!(answer.error.contains("unknown plant"), "{}", answer.error);
}
