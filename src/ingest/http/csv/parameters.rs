//! The query's parameters to a dialect. A name that is not known is refused: a mistyped one must
//! not change what the numbers mean.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use chrono_tz::Tz;
use clap::ValueEnum;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::domain::Key;
use crate::ingest::payload::csv::{Dialect, Empty, Encoding, Layout, Sensors};
use crate::written::number::{Decimal, NumberFormat, Thousands};
use crate::written::time::{Ambiguous, Clock, Midnight};

/// How the file is written.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Parameters {
    /// Key of the plant. May be left out with a key for one plant, or where the file has a column with it.
    pub plant: Option<String>,
    /// `wide`: a column with the time and one for each sensor. `long`: columns with time, sensor and value.
    #[param(required = true)]
    layout: Option<String>,
    /// Between the fields: `,` (when left out), `;`, `|` or `tab`.
    delimiter: Option<String>,
    /// What marks decimals: `.` (when left out) or `,`.
    decimal: Option<String>,
    /// Between groups of three digits: `none` (when left out), `.`, `,`, `'` or `space`.
    thousands: Option<String>,
    /// IANA time zone of times without an offset, such as `Europe/Madrid`.
    time_zone: Option<String>,
    /// `iso` (when left out), `dmy`, `mdy`, `rfc3339`, `unix-s`, `unix-ms`, or a pattern of strftime such as `%d/%m/%Y %H:%M`.
    time_format: Option<String>,
    /// Which instant a local time is that occurs twice, when the clocks go back: `reject` (when left out), `earlier`, `later`, or `order`: the first that is later than the line before of the same sensor.
    ambiguous: Option<String>,
    /// Which day a local time of exactly 00:00 belongs to: `same-day` (when left out), or `next-day` where the file means 24:00.
    midnight: Option<String>,
    /// Seconds to add to each time, where the file stamps the start of intervals of this length; readings are stamped at the end.
    interval_start_s: Option<f64>,
    /// Column with the time, by name or as `#N`; `time` when left out.
    time_column: Option<String>,
    /// Long: column with the sensor's key; `sensor` when left out.
    sensor_column: Option<String>,
    /// Long: column with the value; `value` when left out.
    value_column: Option<String>,
    /// Long: column with the plant's key, if there is one.
    plant_column: Option<String>,
    /// Wide: goes before each header to make the sensor's key.
    prefix: Option<String>,
    /// Wide: JSON object of the columns to read and their sensors' keys, such as `{"Temp 1": "oven-T"}`; all columns when left out.
    columns: Option<String>,
    /// `true`: an empty value is no reading; else it is an error.
    skip_empty: bool,
    /// `utf-8` (when left out) or `latin-1` (also `windows-1252`).
    encoding: Option<String>,
    /// `true`: check everything and store nothing.
    pub dry_run: bool,
}

impl Parameters {
    /// The dialect, or what is wrong with the parameters.
    pub fn dialect(&self) -> Result<Dialect, String> {
        Ok(Dialect {
            layout: self.layout()?,
            delimiter: match self.delimiter.as_deref() {
                None | Some(",") => b',',
                Some(";") => b';',
                Some("|") => b'|',
                Some("tab" | "\t" | "\\t") => b'\t',
                Some(other) => return Err(unknown("delimiter", other, "one of , ; | tab")),
            },
            encoding: match self.encoding.as_deref().map(str::to_ascii_lowercase).as_deref() {
                None | Some("utf-8" | "utf8") => Encoding::Utf8,
                Some("latin-1" | "latin1" | "iso-8859-1" | "windows-1252" | "cp1252") => {
                    Encoding::Latin1
                }
                Some(other) => return Err(unknown("encoding", other, "utf-8 or latin-1")),
            },
            numbers: self.numbers()?,
            clock: self.clock()?,
            empty: if self.skip_empty { Empty::Skip } else { Empty::Reject },
        })
    }

    fn layout(&self) -> Result<Layout, String> {
        let column =
            |given: &Option<String>, usual: &str| given.as_deref().unwrap_or(usual).to_owned();
        let time = column(&self.time_column, "time");
        let of_wide = [("prefix", &self.prefix), ("columns", &self.columns)];
        let of_long = [
            ("sensor_column", &self.sensor_column),
            ("value_column", &self.value_column),
            ("plant_column", &self.plant_column),
        ];
        match self.layout.as_deref() {
            Some("wide") => {
                not_given(&of_long, "wide")?;
                Ok(Layout::Wide { time, sensors: self.sensors()? })
            }
            Some("long") => {
                not_given(&of_wide, "long")?;
                Ok(Layout::Long {
                    time,
                    sensor: column(&self.sensor_column, "sensor"),
                    value: column(&self.value_column, "value"),
                    plant: self.plant_column.clone(),
                })
            }
            Some(other) => Err(unknown("layout", other, "wide or long")),
            None => {
                Err("layout is missing: wide (a column for each sensor) or long (columns with \
                         time, sensor and value)"
                    .to_owned())
            }
        }
    }

    fn sensors(&self) -> Result<Sensors, String> {
        match (&self.columns, &self.prefix) {
            (None, prefix) => Ok(Sensors::All { prefix: prefix.clone().unwrap_or_default() }),
            (Some(_), Some(_)) => Err("columns names whole keys: leave prefix out".to_owned()),
            (Some(columns), None) => {
                let keys: BTreeMap<String, String> = serde_json::from_str(columns).map_err(|e| {
                    format!("columns is no JSON object of headers and keys, such as {{\"Temp 1\": \"oven-T\"}}: {e}")
                })?;
                for key in keys.values() {
                    Key::parse(key)
                        .map_err(|e| format!("columns: {key:?} cannot be a key: {e}"))?;
                }
                Ok(Sensors::Named(keys))
            }
        }
    }

    fn numbers(&self) -> Result<NumberFormat, String> {
        let decimal = match self.decimal.as_deref() {
            None | Some(".") => Decimal::Point,
            Some(",") => Decimal::Comma,
            Some(other) => return Err(unknown("decimal", other, ". or ,")),
        };
        let thousands = match self.thousands.as_deref() {
            None | Some("none") => Thousands::None,
            Some(".") => Thousands::Point,
            Some(",") => Thousands::Comma,
            Some("'") => Thousands::Apostrophe,
            Some("space" | " ") => Thousands::Space,
            Some(other) => return Err(unknown("thousands", other, "none or one of . , ' space")),
        };
        NumberFormat::new(decimal, thousands).map_err(|e| e.to_string())
    }

    fn clock(&self) -> Result<Clock, String> {
        let format = self.time_format.as_deref().unwrap_or("iso").parse();
        let zone = self.time_zone.as_deref().map(|zone| {
            zone.parse::<Tz>()
                .map_err(|_| unknown("time_zone", zone, "an IANA name such as Europe/Madrid"))
        });
        let shift = match self.interval_start_s {
            None => TimeDelta::zero(),
            Some(s) if s > 0.0 && s <= 31_622_400.0 => TimeDelta::microseconds((s * 1e6) as i64),
            Some(_) => return Err("interval_start_s is between 0 and 31622400 (a year)".to_owned()),
        };
        Ok(Clock {
            format: format.map_err(|e| format!("time_format: {e}"))?,
            zone: zone.transpose()?,
            midnight: choice("midnight", self.midnight.as_deref(), Midnight::SameDay)?,
            ambiguous: choice("ambiguous", self.ambiguous.as_deref(), Ambiguous::Reject)?,
            shift,
        })
    }
}

fn choice<T: ValueEnum>(name: &str, given: Option<&str>, usual: T) -> Result<T, String> {
    let Some(given) = given else { return Ok(usual) };
    T::from_str(given, false).map_err(|_| {
        let names = T::value_variants().iter().filter_map(ValueEnum::to_possible_value);
        let names: Vec<String> = names.map(|value| value.get_name().to_owned()).collect();
        unknown(name, given, &format!("one of {}", names.join(" ")))
    })
}

fn not_given(names: &[(&str, &Option<String>)], layout: &str) -> Result<(), String> {
    match names.iter().find(|(_, value)| value.is_some()) {
        Some((name, _)) => Err(format!("{name} does not apply to layout={layout}")),
        None => Ok(()),
    }
}

fn unknown(name: &str, given: &str, use_instead: &str) -> String {
    format!("unknown {name} {given:?}: use {use_instead}")
}

#[cfg(test)]
mod tests {
    use super::Parameters;

    fn wrong(query: &str) -> String {
        let parameters: Result<Parameters, _> = serde_json::from_str(query);
        parameters.expect("parameters").dialect().expect_err(query)
    }

    #[test]
    fn says_what_is_wrong() {
        for (query, says) in [
            ("{}", "layout is missing: wide"),
            (r#"{"layout":"tall"}"#, "unknown layout \"tall\": use wide or long"),
            (
                r#"{"layout":"wide","value_column":"v"}"#,
                "value_column does not apply to layout=wide",
            ),
            (r#"{"layout":"long","prefix":"v"}"#, "prefix does not apply to layout=long"),
            (r#"{"layout":"wide","delimiter":"x"}"#, "unknown delimiter"),
            (r#"{"layout":"wide","decimal":",","thousands":","}"#, "cannot be the same"),
            (r#"{"layout":"wide","time_zone":"Madrid"}"#, "an IANA name"),
            (r#"{"layout":"wide","time_format":"german"}"#, "time_format: 'german'"),
            (r#"{"layout":"wide","time_format":"%Q"}"#, "not a time pattern"),
            (r#"{"layout":"wide","ambiguous":"both"}"#, "one of order earlier later reject"),
            (r#"{"layout":"wide","midnight":"12"}"#, "one of same-day next-day"),
            (r#"{"layout":"wide","interval_start_s":-1}"#, "interval_start_s"),
            (r#"{"layout":"wide","columns":"a:b"}"#, "no JSON object"),
            (r#"{"layout":"wide","columns":"{\"a\": \"\"}"}"#, "cannot be a key"),
            (r#"{"layout":"wide","columns":"{}","prefix":"p"}"#, "leave prefix out"),
            (r#"{"layout":"wide","encoding":"ebcdic"}"#, "utf-8 or latin-1"),
        ] {
            let said = wrong(query);
            assert!(said.contains(says), "{query}: {said}");
        }
    }
}
