//! Readings as requests, and what their answers mean.

use std::fmt::Write as _;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};

use super::ledger::Place;

/// The plant of all readings.
pub const PLANT: &str = "soak";

/// How readings travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `POST /v1/readings`.
    Json,
    /// `POST /v1/readings`, compressed.
    JsonGzip,
    /// `POST /api/v2/write`.
    Lines,
    /// `POST /api/v2/write`, compressed as Telegraf does.
    LinesGzip,
}

/// A row that must be refused, whatever becomes of the rows around it.
const BAD_LINE: &str = "not line protocol";

/// A request and what a success has to say.
pub struct Message {
    form: Form,
    body: Vec<u8>,
    rows: usize,
    /// Indexes (JSON) or line numbers of the bad rows.
    bad: Vec<usize>,
}

/// What a sender learns.
#[derive(Debug, PartialEq)]
pub enum Answer {
    /// The good rows are stored.
    Stored,
    /// Nothing is promised: send it again.
    Later,
    /// No answer, or not all of it.
    Broken,
}

impl Message {
    /// Rows in one form, with a bad row after each that is named.
    pub fn new(form: Form, rows: &[(Place, u64)], bad_after: &[usize]) -> Self {
        let (text, bad) = match form {
            Form::Json | Form::JsonGzip => json_text(rows, bad_after),
            Form::Lines | Form::LinesGzip => lines_text(rows, bad_after),
        };
        let body = match form {
            Form::JsonGzip | Form::LinesGzip => gzip(text.as_bytes()),
            Form::Json | Form::Lines => text.into_bytes(),
        };
        Self { form, body, rows: rows.len(), bad }
    }

    /// The request.
    pub fn request(&self, client: &Client, url: &str, key: &str) -> RequestBuilder {
        let request = match self.form {
            Form::Json | Form::JsonGzip => {
                client.post(format!("{url}/v1/readings")).bearer_auth(key)
            }
            Form::Lines | Form::LinesGzip => client
                .post(format!("{url}/api/v2/write?bucket={PLANT}&precision=ms"))
                .header("authorization", format!("Token {key}")),
        };
        let request = match self.form {
            Form::JsonGzip | Form::LinesGzip => request.header("content-encoding", "gzip"),
            Form::Json | Form::Lines => request,
        };
        request.body(self.body.clone())
    }

    /// What the response means.
    ///
    /// # Errors
    /// An answer that a sender with a good key must never see.
    pub async fn read(&self, response: Response) -> Result<Answer, String> {
        let status = response.status().as_u16();
        let retry_after = response.headers().contains_key("retry-after");
        let Ok(text) = response.text().await else {
            // The success was decided when its status was sent.
            return Ok(if (200..300).contains(&status) { Answer::Stored } else { Answer::Broken });
        };
        let body: Value = serde_json::from_str(&text).unwrap_or_default();
        let wrong = || Err(format!("{:?} was answered with {status} {text}", self.form));
        match (self.form, status) {
            (_, 503 | 429) if retry_after => Ok(Answer::Later),
            (Form::Lines | Form::LinesGzip, 204) if self.bad.is_empty() && text.is_empty() => {
                Ok(Answer::Stored)
            }
            (Form::Lines | Form::LinesGzip, 400) if !self.bad.is_empty() => {
                if positions(&body, "line") == self.bad { Ok(Answer::Stored) } else { wrong() }
            }
            (Form::Json | Form::JsonGzip, 200) => {
                let right = body["accepted"] == self.rows
                    && body["rejected"] == self.bad.len()
                    && positions(&body, "index") == self.bad;
                if right { Ok(Answer::Stored) } else { wrong() }
            }
            _ => wrong(),
        }
    }
}

fn positions(body: &Value, name: &str) -> Vec<usize> {
    let errors = body["errors"].as_array().into_iter().flatten();
    errors.filter_map(|error| error[name].as_u64()).map(|at| at as usize).collect()
}

fn json_text(rows: &[(Place, u64)], bad_after: &[usize]) -> (String, Vec<usize>) {
    let (mut items, mut bad) = (Vec::new(), Vec::new());
    for (index, ((sensor, time), value)) in rows.iter().enumerate() {
        // Both forms of a time.
        let time = if value % 2 == 0 {
            json!(time)
        } else {
            let time = chrono::DateTime::from_timestamp_millis(*time).expect("a time");
            json!(time.to_rfc3339())
        };
        items.push(json!({"sensor": sensor, "time": time, "value": value}));
        if bad_after.contains(&index) {
            bad.push(items.len());
            items.push(json!({"sensor": sensor, "time": time, "value": "hot"}));
        }
    }
    (json!({"plant": PLANT, "readings": items}).to_string(), bad)
}

fn lines_text(rows: &[(Place, u64)], bad_after: &[usize]) -> (String, Vec<usize>) {
    let (mut text, mut bad, mut lines) = (String::new(), Vec::new(), 0);
    for (index, ((sensor, time), value)) in rows.iter().enumerate() {
        // Both ways of naming a sensor, and both kinds of numbers.
        let _ = match value % 3 {
            0 => writeln!(text, "{sensor} value={value} {time}"),
            1 => writeln!(text, "m,sensor={sensor} value={value}i {time}"),
            _ => writeln!(text, "m,host=gateway,sensor={sensor} value={value}.0 {time}"),
        };
        lines += 1;
        if bad_after.contains(&index) {
            let _ = writeln!(text, "{BAD_LINE}");
            lines += 1;
            bad.push(lines);
        }
    }
    (text, bad)
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).expect("compress");
    encoder.finish().expect("compress")
}
