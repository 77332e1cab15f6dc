//! Senders: each keeps one connection and posts its next batch when the last one is acknowledged.
//!
//! HTTP is written by hand and every request is made before the clock starts, so that the senders
//! take little from the machine that they measure.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Barrier;

/// A request with a line-protocol body.
pub fn request(key: &str, lines: &str) -> Vec<u8> {
    format!(
        "POST /api/v2/write?bucket=bench HTTP/1.1\r\nHost: bench\r\nAuthorization: Token {key}\r\n\
         Content-Type: text/plain\r\nContent-Length: {}\r\n\r\n{lines}",
        lines.len()
    )
    .into_bytes()
}

/// What a load took.
pub struct Load {
    /// From the first request to the last acknowledgement.
    pub took: Duration,
    /// Of each request, from its first byte to its acknowledgement.
    pub acknowledged: Vec<Duration>,
}

/// Sends all requests over so many connections, each as soon as its connection is free.
pub async fn send(
    address: SocketAddr,
    requests: Vec<Vec<u8>>,
    connections: usize,
) -> anyhow::Result<Load> {
    let (requests, next) = (Arc::new(requests), Arc::new(AtomicUsize::new(0)));
    let ready = Arc::new(Barrier::new(connections + 1));
    let mut senders = Vec::new();
    for _ in 0..connections {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (requests, next, ready) = (requests.clone(), next.clone(), ready.clone());
        senders.push(tokio::spawn(async move {
            ready.wait().await;
            let mut acknowledged = Vec::new();
            while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                let start = Instant::now();
                post(&mut stream, request).await?;
                acknowledged.push(start.elapsed());
            }
            anyhow::Ok(acknowledged)
        }));
    }
    ready.wait().await;
    let start = Instant::now();
    let mut acknowledged = Vec::new();
    for sender in senders {
        acknowledged.extend(sender.await??);
    }
    Ok(Load { took: start.elapsed(), acknowledged })
}

/// Anything but 204, which has no body, is an error.
async fn post(stream: &mut TcpStream, request: &[u8]) -> anyhow::Result<()> {
    stream.write_all(request).await?;
    let mut answer = Vec::with_capacity(1_024);
    while !answer.ends_with(b"\r\n\r\n") {
        let read = stream.read_buf(&mut answer).await?;
        let text = || String::from_utf8_lossy(&answer);
        let whole = answer.len() < 12 || answer.starts_with(b"HTTP/1.1 204");
        ensure!(read > 0 && whole, "a batch was not taken: {}", text());
    }
    answer.starts_with(b"HTTP/1.1 204").then_some(()).context("no answer")
}
