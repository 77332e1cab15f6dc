use super::*;
use proptest::prelude::*;

fn madrid() -> Calendar {
    let shift = |key: &str, hour| ShiftStart {
        key: key.into(),
        name: key.into(),
        starts_at: NaiveTime::from_hms_opt(hour, 0, 0).unwrap(),
    };
    Calendar {
        zone: chrono_tz::Europe::Madrid,
        shifts: vec![shift("morning", 6), shift("afternoon", 14), shift("night", 22)],
    }
}

fn range(from: &str, to: &str) -> TimeRange {
    TimeRange::new(from.parse().unwrap(), to.parse().unwrap()).unwrap()
}

fn hours(edges: &[DateTime<Utc>]) -> Vec<f64> {
    edges.windows(2).map(|w| (w[1] - w[0]).num_seconds() as f64 / 3600.0).collect()
}

#[test]
fn days_of_madrid_have_23_and_25_hours_when_the_clock_changes() {
    // 2026-03-29 02:00 -> 03:00 and 2026-10-25 03:00 -> 02:00, local.
    let spring = range("2026-03-27T23:00:00Z", "2026-03-30T22:00:00Z");
    assert_eq!(hours(&madrid().edges(Bucket::Day, spring, 100).unwrap()), [24.0, 23.0, 24.0]);
    let autumn = range("2026-10-23T22:00:00Z", "2026-10-26T23:00:00Z");
    assert_eq!(hours(&madrid().edges(Bucket::Day, autumn, 100).unwrap()), [24.0, 25.0, 24.0]);
}

#[test]
fn the_night_shift_takes_the_hour_that_the_clock_skips_or_repeats() {
    let spring = range("2026-03-28T13:00:00Z", "2026-03-29T12:00:00Z");
    assert_eq!(hours(&madrid().edges(Bucket::Shift, spring, 100).unwrap()), [8.0, 7.0, 8.0]);
    let autumn = range("2026-10-24T12:00:00Z", "2026-10-25T13:00:00Z");
    let edges = madrid().edges(Bucket::Shift, autumn, 100).unwrap();
    assert_eq!(hours(&edges), [8.0, 9.0, 8.0]);
    let names: Vec<_> =
        edges[..3].iter().map(|e| madrid().shift_at(*e).unwrap().key.clone()).collect();
    assert_eq!(names, ["afternoon", "night", "morning"]);
}

#[test]
fn weeks_start_on_monday_and_count_the_changed_hour() {
    let march = range("2026-03-22T23:00:00Z", "2026-04-05T22:00:00Z");
    assert_eq!(hours(&madrid().edges(Bucket::Week, march, 100).unwrap()), [167.0, 168.0]);
}

#[test]
fn a_range_inside_a_bucket_gets_the_bucket_that_holds_it() {
    let noon = range("2026-01-15T11:00:00Z", "2026-01-15T11:30:00Z");
    for (bucket, from, to) in [
        (Bucket::Day, "2026-01-14T23:00:00Z", "2026-01-15T23:00:00Z"),
        (Bucket::Week, "2026-01-11T23:00:00Z", "2026-01-18T23:00:00Z"),
        (Bucket::Month, "2025-12-31T23:00:00Z", "2026-01-31T23:00:00Z"),
        (Bucket::Shift, "2026-01-15T05:00:00Z", "2026-01-15T13:00:00Z"),
        (Bucket::Hour, "2026-01-15T11:00:00Z", "2026-01-15T12:00:00Z"),
    ] {
        let edges = madrid().edges(bucket, noon, 10).unwrap();
        let expected: [DateTime<Utc>; 2] = [from.parse().unwrap(), to.parse().unwrap()];
        assert_eq!(edges, expected, "{bucket}");
    }
}

#[test]
fn too_many_buckets_and_missing_shifts_are_errors() {
    let year = range("2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z");
    let second = Bucket::Width(1);
    let error = madrid().edges(second, year, 1000).unwrap_err();
    assert_eq!(error, CutError::TooMany { bucket: second, limit: 1000 });
    assert!(madrid().edges(Bucket::Hour, year, 1000).is_err());
    let bare = Calendar { shifts: vec![], ..madrid() };
    assert_eq!(bare.edges(Bucket::Shift, year, 1000), Err(CutError::NoShifts));
}

#[test]
fn midnight_that_the_clock_skips_is_the_instant_of_the_skip() {
    // Chile moved from 24:00 to 01:00 on 2024-09-08.
    let chile = Calendar { zone: chrono_tz::America::Santiago, shifts: vec![] };
    let edges = chile
        .edges(Bucket::Day, range("2024-09-07T04:00:00Z", "2024-09-09T03:00:00Z"), 10)
        .unwrap();
    assert_eq!(hours(&edges), [24.0, 23.0]);
}

#[test]
fn texts_round_trip() {
    for text in ["auto", "whole", "30s", "5m", "6h", "2d", "hour", "shift", "day", "week", "month"]
    {
        assert_eq!(text.parse::<Bucket>().unwrap().to_string(), text);
    }
    for text in ["x", "0m", "-1m", "1y", "m", "99999999999s", "5é"] {
        assert!(text.parse::<Bucket>().is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn edges_ascend_and_cover_the_range(
        zone in prop::sample::select(vec![
            chrono_tz::Europe::Madrid, chrono_tz::Asia::Seoul, chrono_tz::America::Santiago,
            chrono_tz::Australia::Lord_Howe, chrono_tz::Asia::Kathmandu, chrono_tz::UTC]),
        bucket in prop::sample::select(vec![
            Bucket::Hour, Bucket::Shift, Bucket::Day, Bucket::Week, Bucket::Month,
            Bucket::Width(300), Bucket::Width(7200), Bucket::Width(172_800)]),
        from in 1_400_000_000i64..1_900_000_000, length in 1i64..5_000_000,
    ) {
        let calendar = Calendar { zone, ..madrid() };
        let range = TimeRange::from_millis(from * 1000, (from + length) * 1000).unwrap();
        let edges = calendar.edges(bucket, range, 100_000).unwrap();
        prop_assert!(edges.windows(2).all(|w| w[0] < w[1]));
        prop_assert!(edges[0] <= range.from() && edges[1] > range.from());
        prop_assert!(*edges.last().unwrap() >= range.to());
        prop_assert!(edges[edges.len() - 2] < range.to());
    }
}

#[test]
fn earlier_follows_the_wall_clock() {
    let calendar = Calendar { zone: chrono_tz::Europe::Madrid, shifts: vec![] };
    let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
    // Noon of the day after the clock went forward, and of the day before.
    let noon = at("2026-03-29T10:00:00Z");
    assert_eq!(calendar.earlier(noon, 1, 0), at("2026-03-28T11:00:00Z"));
    assert_eq!(calendar.earlier(noon, 7, 0), at("2026-03-22T11:00:00Z"));
    // The last of a month that is longer than the one before.
    assert_eq!(calendar.earlier(at("2026-03-31T10:00:00Z"), 0, 1), at("2026-02-28T11:00:00Z"));
    assert_eq!(calendar.earlier(at("2028-02-29T11:00:00Z"), 0, 12), at("2027-02-28T11:00:00Z"));
}
