//! Questions that cannot be answered as asked.

use serde_json::{Value, json};

use crate::support::db::{Server, TestDb};
use crate::support::fixture;
use crate::support::panel::{Plugin, query};

async fn plugin() -> (TestDb, Plugin) {
    let db = fixture::factory(Server::Plain).await;
    let plugin = Plugin::start(&db).await;
    (db, plugin)
}

async fn assert_says(plugin: &Plugin, model: Value, parts: &[&str]) {
    let answer = plugin.error(model.clone()).await;
    assert_eq!((answer.status, answer.error_source.as_str()), (400, "downstream"), "{model}");
    for part in parts {
        assert!(answer.error.contains(part), "{model}: {part:?} is not in {:?}", answer.error);
    }
    let mut spanish = model.clone();
    spanish["language"] = json!("es");
    let told = plugin.error(spanish).await;
    assert_eq!((told.status, told.error_source.as_str()), (400, "downstream"), "{model}");
    let advice = ["elija", "use ", "revise", "actualice", "guárdela"];
    assert!(advice.iter().any(|word| told.error.contains(word)), "{model}: {}", told.error);
}

#[tokio::test]
async fn places_that_do_not_exist() {
    let (_db, plugin) = plugin().await;
    for kind in ["series", "kpi", "runs", "latest"] {
        let ask = |list: &str, key: &str| json!({"type": kind, "place": {list: [key]}});
        let says = ["unknown plant \"Madrid\"", "choose one of madrid, porto"];
        assert_says(&plugin, ask("plants", "Madrid"), &says).await;
        let says = ["unknown line \"L9\"", "choose one of L1, L2, P1"];
        assert_says(&plugin, ask("lines", "L9"), &says).await;
        assert_says(&plugin, ask("machines", "lathe"), &["unknown machine \"lathe\""]).await;
    }
    let other = json!({"type": "kpi", "place": {"plants": ["porto"], "lines": ["L1"]}});
    assert_says(&plugin, other, &["unknown line \"L1\"", "choose one of P1"]).await;
}

#[tokio::test]
async fn production_that_does_not_exist() {
    let (_db, plugin) = plugin().await;
    for kind in ["series", "kpi", "runs"] {
        for (list, what, key) in [
            ("lots", "lot", "LOT-77"),
            ("references", "reference", "ref-a"),
            ("operators", "operator", "Ana"),
        ] {
            let model = json!({"type": kind, "context": {list: [key]}});
            let says = format!("unknown {what} {key:?}: check the spelling, or choose one");
            assert_says(&plugin, model, &[&says]).await;
        }
    }
}

#[tokio::test]
async fn a_lot_that_was_made_at_another_time_is_no_error_but_a_notice() {
    let (_db, plugin) = plugin().await;
    let mut ask = query("A", json!({"type": "kpi", "context": {"lots": ["LOT-1"]}}));
    ask.time_range.as_mut().expect("range").from_epoch_ms += 3 * 3_600_000;
    let answers = plugin.ask(vec![ask]).await;
    let frames = crate::support::panel::decode(&answers["A"]);
    let notice = frames[0].meta["notices"][0]["text"].as_str().unwrap_or_default();
    assert!(notice.contains("No run of this selection"), "{:?}", frames[0].meta);
}

#[tokio::test]
async fn a_reversed_time_range() {
    let (_db, plugin) = plugin().await;
    for kind in ["series", "kpi", "runs", "latest"] {
        let mut ask = query("A", json!({"type": kind}));
        let range = ask.time_range.as_mut().expect("range");
        std::mem::swap(&mut range.from_epoch_ms, &mut range.to_epoch_ms);
        let answer = plugin.failure(ask).await;
        assert!(answer.error.contains("choose an end after the start"), "{}", answer.error);
        assert_eq!((answer.status, answer.error_source.as_str()), (400, "downstream"));
    }
}

#[tokio::test]
async fn a_million_points() {
    let (_db, plugin) = plugin().await;
    for kind in ["series", "kpi"] {
        let mut ask =
            query("A", json!({"type": kind, "bucket": "1s", "place": {"quantity": "energy"}}));
        ask.time_range.as_mut().expect("range").from_epoch_ms -= 365 * 86_400_000;
        let answer = plugin.failure(ask).await;
        for part in
            ["1s buckets", "1000000 points", "choose a wider bucket, auto, or a shorter time range"]
        {
            assert!(answer.error.contains(part), "{kind}: {part:?} is not in {:?}", answer.error);
        }
    }
    // Fewer points a series, but many series.
    let source = plugin.source.clone().set("maxPoints", json!(1_000));
    let plugin = plugin.rebound(source);
    let model = json!({"type": "series", "bucket": "15m"});
    assert_eq!(plugin.frames(model).await.len(), 8);
    let model = json!({"type": "series", "bucket": "1m"});
    assert_says(
        &plugin,
        model,
        &["8 series of 240 points", "1000 points", "choose a wider bucket"],
    )
    .await;
}

#[tokio::test]
async fn a_quantity_that_nobody_measures_is_no_error_but_a_notice() {
    let (_db, plugin) = plugin().await;
    for kind in ["series", "lots", "golden", "latest", "data_quality", "anomalies"] {
        for (language, says) in [
            ("en", "No sensor of quantity smell "),
            ("es", "No hay ningún sensor de la magnitud smell "),
        ] {
            let place = json!({"quantity": "smell"});
            let model = json!({"type": kind, "place": place, "language": language});
            let frames = plugin.frames(model).await;
            let notice = frames[0].meta["notices"][0]["text"].as_str().unwrap_or_default();
            assert!(notice.starts_with(says) && notice.ends_with("POST /v1/sensors."), "{notice}");
            assert_eq!((frames.len(), frames[0].rows), (1, 0));
        }
    }
    // An alert rule that watches nothing must not be silent.
    let model = json!({"type": "latest", "place": {"quantity": "smell"}});
    let mut request = plugin.request(vec![query("A", model)]);
    request.headers.insert("http_FromAlert".to_owned(), "true".to_owned());
    let answer = plugin.host.data().query_data(request).await.expect("QueryData").into_inner();
    let told = &answer.responses["A"];
    assert!(told.error.starts_with("no sensor of quantity smell here"), "{}", told.error);
    assert_eq!(told.status, 400);
}

#[tokio::test]
async fn choices_that_make_no_sense_together() {
    let (_db, plugin) = plugin().await;
    for (model, says) in [
        (json!({"type": "series", "bucket": "fortnight"}), "use auto, whole, hour, shift, day"),
        (json!({"type": "kpi", "groupBy": "sensor"}), "choose another grouping"),
        (
            json!({"type": "series", "place": {"sensors": ["oven-temp"]}, "aggregate": "sum"}),
            "the sum over time of temperature (°C) has no meaning",
        ),
        (json!({"version": 9, "type": "kpi"}), "update the plugin"),
        (json!({"type": "pie"}), "open it in the query editor and save it again"),
    ] {
        assert_says(&plugin, model, &[says]).await;
    }
}
