use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use proptest::prelude::*;

use super::{Ambiguous, Clock, Midnight, TimeError, TimeFormat};

fn clock(format: &str, zone: &str) -> Clock {
    Clock {
        format: format.parse().unwrap(),
        zone: Some(zone.parse::<Tz>().unwrap()),
        midnight: Midnight::SameDay,
        ambiguous: Ambiguous::Order,
        shift: TimeDelta::zero(),
    }
}

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn read(clock: &Clock, text: &str) -> Result<DateTime<Utc>, TimeError> {
    clock.read(text, &mut None)
}

#[test]
fn every_named_format_reads_its_own() {
    let noon = utc("2018-12-31T11:45:00Z");
    for (format, text) in [
        ("iso", "2018-12-31 12:45"),
        ("iso", "2018-12-31T12:45:00"),
        ("dmy", "31/12/2018 12:45"),
        ("dmy", "31.12.2018 12:45:00"),
        ("mdy", "12/31/2018 12:45"),
        ("rfc3339", "2018-12-31T12:45:00+01:00"),
        ("unix-s", "1546256700"),
        ("unix-ms", "1546256700000"),
        ("%Y%m%d %H%M", "20181231 1245"),
    ] {
        assert_eq!(read(&clock(format, "Europe/Madrid"), text), Ok(noon), "{format}");
        assert_eq!(
            read(&clock(format, "Europe/Madrid"), "soon"),
            Err(TimeError::Format),
            "{format}"
        );
    }
    assert!("%Q".parse::<TimeFormat>().is_err());
    assert!("german".parse::<TimeFormat>().is_err());
}

#[test]
fn midnight_can_end_the_day_that_is_written() {
    let mut clock = clock("dmy", "Asia/Seoul");
    assert_eq!(read(&clock, "1/1/2018 0:00"), Ok(utc("2017-12-31T15:00:00Z")));
    clock.midnight = Midnight::NextDay;
    assert_eq!(read(&clock, "1/1/2018 0:00"), Ok(utc("2018-01-01T15:00:00Z")));
    assert_eq!(read(&clock, "31/12/2018 00:00"), Ok(utc("2018-12-31T15:00:00Z")));
    assert_eq!(read(&clock, "1/1/2018 0:15"), Ok(utc("2017-12-31T15:15:00Z")));
}

#[test]
fn an_hour_that_occurs_twice_can_be_settled_or_rejected() {
    let mut fixed = clock("iso", "Europe/Madrid");
    fixed.ambiguous = Ambiguous::Earlier;
    assert_eq!(read(&fixed, "2026-10-25 02:30"), Ok(utc("2026-10-25T00:30:00Z")));
    fixed.ambiguous = Ambiguous::Later;
    assert_eq!(read(&fixed, "2026-10-25 02:30"), Ok(utc("2026-10-25T01:30:00Z")));
    fixed.ambiguous = Ambiguous::Reject;
    assert_eq!(read(&fixed, "2026-10-25 02:30"), Err(TimeError::Twice(Tz::Europe__Madrid)));
}

#[test]
fn a_stamp_at_the_start_of_its_interval_moves_to_the_end() {
    let mut clock = clock("iso", "UTC");
    clock.shift = TimeDelta::minutes(15);
    assert_eq!(read(&clock, "2018-01-01 00:00"), Ok(utc("2018-01-01T00:15:00Z")));
}

#[test]
fn an_offset_in_the_text_goes_before_the_time_zone() {
    let noon = utc("2018-12-31T11:45:00Z");
    for (format, text) in [
        ("iso", "2018-12-31 11:45Z"),
        ("iso", "2018-12-31T12:45:00.0+0100"),
        ("iso", "2018-12-31 12:45:00+01"),
        ("%d/%m/%Y %H:%M %z", "31/12/2018 12:45 +01:00"),
        ("%s", "1546256700"),
        ("unix-s", "1546256700.0"),
    ] {
        assert_eq!(read(&clock(format, "America/Lima"), text), Ok(noon), "{format}");
    }
}

#[test]
fn a_date_alone_is_its_midnight_and_an_hour_alone_is_full() {
    let mut clock = clock("%d/%m/%Y", "Europe/Madrid");
    assert_eq!(read(&clock, "25/10/2026"), Ok(utc("2026-10-24T22:00:00Z")));
    clock.midnight = Midnight::NextDay;
    assert_eq!(read(&clock, "25/10/2026"), Ok(utc("2026-10-25T23:00:00Z")), "a day of 25 hours");
    clock.format = "%d/%m/%Y %H".parse().unwrap();
    assert_eq!(read(&clock, "25/10/2026 7"), Ok(utc("2026-10-25T06:00:00Z")));
    assert_eq!(read(&clock, "25/10/2026 24"), Err(TimeError::Format));
}

#[test]
fn a_local_time_needs_a_zone() {
    let mut clock = clock("iso", "UTC");
    clock.zone = None;
    assert_eq!(read(&clock, "2018-12-31 11:45"), Err(TimeError::NoZone));
    assert_eq!(read(&clock, "2018-12-31 11:45Z"), Ok(utc("2018-12-31T11:45:00Z")));
}

#[test]
fn an_hour_that_the_clocks_skip_does_not_exist() {
    let clock = clock("iso", "Europe/Madrid");
    assert_eq!(read(&clock, "2026-03-29 02:30"), Err(TimeError::Skipped(Tz::Europe__Madrid)));
}

#[test]
fn order_tells_the_hours_apart_only_after_a_row() {
    let clock = clock("iso", "Europe/Madrid");
    let mut previous = None;
    let mut next = |text: &str| clock.read(text, &mut previous);
    assert_eq!(next("2026-10-25 02:30"), Ok(utc("2026-10-25T00:30:00Z")));
    assert_eq!(next("2026-10-25 02:30"), Ok(utc("2026-10-25T01:30:00Z")));
    assert_eq!(next("2026-10-25 02:30"), Err(TimeError::Twice(Tz::Europe__Madrid)));
}

proptest! {
    #[test]
    fn never_panics(
        format in prop::sample::select(vec!["iso", "dmy", "mdy", "rfc3339", "unix-s", "unix-ms", "%s", "%+", "%Y %j %H %z", "%C%y-%m-%d %I %p", "%G-W%V-%u"]),
        text in "[-+]?[0-9]{0,9}[-/. T:+Z0-9A-Z]{0,20}",
        next in any::<bool>(),
    ) {
        let mut clock = clock(format, "Europe/Madrid");
        clock.midnight = if next { Midnight::NextDay } else { Midnight::SameDay };
        clock.shift = TimeDelta::days(400_000);
        let _ = read(&clock, &text);
    }

    #[test]
    fn any_pattern_is_read_or_refused(pattern in "%[ -~]{0,12}", text in "[ -~]{0,20}") {
        if let Ok(format) = pattern.parse::<TimeFormat>() {
            let mut clock = clock("iso", "Asia/Kathmandu");
            clock.format = format;
            let _ = read(&clock, &text);
        }
    }
}
