//! Mappings from line protocol to sensors, with lines as Telegraf's plugins write them.

use lotwise::ingest::keys::Scope;
use lotwise::ingest::mapping::store::Mappings;
use reqwest::Method;
use serde_json::{Value, json};

use super::on_both;
use crate::support::db::Server;
use crate::support::ingest::{Answer, Ingest, answer as send};

on_both!(
    lines_of_telegrafs_plugins_find_their_sensors,
    mappings_are_changed_listed_and_deleted,
    what_is_known_stays_in_use_without_the_database,
);

/// Input plugins modbus, opcua, mqtt_consumer and snmp, in this order.
const LINES: &str = r#"modbus,host=gateway,name=oven,slave_id=1,type=holding_register temperature=1815i,energy=1045050i 60
opcua,host=gateway,id=ns\=3;s\=Press.Power Power=12.5,Quality="OK (0x0)" 60
mqtt_consumer,host=gateway,topic=plant/line1/press/temperature value=64.5 60
snmp,agent_host=10.0.0.5,host=gateway upsOutputPower=1200i 60
T1 value=20 60
"#;

async fn with_mappings(server: Server) -> Ingest {
    let ingest = Ingest::with_plants(server).await;
    let sensors = ["oven.temperature", "oven.energy", "press.power", "press.temperature", "ups"];
    let sensors: Vec<_> = sensors
        .iter()
        .map(|key| json!({"plant": "madrid", "key": key, "name": key, "quantity": "temperature", "unit": "°C", "kind": "gauge"}))
        .collect();
    ingest.create("sensors", json!(sensors)).await;
    ingest
        .create("mappings", json!([
            // Registers in tenths and hundredths.
            {"plant": "madrid", "measurement": "modbus", "sensor": "{tag:name}.{field}", "factor": 0.01},
            {"plant": "madrid", "measurement": "modbus", "field": "temperature", "sensor": "{tag:name}.{field}", "factor": 0.1, "offset": -1.5},
            {"plant": "madrid", "measurement": "opcua", "tags": {"id": "ns=3;s=Press.Power"}, "field": "Power", "sensor": "press.power"},
            {"plant": "madrid", "measurement": "opcua", "field": "Quality", "sensor": null},
            {"plant": "madrid", "tags": {"topic": "plant/line1/press/temperature"}, "sensor": "press.temperature"},
            {"plant": "madrid", "measurement": "snmp", "tags": {"agent_host": "10.0.0.5"}, "field": "upsOutputPower", "sensor": "ups", "factor": 0.001}]))
        .await;
    ingest
}

async fn test(ingest: &Ingest, lines: &str, key: &str) -> Answer {
    let path = "/v1/mappings/test?bucket=madrid&precision=s";
    send(ingest.anonymous(Method::POST, path).bearer_auth(key).body(lines.to_owned())).await
}

async fn lines_of_telegrafs_plugins_find_their_sensors(server: Server) {
    let ingest = with_mappings(server).await;
    let key = ingest.key.clone();
    let tested = test(&ingest, LINES, &key).await;
    assert_eq!(tested.status, 200, "{}", tested.text);
    let shown: Vec<_> = tested.body["fields"]
        .as_array()
        .expect("fields")
        .iter()
        .map(|f| {
            format!(
                "{} {} {} {} {}",
                f["line"], f["field"], f["sensor"], f["value"], f["registered"]
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            r#"1 "temperature" "oven.temperature" 180.0 true"#,
            r#"1 "energy" "oven.energy" 10450.5 true"#,
            r#"2 "Power" "press.power" 12.5 true"#,
            r#"2 "Quality" null null false"#,
            r#"3 "value" "press.temperature" 64.5 true"#,
            r#"4 "upsOutputPower" "ups" 1.2 true"#,
            r#"5 "value" "T1" 20.0 true"#,
        ]
    );
    assert_eq!(
        tested.body["fields"][2]["mapping"],
        json!({"measurement": "opcua", "tags": {"id": "ns=3;s=Press.Power"}, "field": "Power"})
    );
    assert_eq!(tested.body["fields"][6]["mapping"], Value::Null);
    assert!(ingest.stored().await.is_empty(), "a test stores nothing");
    let written = ingest.write(LINES).await;
    assert_eq!(written.status, 204, "{}", written.text);
    assert_eq!(
        ingest.stored().await,
        [
            "madrid/T1 60 20",
            "madrid/oven.energy 60 10450.5",
            "madrid/oven.temperature 60 180",
            "madrid/press.power 60 12.5",
            "madrid/press.temperature 60 64.5",
            "madrid/ups 60 1.2"
        ]
    );
    // A key that cannot be one, a sensor that is missing, and another plant without mappings.
    let odd = ingest
        .write("modbus,name=o\\ x,slave_id=1 f=1 60\nmodbus,slave_id=1 f=1 60\nmodbus,plant=porto,name=oven,sensor=T1 value=7 60\nmodbus,name=oven temperature=1e999 60")
        .await;
    let codes: Vec<_> = odd.body["errors"]
        .as_array()
        .expect("errors")
        .iter()
        .map(|e| (&e["line"], &e["code"]))
        .collect();
    let (unknown, infinite) = (json!("unknown_sensor"), json!("not_finite"));
    assert_eq!(
        codes,
        [(&json!(1), &unknown), (&json!(2), &unknown), (&json!(4), &infinite)],
        "{}",
        odd.text
    );
    let held = ingest.get("/v1/quarantine").await;
    let held: Vec<_> =
        held.body["items"].as_array().expect("items").iter().map(|i| &i["sensor"]).collect();
    assert_eq!(held, [&json!("modbus.f"), &json!("o x.f")], "kept under the mapped key");
    assert!(ingest.stored().await.contains(&"porto/T1 60 7".to_owned()));
}

async fn mappings_are_changed_listed_and_deleted(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    assert_eq!(ingest.write("plc temp=100 60").await.status, 400);
    let one = |sensor: Value| json!({"plant": "madrid", "measurement": "plc", "tags": {"b": "2", "a": "1"}, "field": "temp", "sensor": sensor});
    let mut scaled = one(json!("T1"));
    scaled["factor"] = json!(0.5);
    ingest.create("mappings", json!([scaled])).await;
    // In use at once, and only for lines with both tags.
    assert_eq!(
        ingest.write("plc,a=1,b=2 temp=100 60\nplc,a=1 temp=100 120").await.body["line"],
        json!(2)
    );
    assert_eq!(ingest.stored().await, ["madrid/T1 60 50"]);
    // What is left out stays, null is the usual.
    ingest.create("mappings", json!([one(json!("E1"))])).await;
    let listed = ingest.get("/v1/mappings?plant=madrid").await;
    let mut expected = scaled.clone();
    expected["sensor"] = json!("E1");
    expected["offset"] = json!(0);
    assert_eq!(listed.body["items"], json!([expected]), "{}", listed.text);
    let mut plain = one(json!("E1"));
    plain["factor"] = Value::Null;
    ingest.create("mappings", json!([plain])).await;
    assert_eq!(ingest.write("plc,a=1,b=2 temp=100 180").await.status, 204);
    assert_eq!(ingest.stored().await, ["madrid/E1 180 100", "madrid/T1 60 50"]);
    for (item, says) in [
        (json!({"plant": "madrid", "measurement": "x"}), "sensor is missing"),
        (json!({"plant": "madrid", "sensor": "{machine}"}), "unknown place {machine}"),
        (json!({"plant": "madrid", "sensor": ""}), "must not be empty"),
        (json!({"plant": "madrid", "sensor": "T1", "factor": 0}), "factor is 0"),
        (json!({"plant": "madrid", "sensor": "T1", "measurement": ""}), "measurement"),
        (json!({"plant": "madrid", "sensor": "T1", "tags": {"a": "x\u{0}"}}), "control characters"),
        (json!({"plant": "madrid", "sensor": "T1", "tags": {"a": 1}}), "expected a string"),
        (json!({"plant": "nowhere", "sensor": "T1"}), "unknown plant"),
    ] {
        let (_, message) = ingest.refuse("mappings", item.clone()).await;
        assert!(message.contains(says), "{item}: {message}");
    }
    let delete = |query: &str| {
        let path = format!("/v1/mappings?plant=madrid&measurement=plc&field=temp{query}");
        send(ingest.request(Method::DELETE, &path))
    };
    assert_eq!(delete("").await.body, json!({"deleted": 0}), "its tags are a part of its key");
    assert_eq!(delete("&tags=[]").await.status, 400);
    let tags = "&tags=%7B%22a%22:%221%22,%22b%22:%222%22%7D";
    assert_eq!(delete(tags).await.body, json!({"deleted": 1}));
    assert_eq!(ingest.write("plc,a=1,b=2 temp=100 240").await.status, 400);
}

async fn what_is_known_stays_in_use_without_the_database(server: Server) {
    let ingest = with_mappings(server).await;
    assert_eq!(ingest.write(LINES).await.status, 204);
    let mappings = Mappings::new(ingest.pool.clone());
    assert!(mappings.current().await.expect("mappings").of("madrid").is_some());
    let unasked = Mappings::new(ingest.pool.clone());
    ingest.db.stop().await;
    assert!(unasked.current().await.is_err(), "never known: nothing to fall back on");
    mappings.changed();
    let known = mappings.current().await.expect("what is known");
    assert!(known.of("madrid").is_some() && known.of("porto").is_none());
    let answer = ingest.write(LINES).await;
    assert_eq!((answer.status, answer.headers.contains_key("retry-after")), (503, true));
    ingest.db.start().await;
    assert_eq!(ingest.write(LINES.replace(" 60\n", " 120\n")).await.status, 204);
    let pool = ingest.db.pool().await;
    let count: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM reading WHERE time = 'epoch'::timestamptz + interval '2 min'",
    )
    .fetch_one(&pool)
    .await
    .expect("count");
    assert_eq!(count, 6);
}

#[tokio::test]
async fn a_key_maps_and_sees_only_its_own_plants() {
    let ingest = with_mappings(Server::Plain).await;
    let porto = ingest.new_key("porto", &[Scope::Readings, Scope::Context], &["porto"], None).await;
    let as_porto = |method: Method, path: &str| ingest.anonymous(method, path).bearer_auth(&porto);
    let listed = send(as_porto(Method::GET, "/v1/mappings")).await;
    assert_eq!(listed.body["items"], json!([]), "{}", listed.text);
    let item = json!({"items": [{"plant": "madrid", "sensor": "T1"}]});
    let posted = send(as_porto(Method::POST, "/v1/mappings").json(&item)).await;
    assert_eq!(posted.body["errors"][0]["code"], "plant_not_allowed", "{}", posted.text);
    assert_eq!(send(as_porto(Method::DELETE, "/v1/mappings?plant=madrid")).await.status, 403);
    assert_eq!(test(&ingest, LINES, &porto).await.status, 403);
    let line = "modbus,plant=madrid,name=oven energy=1 60\nT1 value=1 60\n";
    let tested = send(as_porto(Method::POST, "/v1/mappings/test").body(line)).await;
    assert_eq!(tested.body["errors"][0]["code"], "plant_not_allowed", "{}", tested.text);
    assert_eq!(tested.body["fields"][0]["plant"], "porto");
    assert_eq!(tested.body["fields"][0]["registered"], true);
    let readings = ingest.new_key("readings", &[Scope::Readings], &[], None).await;
    let denied = ingest.anonymous(Method::POST, "/v1/mappings").bearer_auth(&readings).json(&item);
    assert_eq!(send(denied).await.body["code"], "scope_missing");
}
