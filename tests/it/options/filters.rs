//! Ad hoc filters of a dashboard, upon the filters of the query.

use serde_json::{Value, json};

use crate::answers::{Factory, both, near, some, texts};
use crate::support::db::Server;

const HOURS: (&str, &str) = ("2026-03-02T08:00:00Z", "2026-03-02T12:00:00Z");

fn with(mut query: Value, rules: &[(&str, &str, &[&str])]) -> Value {
    let rule =
        |(key, op, values): &(&str, &str, &[&str])| json!({"key": key, "op": op, "values": values});
    query["filters"] = rules.iter().map(rule).collect();
    query
}

#[tokio::test]
async fn the_dashboards_filters_come_on_top_of_the_querys() {
    both(async |server| {
        let factory = Factory::new(server, "2026-03-02T07:00:00Z", "2026-03-02T13:00:00Z").await;
        let ask = async |query: Value| factory.ask(HOURS.0, HOURS.1, query).await.remove(0);
        let lots = || json!({"type": "kpi", "groupBy": "lot", "kpis": ["energy"]});
        // Line 1 takes 2 kWh a minute, line 2 60 kW.
        let not_l1 = ask(with(lots(), &[("lot", "is_not", &["L1"])])).await;
        assert_eq!(texts(&not_l1, "lot"), ["L2"]);
        near(not_l1.numbers("energy").unwrap(), &some(&[59.5]));
        let on_m1 =
            ask(with(lots(), &[("line", "is", &["M1"]), ("lot", "matches", &["1$"])])).await;
        assert_eq!(texts(&on_m1, "lot"), ["L1"]);
        near(on_m1.numbers("energy").unwrap(), &some(&[120.0]));
        // What is left of the place when one line is filtered out.
        let lines = json!({"type": "kpi", "groupBy": "line", "kpis": ["energy"]});
        let lines = ask(with(lines, &[("line", "matches_not", &["2"])])).await;
        near(lines.numbers("energy").unwrap(), &some(&[480.0]));

        let runs = ask(with(json!({"type": "runs"}), &[("operator", "is", &["ana"])])).await;
        assert_eq!(texts(&runs, "run"), ["r1", "r3"]);
        let query = json!({"type": "lots", "lastLots": 1, "bucket": "15m", "aggregate": "sum",
            "place": {"lines": ["M1"], "quantity": "energy"}});
        let curves = ask(with(query, &[("lot", "is_not", &["L2"])])).await;
        assert_eq!(curves.fields[1].label("lot"), Some("L1"));
        let latest = ask(with(
            json!({"type": "latest"}),
            &[("quantity", "is", &["power"]), ("lot", "is", &["L1"])],
        ))
        .await;
        assert_eq!(texts(&latest, "sensor"), ["A-power", "M2-power"]);
        assert!(latest.meta.to_string().contains("no meaning for latest"), "{}", latest.meta);

        // Both must hold: the query's line and the dashboard's.
        let none = json!({"type": "kpi", "kpis": ["energy"], "place": {"lines": ["M1"]}});
        let none = ask(with(none, &[("line", "is", &["M2"])])).await;
        assert!(none.fields.is_empty(), "{none:?}");
        assert!(none.meta.to_string().contains("filter on line"), "{}", none.meta);
    })
    .await;
}

#[tokio::test]
async fn a_filter_that_is_not_understood_is_an_error_and_never_text_of_a_statement() {
    let factory = Factory::new(Server::Plain, "2026-03-02T07:00:00Z", "2026-03-02T07:10:00Z").await;
    let error = async |rule: (&str, &str, &[&str])| {
        let query = with(json!({"type": "kpi"}), &[rule]);
        factory.try_ask(HOURS.0, HOURS.1, query).await.unwrap_err().to_string()
    };
    let expression = error(("lot", "matches", &["("])).await;
    assert!(expression.contains("is no regular expression"), "{expression}");
    let operator = error(("lot", "<", &["L1"])).await;
    assert!(operator.contains("unknown variant `<`"), "{operator}");
    let key = error(("colour", "is", &["red"])).await;
    assert!(key.contains("unknown variant `colour`"), "{key}");
    let query = with(json!({"type": "kpi"}), &[("lot", "is", &["x' OR 1=1 --"])]);
    let frames = factory.ask(HOURS.0, HOURS.1, query).await;
    assert!(frames[0].fields.is_empty(), "{frames:?}");
}
