//! docs/node-red in a Node-RED from npm.

use std::path::Path;
use std::process::{Command, Stdio};

use super::{Program, assert_unbroken, left_out, log_of, log_to, register, values, wait_for};
use crate::support::db::Server;
use crate::support::ingest::Ingest;

#[tokio::test]
async fn messages_become_readings_and_nothing_is_lost_while_the_database_is_away() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node-red");
    if !folder.join("node_modules/node-red").is_dir() {
        let what = "no packages: run `npm ci --omit=optional --prefix tests/node-red`, or docs/node-red does not run in Node-RED";
        return left_out("LOTWISE_REQUIRE_NODE_RED", what);
    }
    let temporary = tempfile::tempdir().expect("a folder");
    let log = temporary.path().join("node-red.log");
    let ingest = Ingest::with_plants(Server::Timescale).await;
    register(&ingest, &["extruder.sequence"]).await;
    let (out, err) = log_to(&log);
    let mut node = Command::new("node");
    node.arg(folder.join("run.mjs")).arg("docs/node-red/mqtt-to-lotwise.json");
    node.current_dir(env!("CARGO_MANIFEST_DIR"));
    node.env("LOTWISE_URL", ingest.url()).env("LOTWISE_KEY", &ingest.key);
    node.env("LOTWISE_PLANT", "madrid").env("TMPDIR", temporary.path());
    node.stdin(Stdio::piped()).stdout(out).stderr(err);
    let _node = Program(node.spawn().expect("start node"));
    let stored = async || values(&ingest, "extruder.sequence").await;
    wait_for("the first readings", &log, async || stored().await.len() > 20).await;
    // The other number is of a sensor that is not registered: it waits, and stops nothing.
    let held = ingest.get("/v1/quarantine?plant=madrid&limit=1").await;
    assert_eq!(held.body["items"][0]["sensor"], "extruder.temperature", "{}", held.text);
    assert_eq!(held.body["items"][0]["value"], 64.5, "{}", held.text);

    ingest.db.stop().await;
    let published = || log_of(&log).matches("published").count();
    let before = published();
    wait_for("an outage of 100 messages", &log, async || published() > before + 100).await;
    ingest.db.start().await;
    let news = published();
    wait_for("news after the outage", &log, async || {
        stored().await.last().is_some_and(|last| *last as usize > news)
    })
    .await;
    assert_unbroken(&stored().await, &log);
}
