//! What memory is worst at: large bodies at once, gzip bombs, slow senders, nothing but bad rows.
//!
//! Each case ends with a small batch that has to be taken. What a service may answer to a case is
//! stored, refused as bad, or "not now"; never a 500, and never silence.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::rows;
use super::service::Service;
use super::target::Target;

/// The service's limit for a body.
const LIMIT: usize = 16 * 1024 * 1024;

/// Requests that are sent at once, and what they are.
pub struct Case {
    /// Name of the case.
    pub name: &'static str,
    connections: usize,
    request: fn(&str) -> Vec<u8>,
    /// Bytes of the request that are sent quickly; the rest trickles.
    quickly: usize,
}

/// All cases.
pub const CASES: [Case; 6] = [
    Case { name: "32 of 16 MB", connections: 32, request: largest, quickly: usize::MAX },
    Case { name: "32 gzip bombs", connections: 32, request: bomb, quickly: usize::MAX },
    Case { name: "32 of short rows", connections: 32, request: short_rows, quickly: usize::MAX },
    Case { name: "32 of bad rows", connections: 32, request: bad_rows, quickly: usize::MAX },
    Case { name: "400 of bad rows", connections: 400, request: few_bad_rows, quickly: usize::MAX },
    Case { name: "300 slow senders", connections: 300, request: largest, quickly: 100_000 },
];

/// How long slow senders go on.
const SLOWLY: Duration = Duration::from_secs(10);

impl Case {
    /// Sends the requests; gives the most memory that the service held meanwhile, in MB.
    pub async fn run(&self, service: &Service, target: &Target) -> anyhow::Result<f64> {
        service.forget_peak()?;
        let request = bytes::Bytes::from((self.request)(&target.key));
        let mut senders = Vec::new();
        for _ in 0..self.connections {
            let (address, request, quickly) = (service.address, request.clone(), self.quickly);
            senders.push(tokio::spawn(async move {
                let stream = TcpStream::connect(address).await?;
                match quickly < request.len() {
                    true => trickle(stream, &request, quickly).await.map(|()| None),
                    false => exchange(stream, &request).await.map(Some),
                }
            }));
        }
        let mut answers = std::collections::BTreeMap::new();
        for sender in senders {
            let status = sender.await?.context(self.name)?;
            ensure!(
                status.is_none_or(|s| matches!(s, 200 | 204 | 400 | 413 | 503)),
                "{}: status {status:?}",
                self.name
            );
            *answers.entry(status.map_or("given up".to_owned(), |s| s.to_string())).or_insert(0) +=
                1;
        }
        eprintln!("{}: {answers:?}", self.name);
        let small = super::client::request(&target.key, &rows::lines(0..100));
        let stream = TcpStream::connect(service.address).await?;
        let status = exchange(stream, &small).await?;
        ensure!(status == 204, "a small batch after {}: status {status}", self.name);
        service.peak_rss_mb()
    }
}

/// Sends a request and gives the answer's status. Who answers early may stop reading.
async fn exchange(stream: TcpStream, request: &[u8]) -> anyhow::Result<u16> {
    let (mut reader, mut writer) = stream.into_split();
    let mut answer = Vec::new();
    let read = async {
        // Until the first line is there; the rest does not matter.
        while !answer.contains(&b'\r') && reader.read_buf(&mut answer).await? > 0 {}
        anyhow::Ok(())
    };
    let (_, read) = tokio::join!(writer.write_all(request), read);
    read?;
    let text = String::from_utf8_lossy(&answer);
    let status = text.split(' ').nth(1).and_then(|s| s.parse().ok());
    status.with_context(|| format!("no answer: {text:?}"))
}

/// Sends the first bytes at once and then one now and then.
async fn trickle(mut stream: TcpStream, request: &[u8], quickly: usize) -> anyhow::Result<()> {
    let started = tokio::time::Instant::now();
    let (first, rest) = request.split_at(quickly);
    for part in std::iter::once(first).chain(rest.chunks(1)) {
        // The service may give up first.
        let sent = tokio::time::timeout_at(started + SLOWLY, stream.write_all(part)).await;
        if !matches!(sent, Ok(Ok(()))) || started.elapsed() > SLOWLY {
            break;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Ok(())
}

/// A body of good rows just under the limit.
fn largest(key: &str) -> Vec<u8> {
    super::client::request(key, &rows::lines(0..330_000))
}

/// Just under the limit when it is inflated, and some kilobytes before.
fn bomb(key: &str) -> Vec<u8> {
    let row = format!("plc,sensor=s0001 value=1 {}000000000\n", rows::second());
    let text = row.repeat(LIMIT / row.len());
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    // Writing to a vector cannot fail.
    let _ = encoder.write_all(text.as_bytes());
    post(key, "/api/v2/write?bucket=bench", "gzip", &encoder.finish().unwrap_or_default())
}

/// As many good rows as fit into the limit.
fn short_rows(key: &str) -> Vec<u8> {
    let text = "s0001 value=1\n".repeat(LIMIT / 14);
    post(key, "/api/v2/write?bucket=bench", "identity", text.as_bytes())
}

/// As many bad rows as fit into the limit.
fn bad_rows(key: &str) -> Vec<u8> {
    let rows = "{},".repeat(LIMIT / 3 - 10);
    let text = format!("{{\"readings\":[{}{{}}]}}", &rows);
    post(key, "/v1/readings", "identity", text.as_bytes())
}

/// Ten thousand rows of sensors that are not registered: refused, and kept.
fn few_bad_rows(key: &str) -> Vec<u8> {
    let row = |i: i64| format!("x{} value=1 {}000000000\n", i % 500, rows::second() + i / 500);
    let text: String = (0..10_000).map(row).collect();
    post(key, "/api/v2/write?bucket=bench", "identity", text.as_bytes())
}

fn post(key: &str, path: &str, encoding: &str, body: &[u8]) -> Vec<u8> {
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\n\
         Content-Encoding: {encoding}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    request
}
