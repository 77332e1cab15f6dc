//! Filters and grouping by shift and machine state, and what is made of states.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::answers::{Factory, both, near, some, texts};
use crate::support::db::Server;

/// Machine A's states on 2 March; runs that the afternoon cuts.
const CONTEXT: &str = "
SET search_path = lotwise;
INSERT INTO state (plant_id, line_id, machine_id, state, started_at, ended_at) VALUES
  (1, 1, 1, 'running', '2026-03-02T08:00:00Z', '2026-03-02T09:00:30Z'),
  (1, 1, 1, 'idle',    '2026-03-02T09:00:30Z', '2026-03-02T10:00:00Z'),
  (1, 1, 1, 'setup',   '2026-03-02T10:00:00Z', '2026-03-02T10:15:00Z'),
  (1, 1, 1, 'running', '2026-03-02T10:15:00Z', '2026-03-02T11:00:00Z'),
  (1, 1, 1, 'off',     '2026-03-02T11:00:00Z', '2026-03-02T12:00:00Z');
INSERT INTO run (plant_id, key, line_id, lot_id, started_at, ended_at, good_units)
VALUES (1, 'r5', 2, 2, '2026-03-02T12:30:00Z', '2026-03-02T13:30:00Z', 40);
";
const MORNING: (&str, &str) = ("2026-03-02T08:00:00Z", "2026-03-02T12:00:00Z");
/// An hour of the night, the morning from 05:00Z to 13:00Z, an hour of the afternoon.
const SHIFTS: (&str, &str) = ("2026-03-02T04:00:00Z", "2026-03-02T14:00:00Z");

async fn factory(server: Server) -> Factory {
    let factory = Factory::new(server, "2026-03-02T03:00:00Z", "2026-03-02T15:00:00Z").await;
    sqlx::raw_sql(CONTEXT).execute(&factory.pool).await.unwrap();
    factory
}

/// Figures of a column by another column.
#[track_caller]
fn by(frame: &lotwise::frame::Frame, key: &str, figure: &str) -> Vec<(String, Option<f64>)> {
    let mut rows: Vec<_> =
        texts(frame, key).into_iter().zip(frame.numbers(figure).unwrap().to_vec()).collect();
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    rows
}

#[track_caller]
fn are(got: &[(String, Option<f64>)], want: &[(&str, Option<f64>)]) {
    let (keys, got): (Vec<&str>, Vec<Option<f64>>) =
        got.iter().map(|(k, v)| (k.as_str(), *v)).unzip();
    let (names, want): (Vec<&str>, Vec<Option<f64>>) = want.iter().copied().unzip();
    assert_eq!(keys, names);
    near(&got, &want);
}

#[tokio::test]
async fn shifts_divide_energy_and_units_at_their_edges() {
    both(async |server| {
        let factory = factory(server).await;
        let ask = async |query: Value| factory.ask(SHIFTS.0, SHIFTS.1, query).await.remove(0);
        // The main meter takes 4 kWh a minute. Run r5 lies half in the morning and half after it.
        let table = ask(json!({"type": "kpi", "groupBy": "shift"})).await;
        let energy =
            [("afternoon", Some(240.0)), ("morning", Some(1920.0)), ("night", Some(240.0))];
        are(&by(&table, "shift", "energy"), &energy);
        let units = [("afternoon", Some(20.0)), ("morning", Some(210.0)), ("night", Some(0.0))];
        are(&by(&table, "shift", "good_units"), &units);
        assert_eq!(texts(&table, "name")[0], "Morning");

        let some_shifts = json!({"type": "kpi", "context": {"shifts": ["night", "afternoon"]}});
        near(ask(some_shifts).await.numbers("energy").unwrap(), &some(&[480.0]));
        // What no line accounts for is that of the same time.
        let lines =
            ask(json!({"type": "kpi", "groupBy": "line", "context": {"shifts": ["morning"]}}));
        let want = [("", Some(480.0)), ("M1", Some(960.0)), ("M2", Some(480.0))];
        are(&by(&lines.await, "line", "energy"), &want);
        // Runs in a shift: half an hour of r5 at 60 kW, and half its units.
        let runs = json!({"type": "kpi", "groupBy": "lot", "context": {"shifts": ["afternoon"]}});
        let runs = ask(runs).await;
        are(&by(&runs, "lot", "energy"), &[("", Some(210.0)), ("L2", Some(30.0))]);
        are(&by(&runs, "lot", "good_units"), &[("", None), ("L2", Some(20.0))]);

        let query = json!({"type": "series", "bucket": "2h", "groupBy": "shift", "aggregate": "sum",
            "place": {"sensors": ["M2-power"]}, "context": {"shifts": ["morning"]}});
        let frames = factory.ask(SHIFTS.0, SHIFTS.1, query).await;
        assert_eq!(frames.len(), 1);
        assert_eq!(frames[0].fields[1].label("shift"), Some("morning"));
        // Buckets of two hours from the plant's midnight, 23:00Z: 03:00Z to 05:00Z and so on.
        let want = [None, Some(120.0), Some(120.0), Some(120.0), Some(120.0), None];
        near(frames[0].numbers("value").unwrap(), &want);
    })
    .await;
}

#[tokio::test]
async fn the_night_shift_has_nine_hours_when_the_clock_goes_back() {
    let factory = Factory::new(Server::Plain, "2026-10-24T00:00:00Z", "2026-10-26T00:00:00Z").await;
    let nights =
        json!({"type": "kpi", "place": {"lines": ["M2"]}, "context": {"shifts": ["night"]}});
    let table = factory.ask("2026-10-24T12:00:00Z", "2026-10-25T13:00:00Z", nights).await;
    near(table[0].numbers("energy").unwrap(), &some(&[9.0 * 60.0]));
}

#[tokio::test]
async fn states_divide_the_energy_of_machines_and_the_rest_is_unallocated() {
    both(async |server| {
        let factory = factory(server).await;
        let ask = async |query: Value| factory.ask(MORNING.0, MORNING.1, query).await.remove(0);
        // A takes 0.5 kWh a minute; the main meter counts 960 kWh.
        let table = ask(json!({"type": "kpi", "groupBy": "state"})).await;
        let want = [
            ("", Some(840.0)),
            ("idle", Some(29.75)),
            ("off", Some(30.0)),
            ("running", Some(52.75)),
            ("setup", Some(7.5)),
        ];
        are(&by(&table, "state", "energy"), &want);
        assert!(table.numbers("good_units").unwrap().iter().all(Option::is_none));
        assert!(table.meta.to_string().contains("Units belong to runs"), "{}", table.meta);

        let running =
            json!({"type": "kpi", "groupBy": "machine", "context": {"states": ["running"]}});
        are(&by(&ask(running).await, "machine", "energy"), &[("A", Some(52.75))]);
        // The run r1 from 08:00:30 on, of which A ran to the end.
        let both =
            json!({"type": "kpi", "context": {"states": ["running", "setup"], "lots": ["L1"]}});
        near(ask(both).await.numbers("energy").unwrap(), &some(&[30.0]));

        let query = json!({"type": "series", "bucket": "1h", "groupBy": "state",
            "place": {"quantity": "power"}, "context": {"states": ["running", "idle"]}});
        let frames = factory.ask(MORNING.0, MORNING.1, query).await;
        let of = |state: &str| {
            let found = frames.iter().find(|f| f.fields[1].label("state") == Some(state));
            found.unwrap().numbers("value").unwrap().to_vec()
        };
        near(&of("running"), &[Some(30.0), Some(30.0), Some(30.0), None]);
        near(&of("idle"), &[None, Some(30.0), None, None]);
    })
    .await;
}

#[tokio::test]
async fn availability_is_running_time_over_time_that_is_not_off() {
    both(async |server| {
        let factory = factory(server).await;
        let ask = async |query: Value| factory.ask(MORNING.0, MORNING.1, query).await;
        let kpis = json!(["availability", "machine_hours"]);
        // Running for 105.5 minutes of 180 in which A is not off.
        for group in ["none", "plant", "line", "machine"] {
            let query =
                json!({"type": "kpi", "kpis": kpis, "groupBy": group, "place": {"lines": ["M1"]}});
            let table = ask(query).await.remove(0);
            near(table.numbers("availability").unwrap(), &some(&[105.5 / 180.0]));
            near(table.numbers("machine_hours").unwrap(), &some(&[4.0]));
        }
        let hourly = json!({"type": "kpi", "kpis": ["availability"], "bucket": "1h"});
        let frames = ask(hourly).await;
        let want = [Some(1.0), Some(0.5 / 60.0), Some(0.75), None];
        near(frames[0].numbers("value").unwrap(), &want);
        // While R1 was made A ran; of the 29.75 minutes of R2 the last 15.
        let lots = json!({"type": "kpi", "kpis": kpis, "groupBy": "reference"});
        let lots = ask(lots).await.remove(0);
        let want = [("R1", Some(1.0)), ("R2", Some(15.0 / 29.75))];
        are(&by(&lots, "reference", "availability"), &want);
        // Line 2 has no machine.
        let none = json!({"type": "kpi", "kpis": kpis, "place": {"lines": ["M2"]}});
        let none = ask(none).await.remove(0);
        near(none.numbers("availability").unwrap(), &[None]);
        assert!(none.meta.to_string().contains("POST /v1/states"), "{}", none.meta);
    })
    .await;
}

#[tokio::test]
async fn shifts_and_states_of_any_kind_add_up_to_the_meter() {
    both(async |server| {
        let factory = Factory::new(server, "2026-03-20T00:00:00Z", "2026-04-02T00:00:00Z").await;
        // In force from the day on which the clock goes forward, so some time has none.
        sqlx::raw_sql(
            r#"INSERT INTO lotwise.tariff (plant_id, key, name, valid_from, periods, calendar) VALUES
               (1, 't', 'T', '2026-03-29',
                '[{"period": "P1", "price_per_kwh": 0.3}, {"period": "P2", "price_per_kwh": 0.1}]',
                '[{"from": "02:30", "to": "09:15", "period": "P2"}, {"period": "P1"}]')"#,
        )
        .execute(&factory.pool)
        .await
        .unwrap();
        let mut rng = StdRng::seed_from_u64(4_226);
        for _ in 0..8 {
            sqlx::raw_sql("DELETE FROM lotwise.state; DELETE FROM lotwise.shift")
                .execute(&factory.pool)
                .await
                .unwrap();
            // Around the night in which the clock goes forward.
            let start = 1_774_656_000 + rng.random_range(-90_000..90_000_i64);
            let end = start + rng.random_range(3_600..150_000);
            let mut time = start - rng.random_range(-5_000..50_000_i64);
            while time < end {
                let lasts = rng.random_range(1..30_000);
                let state = ["running", "idle", "setup", "stopped", "off"][rng.random_range(0..5)];
                sqlx::query(
                    "INSERT INTO lotwise.state (plant_id, line_id, machine_id, state, started_at, ended_at)
                     VALUES (1, 1, 1, $1, to_timestamp($2::bigint), to_timestamp($3::bigint))",
                )
                .bind(state)
                .bind(time)
                .bind(time + lasts)
                .execute(&factory.pool)
                .await
                .unwrap();
                time += lasts + [0, rng.random_range(1..9_000)][rng.random_range(0..2)];
            }
            let shifts: Vec<String> = (0..rng.random_range(1..5)).map(|i| format!("s{i}")).collect();
            for (i, shift) in shifts.iter().enumerate() {
                let minute = i as i32 * 300 + rng.random_range(0..300);
                sqlx::query(
                    "INSERT INTO lotwise.shift (plant_id, key, name, starts_at)
                     VALUES (1, $1, $1, time '00:00' + make_interval(mins => $2))",
                )
                .bind(shift)
                .bind(minute)
                .execute(&factory.pool)
                .await
                .unwrap();
            }
            let text = |t: i64| chrono::DateTime::from_timestamp(t, 0).unwrap().to_rfc3339();
            let (from, to) = (text(start), text(end));
            let energy = async |query: Value| -> f64 {
                let frame = factory.ask(&from, &to, query).await.remove(0);
                frame.numbers("energy").map_or(0.0, |v| v.iter().flatten().sum())
            };
            let whole = energy(json!({"type": "kpi"})).await;
            let expected = (end - start) as f64 / 60.0 * 4.0;
            near(&[Some(whole)], &[Some(expected)]);
            for group in ["state", "shift", "line", "machine", "tariff_period"] {
                let sum = energy(json!({"type": "kpi", "groupBy": group})).await;
                near(&[Some(sum)], &[Some(whole)]);
            }
            let (mut by_filter, mut lines, mut states) = (0.0, 0.0, 0.0);
            for shift in &shifts {
                let context = json!({"shifts": [shift]});
                by_filter += energy(json!({"type": "kpi", "context": context})).await;
                lines += energy(json!({"type": "kpi", "groupBy": "line", "context": context})).await;
                states += energy(json!({"type": "kpi", "groupBy": "state", "context": context})).await;
            }
            near(&[Some(by_filter), Some(lines), Some(states)], &[Some(whole); 3]);
        }
    })
    .await;
}

#[tokio::test]
async fn a_shift_or_state_that_does_not_exist_is_an_error_that_names_those_that_do() {
    let factory = factory(Server::Plain).await;
    let error = async |query: Value| {
        factory.try_ask(MORNING.0, MORNING.1, query).await.unwrap_err().to_string()
    };
    let shift = error(json!({"type": "kpi", "context": {"shifts": ["dawn"]}})).await;
    assert!(shift.contains("choose one of afternoon, morning, night"), "{shift}");
    let state = error(json!({"type": "kpi", "context": {"states": ["broken"]}})).await;
    assert!(state.contains("use running, idle"), "{state}");
    let lots = error(json!({"type": "lots", "context": {"states": ["idle"]}})).await;
    assert!(lots.contains("lots queries cannot be filtered by shift or state"), "{lots}");
    sqlx::query("DELETE FROM lotwise.shift").execute(&factory.pool).await.unwrap();
    let none = error(json!({"type": "series", "groupBy": "shift"})).await;
    assert!(none.contains("POST /v1/shifts"), "{none}");
}
