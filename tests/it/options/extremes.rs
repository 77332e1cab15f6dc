//! The least and greatest reading of each bucket beside the mean.

use lotwise::frame::Frame;
use serde_json::{Value, json};

use crate::answers::{Factory, both, near, some};
use crate::support::db::Server;

const YEAR: (&str, &str) = ("2025-06-01T00:00:00Z", "2026-06-01T00:00:00Z");
const HOURS: (&str, &str) = ("2026-03-02T08:00:00Z", "2026-03-02T12:00:00Z");

/// A year of one thermometer, once a minute: 100 and 110 by turns, and 250 in one single minute.
const READINGS: &str = "
SELECT lotwise.ensure_partitions('2025-06-01', '2026-06-01');
INSERT INTO lotwise.reading
SELECT t, CASE WHEN t = '2025-11-05T13:37:00Z' THEN 250 ELSE 100 + 10 * (date_part('minute', t)::int % 2) END, 1, 5
FROM generate_series('2025-06-01T00:00:00Z'::timestamptz, '2026-06-01T00:00:00Z', '1 min') t
";

fn heat() -> Value {
    json!({"type": "series", "extremes": true, "place": {"sensors": ["A-temp"]}})
}

fn greatest(values: &[Option<f64>]) -> (usize, f64) {
    let known = values.iter().enumerate().filter_map(|(i, v)| Some((i, (*v)?)));
    known.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap()
}

#[tokio::test]
async fn a_spike_of_one_minute_in_a_year_is_still_on_the_screen() {
    both(async |server| {
        // A reading of another year; those of the year follow.
        let factory = Factory::new(server, "2026-08-01T00:00:00Z", "2026-08-01T00:00:00Z").await;
        sqlx::raw_sql(READINGS).execute(&factory.pool).await.unwrap();
        let check = |frame: &Frame, source: &str| {
            assert_eq!(frame.meta["custom"]["source"], source);
            // 1,000 points of a year: half a day each.
            assert_eq!(frame.meta["custom"]["bucket"], "12h");
            let (mean, least, most) = (
                frame.numbers("value").unwrap(),
                frame.numbers("min").unwrap(),
                frame.numbers("max").unwrap(),
            );
            let (at, spike) = greatest(most);
            assert_eq!(spike, 250.0);
            // The mean does not show it: 145 more for one of 720 minutes.
            let (same, flat) = greatest(mean);
            assert_eq!(same, at);
            assert!((flat - (105.0 + 145.0 / 720.0)).abs() < 0.02, "{flat}");
            let others = most.iter().enumerate().filter(|(i, _)| *i != at);
            assert!(others.flat_map(|(_, v)| v).all(|v| *v == 110.0));
            assert!(least.iter().flatten().all(|v| *v == 100.0));
            assert_eq!(least.len(), most.len());
            assert!(most.len() > 700 && most.len() <= 1_000);
        };
        let ask = async || factory.ask(YEAR.0, YEAR.1, heat()).await.remove(0);
        let raw = ask().await;
        check(&raw, "hours");
        factory.roll_up().await;
        let rolled = ask().await;
        check(&rolled, "hours");
        for name in ["value", "min", "max"] {
            near(rolled.numbers(name).unwrap(), raw.numbers(name).unwrap());
        }
    })
    .await;
}

#[tokio::test]
async fn the_band_is_drawn_around_the_mean_and_only_where_it_means_something() {
    let factory = Factory::new(Server::Plain, "2026-03-02T07:00:00Z", "2026-03-02T13:00:00Z").await;
    let mut query = heat();
    query["bucket"] = "1h".into();
    let frame = factory.ask(HOURS.0, HOURS.1, query.clone()).await.remove(0);
    near(frame.numbers("value").unwrap(), &some(&[105.0; 4]));
    near(frame.numbers("min").unwrap(), &some(&[100.0; 4]));
    near(frame.numbers("max").unwrap(), &some(&[110.0; 4]));
    let arrow = frame.clone().into_arrow("A").unwrap();
    let decoded = crate::support::frame::Decoded::read(&arrow);
    let [_, mean, least, most] = &decoded.columns[..] else { panic!("{decoded:?}") };
    assert_eq!(mean.config["displayNameFromDS"], "A temperature");
    assert_eq!(least.config["displayNameFromDS"], "A temperature (min)");
    assert_eq!(most.config["custom"]["fillBelowTo"], "A temperature (min)");
    assert_eq!(most.config["custom"]["hideFrom"]["legend"], true);
    assert_eq!(most.config["unit"], "celsius");
    assert_eq!(most.labels["extreme"], "max");
    assert!(!mean.labels.contains_key("extreme"));

    // Amounts of a meter have no extremes, nor has a sum of powers.
    let without = async |place: Value, group: &str| {
        let query = json!({"type": "series", "extremes": true, "bucket": "1h", "place": place, "groupBy": group});
        let frames = factory.ask(HOURS.0, HOURS.1, query).await;
        assert!(frames.iter().all(|f| f.fields.len() == 2), "{frames:?}");
    };
    without(json!({"sensors": ["M1-energy"]}), "none").await;
    without(json!({"quantity": "power"}), "plant").await;
    query["aggregate"] = "max".into();
    assert_eq!(factory.ask(HOURS.0, HOURS.1, query).await[0].fields.len(), 2);
}
