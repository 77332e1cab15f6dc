//! `lotwise ingest --spool`: a real process, killed and started again, while its database is away.

use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::on_both;
use crate::support::cluster::Cluster;
use crate::support::command::{lotwise, stdout};
use crate::support::db::{Server, TestDb};
use crate::support::ingest::answer;
use crate::support::service::Service;

on_both!(
    nothing_is_lost_and_the_last_value_stays,
    a_late_write_does_not_come_after_newer_values,
    what_its_sender_took_back_in_time_is_not_written,
    what_a_former_process_left_is_stored_first,
    what_the_database_never_takes_is_set_aside_and_the_rest_goes_on,
);

fn one(second: i64, value: f64) -> Value {
    json!([{"sensor": "T1", "time": second * 1_000, "value": value}])
}

async fn nothing_is_lost_and_the_last_value_stays(server: Server) {
    let mut service = Service::new(server).await;
    service.start(&[]);
    assert_eq!(service.write("T1 value=1 60").await.status, 204);
    let stored = service.readings(one(120, 1.0)).await;
    assert_eq!(stored.body, json!({"accepted": 1, "rejected": 0, "errors": []}));
    assert!(service.segments().is_empty(), "nothing on disk while the database is there");

    service.db.stop().await;
    let spooled = service.readings(one(120, 2.0)).await;
    assert_eq!(
        (spooled.status, &spooled.body),
        (200, &json!({"accepted": 1, "spooled": 1, "rejected": 0, "errors": []})),
        "{}",
        service.log()
    );
    assert_eq!(service.write("T1 value=2 60").await.status, 204);
    assert_eq!(service.segments().len(), 1);
    service.kill();

    service.start(&[]);
    let ready = service.get("/ready").await;
    assert_eq!((ready.status, &ready.body["database"]), (200, &json!("down")), "{}", ready.text);
    assert_eq!(ready.body["spool"]["rows"], 2);
    assert_eq!(service.write("T1 value=3 60\nT2 value=3 60").await.status, 204);
    service.db.start().await;
    service.drained().await;
    // The direct way opens a moment after the last file is gone.
    while service.readings(json!([{"sensor": "T2", "time": 60_000, "value": 4}])).await.body["spooled"]
        != Value::Null
    {
        service.drained().await;
    }
    assert_eq!(service.stored().await, ["madrid/T1 60 3", "madrid/T1 120 2", "madrid/T2 60 4"]);
    let ready = service.get("/ready").await;
    assert_eq!((ready.status, &ready.body["spool"]["rows"]), (200, &json!(0)), "{}", ready.text);
}

/// The direct write waits for a lock, and the client has its answer from the spool meanwhile.
async fn a_late_write_does_not_come_after_newer_values(server: Server) {
    let mut service = Service::new(server).await;
    service.start(&["--spool-after-seconds", "1"]);
    assert_eq!(service.write("T1 value=1 60").await.status, 204);
    let mut lock = service.pool.begin().await.expect("begin");
    sqlx::query("LOCK TABLE reading IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *lock)
        .await
        .expect("lock");
    for value in [2.0, 3.0] {
        let spooled = service.readings(one(60, value)).await;
        assert_eq!(
            (spooled.status, &spooled.body["spooled"]),
            (200, &json!(1)),
            "{}",
            spooled.text
        );
    }
    lock.rollback().await.expect("rollback");
    service.drained().await;
    assert_eq!(service.stored().await, ["madrid/T1 60 3"]);
    assert!(service.log().contains("no answer within 1 s"), "{}", service.log());
}

/// A sender that goes away while its batch waits for its turn may send a newer value another way.
async fn what_its_sender_took_back_in_time_is_not_written(server: Server) {
    let mut service = Service::new(server).await;
    service.start(&["--spool-after-seconds", "100", "--writers", "1"]);
    assert_eq!(service.write("T1 value=1 60\nT2 value=1 60").await.status, 204);
    let mut lock = service.pool.begin().await.expect("begin");
    sqlx::query("LOCK TABLE reading IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *lock)
        .await
        .expect("lock");
    let waits = || async {
        let waiting = service.get("/metrics").await.text;
        let gauge =
            waiting.lines().find_map(|l| l.strip_prefix("lotwise_ingest_waiting_readings "));
        gauge.expect("the gauge").to_owned()
    };
    let (first, ()) = tokio::join!(service.write("T1 value=2 60"), async {
        let blocked = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock'
            AND application_name = 'lotwise ingest writer' AND datname = current_database()";
        while !sqlx::query_scalar::<_, bool>(blocked).fetch_one(&service.pool).await.expect("locks")
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // The first has begun, so the second is alone in the queue.
        let second = service.write("T2 value=3 60\nT2 value=3 61\nT2 value=3 62");
        let turn = async {
            while waits().await != "3" {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            answer = second => panic!("{}", answer.text),
            () = turn => {}
        }
        // Time to notice that.
        tokio::time::sleep(Duration::from_secs(1)).await;
        lock.rollback().await.expect("rollback");
    });
    assert_eq!(first.status, 204, "{}", first.text);
    assert_eq!(service.write("T1 value=4 120").await.status, 204);
    assert_eq!(service.stored().await, ["madrid/T1 60 2", "madrid/T1 120 4", "madrid/T2 60 1"]);
    assert!(service.segments().is_empty(), "{}", service.log());
}

/// SIGTERM leaves the readings on disk; a process that finds the database running drains at once,
/// and new readings wait behind the old ones.
async fn what_a_former_process_left_is_stored_first(server: Server) {
    let mut service = Service::new(server).await;
    service.start(&[]);
    assert_eq!(service.write("T1 value=1 60").await.status, 204);
    service.db.stop().await;
    assert_eq!(service.write("T1 value=2 60").await.status, 204);
    service.terminate();
    assert!(service.log().contains("readings stay in the spool"), "{}", service.log());
    assert_eq!(service.segments().len(), 1);
    service.db.start().await;
    service.start(&[]);
    assert_eq!(service.write("T1 value=3 60").await.status, 204);
    service.drained().await;
    assert_eq!(service.stored().await, ["madrid/T1 60 3"]);
}

/// A rule that somebody gave the table: two rows of a record break it, in front of other records.
async fn what_the_database_never_takes_is_set_aside_and_the_rest_goes_on(server: Server) {
    let mut service = Service::new(server).await;
    service.start(&[]);
    assert_eq!(service.write("T1 value=1 60").await.status, 204);
    sqlx::query("ALTER TABLE reading ADD CONSTRAINT plausible CHECK (value < 1000)")
        .execute(&service.pool)
        .await
        .expect("a rule");
    let line = |s: i32| format!("T1 value={} {s}\n", if s == 90 || s == 130 { 5_000 } else { s });
    let lines: String = (61..161).map(line).collect();
    assert_eq!(service.write(lines).await.status, 204, "{}", service.log());
    assert_eq!(service.write("T2 value=7 60\nT1 value=8 61").await.status, 204);
    service.drained().await;
    let stored = service.stored().await;
    assert_eq!(stored.len(), 1 + 98 + 1, "{stored:?}");
    for row in ["madrid/T2 60 7", "madrid/T1 61 8", "madrid/T1 89 89", "madrid/T1 160 160"] {
        assert!(stored.iter().any(|stored| stored == row), "{row} is missing in {stored:?}");
    }
    let file = service.spool().join("refused.jsonl");
    let text = std::fs::read_to_string(&file).expect("refused rows");
    let refused: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let times: Vec<_> = refused.iter().map(|row| row["time"].as_str()).collect();
    assert_eq!(times, [Some("1970-01-01T00:01:30Z"), Some("1970-01-01T00:02:10Z")]);
    for row in &refused {
        assert_eq!((&row["code"], &row["value"]), (&json!("refused_by_database"), &json!(5000.0)));
        assert!(row["message"].as_str().is_some_and(|m| m.contains("plausible")), "{row}");
    }
    let metrics = service.get("/metrics").await.text;
    assert!(metrics.contains("lotwise_ingest_spool_refused_rows_total 2"), "{metrics}");
    let doctor = lotwise(&["doctor", "--database-url", &service.db.url, "--spool"])
        .arg(service.spool())
        .output();
    let said = stdout(&doctor.expect("run lotwise doctor"));
    assert!(said.contains("2 readings in") && said.contains("refused.jsonl"), "{said}");
}

#[tokio::test]
async fn what_can_be_known_is_refused_at_once_and_the_rest_is_kept_for_people() {
    let mut service = Service::new(Server::Plain).await;
    let porto = service.new_key("porto only", &["porto"]).await;
    service.start(&[]);
    assert_eq!(service.write("T1 value=1 60").await.status, 204);
    let lines =
        answer(service.request_as(&porto, Method::POST, "/api/v2/write").body("T1 value=1 60"));
    assert_eq!(lines.await.status, 204);
    service.db.stop().await;

    let partial = service.write("T1 value=2 120\nT1 value=\"hot\" 180").await;
    assert_eq!((partial.status, &partial.body["line"]), (400, &json!(2)), "{}", partial.text);
    let body = json!({"readings": [
        {"plant": "madrid", "sensor": "T1", "time": 0, "value": 1},
        {"plant": "porto", "sensor": "T1", "time": 60_000, "value": 7},
        {"plant": "porto", "sensor": "T\t1", "time": 60_000, "value": 7}]});
    let mixed = answer(service.request_as(&porto, Method::POST, "/v1/readings").json(&body)).await;
    let codes: Vec<_> =
        mixed.body["errors"].as_array().expect("errors").iter().map(|e| &e["code"]).collect();
    assert_eq!(codes, ["plant_not_allowed", "bad_key"], "{}", mixed.text);
    assert_eq!(mixed.body["spooled"], 1);
    let dry = service
        .readings_to(
            "/v1/readings?dry_run=true",
            json!([
        {"sensor": "new", "time": 0, "value": 1}]),
        )
        .await;
    assert_eq!(dry.status, 503, "a dry run is not kept");
    let context = json!({"items": [{"key": "rome", "name": "R", "time_zone": "Europe/Rome"}]});
    let context =
        answer(service.request_as(&service.key, Method::POST, "/v1/plants").json(&context));
    assert!(matches!(context.await.status, 403 | 503), "context is not spooled");

    let unknown = json!([{"sensor": "T9", "time": 60_000, "value": 9},
        {"plant": "nix", "sensor": "T1", "time": 60_000, "value": 5}]);
    assert_eq!(service.readings(unknown).await.body["spooled"], 2);
    service.db.start().await;
    service.drained().await;
    assert_eq!(
        service.stored().await,
        ["madrid/T1 60 1", "madrid/T1 120 2", "porto/T1 0 1", "porto/T1 60 7"]
    );
    let held: Vec<String> = sqlx::query_scalar("SELECT sensor FROM quarantine")
        .fetch_all(&service.pool)
        .await
        .expect("quarantine");
    assert_eq!(held, ["T9"]);
    let file = service.spool().join("refused.jsonl");
    let refused = std::fs::read_to_string(&file).expect("refused rows");
    let refused: Vec<Value> =
        refused.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(refused.len(), 1);
    for (field, value) in [
        ("plant", json!("nix")),
        ("sensor", json!("T1")),
        ("time", json!("1970-01-01T00:01:00Z")),
        ("value", json!(5.0)),
        ("code", json!("unknown_plant")),
        ("key", json!("gateway")),
    ] {
        assert_eq!(refused[0][field], value);
    }
    let metrics = service.get("/metrics").await.text;
    for line in [
        "lotwise_ingest_spool_rows 0",
        "lotwise_ingest_spool_records 0",
        "lotwise_ingest_spool_oldest_age_seconds 0",
        "lotwise_ingest_spool_appended_rows_total 4",
        "lotwise_ingest_spool_drained_rows_total 4",
        "lotwise_ingest_spool_refused_rows_total 1",
        "lotwise_ingest_spool_fsync_seconds_count 3",
    ] {
        assert!(metrics.contains(line), "{line} is missing in {metrics}");
    }
}

#[tokio::test]
async fn keys_are_believed_for_a_while_and_never_against_better_knowledge() {
    let mut service = Service::new(Server::Plain).await;
    let revoked = service.new_key("revoked", &[]).await;
    let unused = service.new_key("unused", &[]).await;
    service.start(&[]);
    for key in [&service.key, &revoked] {
        assert_eq!(service.write_as(key, "T1 value=1 60").await.status, 204);
    }
    lotwise::ingest::keys::store::revoke(&service.pool, "revoked").await.expect("revoke");
    // A slow answer counts as none, and then the database is not asked for two seconds.
    while service.write_as(&revoked, "T1 value=2 60").await.status != 401 {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    service.db.stop().await;
    for _ in 0..2 {
        assert_eq!(service.write("T1 value=3 60").await.status, 204);
        assert_eq!(service.write_as(&revoked, "T1 value=4 60").await.status, 401);
        // Nobody knows whether these keys exist.
        for key in [&unused[..], "lw_nobody"] {
            let answer = service.write_as(key, "T1 value=5 60").await;
            assert_eq!(answer.status, 503, "{}", answer.text);
            assert!(answer.headers.contains_key("retry-after"));
        }
        // The second time in a process that never saw the database.
        service.kill();
        service.start(&[]);
    }
    for file in ["keys.json", "lock"] {
        let mode =
            std::fs::metadata(service.spool().join(file)).expect("file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    let known = std::fs::read_to_string(service.spool().join("keys.json")).expect("keys");
    assert!(known.contains("gateway") && !known.contains(&service.key), "no secrets");
    service.kill();
    service.start(&["--key-grace-seconds", "0"]);
    assert_eq!(service.write("T1 value=6 60").await.status, 503);
    service.db.start().await;
    service.drained().await;
    assert_eq!(service.stored().await, ["madrid/T1 60 3"]);
}

#[tokio::test]
async fn mappings_are_remembered_for_a_start_without_the_database() {
    let mut service = Service::new(Server::Plain).await;
    sqlx::query(
        "INSERT INTO sensor_mapping (plant_id, measurement, tags, field, sensor, factor, addend)
         SELECT id, 'oven', '{}', 'temp', 'T1', 2, 1 FROM plant WHERE key = 'madrid'",
    )
    .execute(&service.pool)
    .await
    .expect("a mapping");
    service.start(&[]);
    assert_eq!(service.write("oven temp=1 60").await.status, 204);
    service.db.stop().await;
    service.kill();
    service.start(&[]);
    assert_eq!(service.write("oven temp=2 120").await.status, 204);
    service.db.start().await;
    service.drained().await;
    assert_eq!(service.stored().await, ["madrid/T1 60 3", "madrid/T1 120 5"]);
}

#[tokio::test]
async fn one_process_has_the_directory() {
    let mut service = Service::new(Server::Plain).await;
    service.start(&[]);
    let said = service.second();
    let folder = service.spool().display().to_string();
    assert!(said.contains(&folder) && said.contains("in use by another process"), "{said}");
    let mode = std::fs::metadata(service.spool()).expect("directory").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[tokio::test]
async fn a_torn_end_is_cut_off_and_a_damaged_record_costs_only_itself() {
    let mut service = Service::new(Server::Plain).await;
    service.start(&[]);
    assert_eq!(service.write("T1 value=0 0").await.status, 204);
    service.db.stop().await;
    for second in 1..=5 {
        assert_eq!(service.write(format!("T1 value={second} {second}")).await.status, 204);
    }
    service.kill();
    let segments = service.segments();
    let (path, [_]) = (&segments[0], &segments[..]) else { panic!("one segment: {segments:?}") };
    let mut file = std::fs::File::options().read(true).write(true).open(path).expect("segment");
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).expect("read");
    // A bit of the third of five equally long records, and half a record at the end.
    let place = bytes.len() / 2;
    file.seek(SeekFrom::Start(place as u64)).expect("seek");
    file.write_all(&[bytes[place] ^ 0x10]).expect("damage");
    file.seek(SeekFrom::End(0)).expect("seek");
    file.write_all(&bytes[..bytes.len() / 10]).expect("half a record");
    drop(file);

    service.start(&[]);
    assert_eq!(service.write("T1 value=6 6").await.status, 204);
    service.db.start().await;
    service.drained().await;
    let expected = [0, 1, 2, 4, 5, 6].map(|second| format!("madrid/T1 {second} {second}"));
    assert_eq!(service.stored().await, expected);
    let log = service.log();
    let cut = format!("cut_off_bytes={}", bytes.len() / 10);
    assert!(log.contains(&cut) && log.contains("lost_records=1"), "{log}");
    assert!(path.with_extension("damaged").exists(), "kept for people");
    let metrics = service.get("/metrics").await.text;
    assert!(metrics.contains("lotwise_ingest_spool_damaged_records_total 1"), "{metrics}");
}

/// Five times the same instants of both sensors, each time with other values; many records are
/// stored together.
#[tokio::test]
async fn of_many_values_for_one_instant_the_last_stays() {
    let mut service = Service::new(Server::Plain).await;
    service.start(&[]);
    assert_eq!(service.write("T1 value=0 0").await.status, 204);
    service.db.stop().await;
    for round in 1..=5 {
        for start in (0..10_000).step_by(1_000) {
            let line = |second| format!("T1 value={round} {second}\nT2 value={second} {second}\n");
            let lines: String = (start..start + 1_000).map(line).collect();
            assert_eq!(service.write(lines).await.status, 204);
        }
    }
    service.db.start().await;
    service.drained().await;
    let (rows, fives, own): (i64, i64, i64) = sqlx::query_as(
        "SELECT count(*), count(*) FILTER (WHERE s.key = 'T1' AND value = 5),
             count(*) FILTER (WHERE s.key = 'T2' AND value = date_part('epoch', time))
         FROM reading r JOIN sensor s ON s.id = r.sensor_id",
    )
    .fetch_one(&service.pool)
    .await
    .expect("counts");
    assert_eq!((rows, fives, own), (20_000, 10_000, 10_000));
}

/// Writes until the answer is not a 2xx; gives the acknowledged seconds and that answer.
async fn fill(service: &Service, from: i64) -> (Vec<i64>, crate::support::ingest::Answer) {
    let mut acknowledged = Vec::new();
    for batch in 0..1_000 {
        let seconds: Vec<i64> = (0..50).map(|n| from + batch * 50 + n).collect();
        let lines: Vec<String> = seconds.iter().map(|s| format!("T1 value={s} {s}")).collect();
        let answer = service.write(lines.join("\n")).await;
        if answer.status != 204 {
            return (acknowledged, answer);
        }
        acknowledged.extend(seconds);
    }
    panic!("it never was full");
}

async fn seconds(service: &Service) -> Vec<i64> {
    sqlx::query_scalar("SELECT date_part('epoch', time)::int8 FROM reading ORDER BY time")
        .fetch_all(&service.pool)
        .await
        .expect("readings")
}

#[tokio::test]
async fn a_full_spool_is_503_until_there_is_room() {
    let mut service = Service::new(Server::Plain).await;
    service.start(&["--spool-max-bytes", "20000"]);
    assert_eq!(service.write("T1 value=0 0").await.status, 204);
    service.db.stop().await;
    let (acknowledged, full) = fill(&service, 0).await;
    assert_eq!(full.status, 503);
    assert!(full.headers.contains_key("retry-after"));
    assert!(
        full.body["message"].as_str().is_some_and(|m| m.contains("spool is full")),
        "{}",
        full.text
    );
    assert!(acknowledged.len() >= 500, "{}", acknowledged.len());
    let ready = service.get("/ready").await;
    assert_eq!(ready.status, 503, "{}", ready.text);
    let bytes: u64 =
        service.segments().iter().map(|path| std::fs::metadata(path).expect("file").len()).sum();
    assert!(bytes <= 20_000, "{bytes}");
    // Restarted, it is as full as before.
    service.kill();
    service.start(&["--spool-max-bytes", "20000"]);
    let batch: Vec<String> = (0..50).map(|n| format!("T2 value=1 {n}")).collect();
    assert_eq!(service.write(batch.join("\n")).await.status, 503);
    service.db.start().await;
    service.drained().await;
    assert_eq!(seconds(&service).await, acknowledged);
    assert_eq!(service.write("T1 value=0 0").await.status, 204);
}

/// On a file system of the process's own, which really has no space left.
#[tokio::test]
async fn a_full_disk_is_503_until_there_is_room() {
    let mut service = Service::new(Server::Plain).await;
    service.start_on_small_disk(200, &[]);
    let disk = service.small_disk();
    std::fs::write(disk.join("ballast"), vec![1; 100 * 1024]).expect("ballast");
    assert_eq!(service.write("T1 value=0 0").await.status, 204);
    service.db.stop().await;
    let (mut acknowledged, full) = fill(&service, 0).await;
    assert_eq!(full.status, 503);
    assert!(full.headers.contains_key("retry-after"));
    assert!(
        full.body["message"].as_str().is_some_and(|m| m.contains("cannot be written")),
        "{}",
        full.text
    );
    assert!(service.log().contains("No space left"), "{}", service.log());
    assert_eq!(service.get("/ready").await.status, 503);
    // Again and again: nothing half is left behind.
    for _ in 0..3 {
        let (more, _) = fill(&service, 500_000).await;
        acknowledged.extend(more);
    }
    std::fs::remove_file(disk.join("ballast")).expect("make room");
    let (more, _) = fill(&service, 1_000_000).await;
    assert!(more.len() >= 500, "{}", more.len());
    acknowledged.extend(more);
    service.db.start().await;
    service.drained_in(&disk).await;
    acknowledged.sort_unstable();
    acknowledged.dedup();
    assert_eq!(seconds(&service).await, acknowledged);
    assert_eq!(service.write("T1 value=0 0").await.status, 204);
}

/// A server that is really stopped, and clients that do not wait for each other; each goes on with
/// the same reading until it is acknowledged.
#[tokio::test]
async fn clients_do_not_notice_that_the_server_stops_and_the_service_is_killed() {
    let cluster = Cluster::start();
    let db = TestDb::migrated_at(&cluster.url, lotwise::schema::TimescaleChoice::Off).await;
    let mut service = Service::on(db).await;
    service.start(&[]);
    let mut sent = Vec::new();
    for round in 0..6_i64 {
        match round {
            1 => cluster.stop(),
            3 => service.kill(),
            4 => cluster.start_again(),
            _ => {}
        }
        if round == 3 {
            service.start(&[]);
        }
        let posts = (0..8_i64).map(|client| {
            let service = &service;
            async move {
                for n in 0..10 {
                    let second = client * 1_000 + round * 100 + n;
                    // A second value for an instant of the round before: the later one stays.
                    let lines = format!("T1 value={second} {second}\nT2 value={round} {client}");
                    let answer = service.write(lines).await;
                    assert_eq!(answer.status, 204, "round {round}: {}", answer.text);
                }
            }
        });
        futures_util::future::join_all(posts).await;
        sent.extend((0..8).flat_map(|c| (0..10).map(move |n| c * 1_000 + round * 100 + n)));
    }
    service.drained().await;
    sent.sort_unstable();
    let stored = service.stored().await;
    let t1 = sent.iter().map(|second| format!("madrid/T1 {second} {second}"));
    let t2 = (0..8).map(|client| format!("madrid/T2 {client} 5"));
    assert_eq!(stored, t1.chain(t2).collect::<Vec<_>>());
    service.terminate();
}
