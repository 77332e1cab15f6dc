//! One snapshot a saved query: what the plan says of itself, and the statements with their parameters, in
//! the order in which they are sent; one more of the catalog, which comes first. The same on each kind of database.

use std::fmt::Write;
use std::sync::{Arc, Mutex};

use lotwise::db::STATEMENTS;
use serde_json::{Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::answers::Factory;
use crate::support::db::Server;

/// Saved queries with the name of their snapshot. The factory is that of [`crate::answers`].
fn saved() -> Vec<(&'static str, Value)> {
    let power = json!({"lines": ["M1"], "quantity": "power"});
    vec![
        ("kpi_of_a_plant", json!({"type": "kpi"})),
        ("kpi_by_line", json!({"type": "kpi", "groupBy": "line"})),
        ("kpi_by_reference", json!({"type": "kpi", "groupBy": "reference"})),
        ("kpi_by_hour", json!({"type": "kpi", "kpis": ["energy"], "bucket": "hour"})),
        (
            "kpi_by_day_and_line",
            json!({"type": "kpi", "kpis": ["energy"], "bucket": "day", "groupBy": "line"}),
        ),
        ("kpi_cost", json!({"type": "kpi", "kpis": ["cost", "co2"]})),
        (
            "kpi_availability",
            json!({"type": "kpi", "kpis": ["availability"], "groupBy": "machine"}),
        ),
        ("kpi_by_state", json!({"type": "kpi", "kpis": ["energy"], "groupBy": "state"})),
        ("kpi_by_shift", json!({"type": "kpi", "kpis": ["energy"], "groupBy": "shift"})),
        (
            "kpi_of_a_lot",
            json!({"type": "kpi", "place": {"lines": ["M1"]}, "context": {"lots": ["L1"]}}),
        ),
        (
            "kpi_of_an_operator_in_a_shift",
            json!({"type": "kpi", "context": {"operators": ["ana"], "shifts": ["morning"]}}),
        ),
        (
            "kpi_with_the_period_before",
            json!({"type": "kpi", "kpis": ["energy"], "compare": "previous"}),
        ),
        (
            "kpi_with_another_lot",
            json!({"type": "kpi", "kpis": ["energy"], "context": {"lots": ["L1"]}, "compare": "lots", "compareLots": ["L2"]}),
        ),
        ("kpi_top", json!({"type": "kpi", "kpis": ["energy"], "groupBy": "reference", "top": 1})),
        (
            "kpi_filtered",
            json!({"type": "kpi", "kpis": ["energy"], "filters": [{"key": "reference", "op": "matches", "values": ["^R"]}]}),
        ),
        (
            "kpi_alert",
            json!({"type": "kpi", "kpis": ["energy"], "groupBy": "line", "format": "alert"}),
        ),
        ("series", json!({"type": "series", "place": power})),
        (
            "series_by_plant",
            json!({"type": "series", "place": {"quantity": "power"}, "groupBy": "plant", "bucket": "15m"}),
        ),
        (
            "series_with_extremes",
            json!({"type": "series", "place": power, "bucket": "1h", "extremes": true}),
        ),
        ("series_as_they_are", json!({"type": "series", "place": power, "aggregate": "raw"})),
        (
            "series_of_a_reference",
            json!({"type": "series", "place": power, "context": {"references": ["R1"]}, "bucket": "5m"}),
        ),
        (
            "series_while_running",
            json!({"type": "series", "place": power, "context": {"states": ["running"]}, "bucket": "5m"}),
        ),
        ("lots", json!({"type": "lots", "place": power, "context": {"lots": ["L1", "L2"]}})),
        (
            "lots_newest",
            json!({"type": "lots", "place": power, "lastLots": 2, "align": "progress"}),
        ),
        ("runs", json!({"type": "runs"})),
        ("runs_as_annotations", json!({"type": "runs", "format": "annotations"})),
        ("demand", json!({"type": "demand"})),
        ("states", json!({"type": "states"})),
        ("states_lots", json!({"type": "states", "groupBy": "lot"})),
        ("latest", json!({"type": "latest"})),
        ("data_quality", json!({"type": "data_quality"})),
        ("anomalies", json!({"type": "anomalies"})),
        ("abnormal_runs", json!({"type": "abnormal_runs"})),
        ("golden", json!({"type": "golden", "place": power})),
        ("baseline", json!({"type": "baseline", "bucket": "day"})),
        ("spc_of_runs", json!({"type": "spc", "kpis": ["energy"]})),
        (
            "spc_of_a_sensor",
            json!({"type": "spc", "spc": {"subject": "sensor"}, "place": power, "bucket": "1h"}),
        ),
    ]
}

/// What is sent to the database.
#[derive(Clone, Default)]
struct Sent(Arc<Mutex<String>>);

impl<S: Subscriber> Layer<S> for Sent {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == STATEMENTS {
            event.record(&mut Fields(&mut self.0.lock().unwrap()));
        }
    }
}

struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_str(&mut self, _: &Field, sql: &str) {
        writeln!(self.0, "\n{sql}\n").unwrap();
    }

    fn record_debug(&mut self, _: &Field, params: &dyn std::fmt::Debug) {
        write!(self.0, "{params:?}").unwrap();
    }
}

/// What is sent while something is done.
async fn sent<T>(work: impl Future<Output = T>) -> (T, String) {
    let sent = Sent::default();
    let _guard =
        tracing::subscriber::set_default(tracing_subscriber::registry().with(sent.clone()));
    let done = work.await;
    let text = std::mem::take(&mut *sent.0.lock().unwrap());
    (done, text)
}

/// The query, what its frames say of the plan, and what was sent after the catalog's statement.
async fn told(factory: &Factory, query: &Value) -> String {
    let ask = factory.try_ask("2026-03-02T08:00:00Z", "2026-03-02T12:00:00Z", query.clone());
    let (answered, sent_for_it) = sent(ask).await;
    let mut told = format!("{query}\n");
    match answered {
        Err(error) => writeln!(told, "error: {error}").unwrap(),
        Ok(frames) => {
            for frame in frames {
                for part in ["type", "custom", "notices"] {
                    if let Some(value) = frame.meta.get(part) {
                        writeln!(told, "{part}: {value}").unwrap();
                    }
                }
            }
        }
    }
    let catalog = catalog(factory).await;
    let rest = sent_for_it.strip_prefix(&catalog).expect("the catalog is read before all else");
    told + rest
}

/// The statement that reads the catalog, which the plugin keeps for some seconds.
async fn catalog(factory: &Factory) -> String {
    let (read, sent) = sent(lotwise::catalog::load(&factory.plugin, &[], &[])).await;
    read.expect("catalog");
    sent
}

async fn factory(server: Server) -> Factory {
    let factory = Factory::new(server, "2026-03-02T07:00:00Z", "2026-03-02T13:00:00Z").await;
    sqlx::raw_sql(
        "INSERT INTO lotwise.state (plant_id, line_id, machine_id, state, started_at, ended_at)
         VALUES (1, 1, 1, 'running', '2026-03-02T08:00:00Z', '2026-03-02T11:00:00Z');
         ANALYZE",
    )
    .execute(&factory.pool)
    .await
    .unwrap();
    factory.roll_up().await;
    factory
}

#[tokio::test]
async fn saved_queries_become_these_statements() {
    let timescale = factory(Server::Timescale).await;
    insta::assert_snapshot!("the_catalog", catalog(&timescale).await);
    let others = [factory(Server::Plain).await, factory(Server::Tsl).await];
    for (name, query) in saved() {
        let told_by_timescale = told(&timescale, &query).await;
        for other in &others {
            assert_eq!(told(other, &query).await, told_by_timescale, "{name}");
        }
        insta::assert_snapshot!(name, told_by_timescale);
    }
}
