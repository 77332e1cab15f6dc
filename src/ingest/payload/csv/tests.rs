use chrono::TimeDelta;
use chrono_tz::Tz;
use proptest::prelude::*;

use super::{Dialect, Empty, Encoding, File, FileError, Layout, Sensors};
use crate::written::number::{Decimal, NumberFormat, Thousands};
use crate::written::time::{Ambiguous, Clock, Midnight};

fn wide() -> Dialect {
    Dialect {
        layout: Layout::Wide {
            time: "time".to_owned(),
            sensors: Sensors::All { prefix: String::new() },
        },
        delimiter: b',',
        encoding: Encoding::Utf8,
        numbers: NumberFormat::new(Decimal::Point, Thousands::None).expect("format"),
        clock: Clock {
            format: "iso".parse().expect("format"),
            zone: Some(Tz::UTC),
            midnight: Midnight::SameDay,
            ambiguous: Ambiguous::Reject,
            shift: TimeDelta::zero(),
        },
        empty: Empty::Reject,
    }
}

fn long() -> Dialect {
    let column = str::to_owned;
    let layout = Layout::Long {
        time: column("time"),
        sensor: column("sensor"),
        value: column("value"),
        plant: None,
    };
    Dialect { layout, ..wide() }
}

/// What is in a file: `line:column plant sensor second value`, or the reason.
fn shown(body: &[u8], dialect: &Dialect, most: usize) -> Vec<String> {
    let mut file = File::open(body, dialect).expect("a header");
    let mut all = Vec::new();
    while let Some(block) = file.next_block(most) {
        let mut texts = vec![String::new(); block.places.len()];
        for row in &block.parsed.rows {
            let plant = row.plant.as_deref().unwrap_or("-");
            let second = row.time.micros() / 1_000_000;
            texts[row.position] = format!("{plant} {} {second} {}", row.sensor, row.value.get());
        }
        for error in &block.parsed.errors {
            texts[error.position] = format!("{}: {}", error.reason.code(), error.reason);
        }
        all.extend(block.places.iter().zip(texts).map(|(place, text)| {
            let column = place.column.map_or("-".to_owned(), |column| column.to_string());
            format!("{}:{column} {text}", place.line)
        }));
    }
    all
}

fn refused(body: &[u8], dialect: &Dialect) -> FileError {
    File::open(body, dialect).expect_err("no header")
}

#[test]
fn a_wide_file_has_a_reading_in_each_cell() {
    let body = b"\xef\xbb\xbftime,T1, \"T 2\" ,\r\n1970-01-01 00:01,1.5,-2,\r\n\r\n1970-01-01T00:02:00Z,\"3\",4e1\r\n,,,\r\n";
    let expected = ["2:2 - T1 60 1.5", "2:3 - T 2 60 -2", "4:2 - T1 120 3", "4:3 - T 2 120 40"];
    // However it is cut into blocks.
    for most in [1, 2, 3, 100] {
        let body =
            String::from_utf8_lossy(body).replace(" \"T 2\" ", "\"T 2\"").replace("4e1", "4e1,");
        assert_eq!(shown(body.as_bytes(), &wide(), most), expected);
    }
}

#[test]
fn a_spanish_spreadsheet_is_read() {
    let mut dialect = wide();
    dialect.delimiter = b';';
    dialect.encoding = Encoding::Latin1;
    dialect.numbers = NumberFormat::new(Decimal::Comma, Thousands::Point).expect("format");
    dialect.clock.format = "%d/%m/%Y %H:%M".parse().expect("format");
    dialect.clock.zone = Some(Tz::Europe__Madrid);
    let keys = [("Temperatura (\u{b0}C)", "oven-T"), ("#3", "L1-E")];
    dialect.layout = Layout::Wide {
        time: "Fecha".to_owned(),
        sensors: Sensors::Named(keys.map(|(h, k)| (h.to_owned(), k.to_owned())).into()),
    };
    let body = b"Fecha;Temperatura (\xb0C);Energ\xeda;Nota\r\n\
        1/3/2026 7:00;181,5;10.450,25;ma\xf1ana \x80\r\n\
        01/03/2026 07:01;18.5;10450;\r\n";
    assert_eq!(
        shown(body, &dialect, 9),
        [
            "2:3 - L1-E 1772344800 10450.25",
            "2:2 - oven-T 1772344800 181.5",
            "3:3 - L1-E 1772344860 10450",
            "3:2 not_a_number: value '18.5' has thousands separators that do not stand between groups of three digits",
        ]
    );
}

#[test]
fn a_long_file_has_a_reading_in_each_line() {
    let mut dialect = long();
    dialect.layout = Layout::Long {
        time: "time".to_owned(),
        sensor: "tag".to_owned(),
        value: "value".to_owned(),
        plant: Some("site".to_owned()),
    };
    let body =
        b"site,tag,value,unit,time\nporto,T1,1,C,1970-01-01 00:01\n,T2,2,C,1970-01-01 00:01\n";
    assert_eq!(shown(body, &dialect, 9), ["2:3 porto T1 60 1", "3:3 - T2 60 2"]);
}

#[test]
fn bad_lines_keep_their_numbers_and_good_ones_stay() {
    let body = b"time,sensor,value\n1970-01-01 00:01,a,1\nsoon,b,1\n1970-01-01 00:01,c,hot\n\
        1970-01-01 00:01,d,1,5\n1970-01-01 00:01,e\n\"open,f,1\n1970-01-01 00:01,g,NaN\n\
        1970-01-01 00:01,h,\n1870-01-01 00:01,i,1\n1970-01-01 00:01,\xff,1\n\"1970-01-01 00:01\",j,\"2\"\n";
    insta::assert_snapshot!(shown(body, &long(), 4).join("\n"), @r#"
    2:3 - a 60 1
    3:1 malformed: time 'soon' is not a time in the given format
    4:3 not_a_number: value 'hot' is not a number
    5:- malformed: the line has 4 fields, but the header has 3: are delimiter and decimal right?
    6:- malformed: the line has 2 fields, but the header has 3: are delimiter and decimal right?
    7:- malformed: a quote is not closed; texts with line breaks cannot be read
    8:3 not_finite: value 'NaN' is not a finite number
    9:3 empty_value: the value is empty: skip_empty=true leaves it out
    10:1 time_out_of_range: the time is not between the years 1970 and 2100: check its unit (JSON: milliseconds; line protocol: see `precision`)
    11:2 malformed: the text is not UTF-8; encoding=latin-1 may be right
    12:3 - j 60 2
    "#);
    let mut skip = long();
    skip.empty = Empty::Skip;
    assert!(!shown(body, &skip, 4).iter().any(|line| line.starts_with("9:")));
}

#[test]
fn hours_that_clocks_skip_or_repeat() {
    let body =
        b"time,sensor,value\n2026-03-29 02:30,a,1\n2026-10-25 02:30,a,2\n2026-10-25 02:30,b,3\n\
        2026-10-25 02:30,a,4\n2026-10-25 02:30,b,5\n2026-10-25 02:30,b,6\n";
    let with = |ambiguous| {
        let mut dialect = long();
        dialect.clock.zone = Some(Tz::Europe__Madrid);
        dialect.clock.ambiguous = ambiguous;
        shown(body, &dialect, 100).join("\n")
    };
    insta::assert_snapshot!(with(Ambiguous::Reject), @r#"
    2:1 time_skipped: time '2026-03-29 02:30' does not exist in Europe/Madrid: the clocks go forward over it
    3:1 time_ambiguous: time '2026-10-25 02:30' occurs twice in Europe/Madrid, when the clocks go back; `ambiguous` says which is meant: earlier, later or order
    4:1 time_ambiguous: time '2026-10-25 02:30' occurs twice in Europe/Madrid, when the clocks go back; `ambiguous` says which is meant: earlier, later or order
    5:1 time_ambiguous: time '2026-10-25 02:30' occurs twice in Europe/Madrid, when the clocks go back; `ambiguous` says which is meant: earlier, later or order
    6:1 time_ambiguous: time '2026-10-25 02:30' occurs twice in Europe/Madrid, when the clocks go back; `ambiguous` says which is meant: earlier, later or order
    7:1 time_ambiguous: time '2026-10-25 02:30' occurs twice in Europe/Madrid, when the clocks go back; `ambiguous` says which is meant: earlier, later or order
    "#);
    insta::assert_snapshot!(with(Ambiguous::Order), @r#"
    2:1 time_skipped: time '2026-03-29 02:30' does not exist in Europe/Madrid: the clocks go forward over it
    3:3 - a 1792888200 2
    4:3 - b 1792888200 3
    5:3 - a 1792891800 4
    6:3 - b 1792891800 5
    7:1 time_ambiguous: time '2026-10-25 02:30' occurs twice in Europe/Madrid, when the clocks go back; `ambiguous` says which is meant: earlier, later or order
    "#);
    assert!(with(Ambiguous::Earlier).contains("5:3 - a 1792888200 4"));
    assert!(with(Ambiguous::Later).contains("5:3 - a 1792891800 4"));
}

#[test]
fn order_goes_on_from_block_to_block() {
    let mut dialect = wide();
    dialect.clock.zone = Some(Tz::Europe__Madrid);
    dialect.clock.ambiguous = Ambiguous::Order;
    let body = b"time,a\n2026-10-25 02:30,1\n2026-10-25 02:00,2\n2026-10-25 02:30,3\n";
    assert_eq!(
        shown(body, &dialect, 1),
        ["2:2 - a 1792888200 1", "3:2 - a 1792890000 2", "4:2 - a 1792891800 3"]
    );
}

#[test]
fn a_column_without_a_name_must_be_empty() {
    let body = b"time,a,\n1970-01-01 00:01,1,\n1970-01-01 00:02,2,7\n";
    assert_eq!(
        shown(body, &wide(), 9),
        ["2:2 - a 60 1", "3:2 - a 120 2", "3:3 malformed: the column has no name in the header"]
    );
}

#[test]
fn files_that_cannot_be_read_say_why() {
    for body in [&b""[..], b"\n\r\n\n", b"\xef\xbb\xbf", b",,\n"] {
        assert_eq!(refused(body, &wide()), FileError::Empty);
    }
    assert_eq!(refused(b"\xff\xfet\0", &wide()), FileError::Utf16);
    assert_eq!(refused(b"time,Energ\xeda\n", &wide()), FileError::NotUtf8);
    assert_eq!(refused(b"time,\"a\n", &wide()), FileError::OpenQuote);
    assert_eq!(refused(b"time,a,a\n", &wide()), FileError::Twice("a".to_owned()));
    assert_eq!(
        refused(b"time,sensor,value,value\n", &long()),
        FileError::Twice("value".to_owned())
    );
    assert_eq!(refused(b"time\n", &wide()), FileError::NoSensors);
    let columns = format!("time{}\n", ",a".repeat(super::MAX_COLUMNS));
    assert_eq!(refused(columns.as_bytes(), &wide()), FileError::TooManyColumns);
    insta::assert_snapshot!(refused(b"Zeit;a;b\n", &wide()), @r#"there is no column "time"; the file has: "Zeit;a;b" (is the delimiter right?)"#);
}

fn any_dialect() -> impl Strategy<Value = Dialect> {
    let formats = ["iso", "dmy", "unix-s", "%d/%m/%Y %H:%M"];
    (any::<[bool; 6]>(), prop::sample::select(formats.to_vec())).prop_map(|(flags, format)| {
        let [is_long, semicolon, latin, comma, skip, order] = flags;
        let mut dialect = if is_long { long() } else { wide() };
        dialect.delimiter = if semicolon { b';' } else { b',' };
        dialect.encoding = if latin { Encoding::Latin1 } else { Encoding::Utf8 };
        let decimal = if comma { Decimal::Comma } else { Decimal::Point };
        dialect.numbers = NumberFormat::new(decimal, Thousands::Space).expect("format");
        dialect.empty = if skip { Empty::Skip } else { Empty::Reject };
        dialect.clock.format = format.parse().expect("format");
        dialect.clock.zone = Some(Tz::Europe__Madrid);
        dialect.clock.ambiguous = if order { Ambiguous::Order } else { Ambiguous::Later };
        dialect
    })
}

proptest! {
    #[test]
    fn never_panics(dialect in any_dialect(), body in prop::collection::vec(any::<u8>(), 0..200), most in 1..9usize) {
        if File::open(&body, &dialect).is_ok() {
            shown(&body, &dialect, most);
        }
    }

    #[test]
    fn never_panics_on_almost_files(dialect in any_dialect(), rest in "[-a-c,;.\"\r\n0-9/: T\u{e9}]{0,120}", most in 1..9usize) {
        let delimiter = char::from(dialect.delimiter);
        let body = format!("time{delimiter}sensor{delimiter}value\n{rest}");
        shown(body.as_bytes(), &dialect, most);
    }

    #[test]
    fn a_good_line_survives_any_neighbours(before in "[^\n]{0,40}", after in "[^\n]{0,40}", most in 1..9usize) {
        let body = format!("time,sensor,value\n{before}\n1970-01-01 00:01,good,42\n{after}\n");
        let all = shown(body.as_bytes(), &long(), most);
        prop_assert!(all.contains(&"3:3 - good 60 42".to_owned()), "{all:?}");
    }

    #[test]
    fn what_is_written_is_read_again(
        cells in prop::collection::vec((0..4_000_000_000i64, "[a-z \",;é']{1,8}", -1e9..1e9f64), 1..20),
        most in 1..9usize,
    ) {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(["time", "sensor", "value"]).expect("write");
        let mut expected = Vec::new();
        let mut dialect = long();
        dialect.clock.format = "unix-s".parse().expect("format");
        for (line, (second, sensor, value)) in cells.iter().enumerate() {
            writer.write_record([&second.to_string(), sensor, &value.to_string()]).expect("write");
            expected.push(format!("{}:3 - {} {second} {value}", line + 2, sensor.trim()));
        }
        let body = writer.into_inner().expect("text");
        prop_assert_eq!(shown(&body, &dialect, most), expected);
    }
}
