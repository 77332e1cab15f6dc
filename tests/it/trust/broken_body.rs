//! A request whose sending side ends before its body does, while its sender still listens: what a
//! proxy or a half-closed connection leaves.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::db::Server;
use crate::support::ingest::{Ingest, answer};

/// Status and head of the answer to a request that ends here.
async fn cut_short(ingest: &Ingest, path: &str, framing: &str, body: &[u8]) -> String {
    let host = ingest.url().trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).await.expect("connect");
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {}\r\n{framing}\r\n\r\n",
        ingest.key
    );
    stream.write_all(head.as_bytes()).await.expect("write");
    stream.write_all(body).await.expect("write");
    stream.shutdown().await.expect("end of sending");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    answer
}

#[tokio::test]
async fn a_body_that_is_cut_short_is_to_be_sent_again() {
    let ingest = Ingest::with_plants(Server::Plain).await;
    let lines = b"T1 value=1 60\nT1 value=2 12";
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&lines.repeat(20)).expect("compress");
    let gzip = encoder.finish().expect("compress");
    let chunk = [b"1c\r\n".as_slice(), lines].concat();
    for path in ["/api/v2/write?bucket=madrid&precision=s", "/v1/readings", "/v1/lines"] {
        for (framing, body) in [
            ("Content-Length: 500", lines.as_slice()),
            ("Content-Length: 500\r\nContent-Encoding: gzip", &gzip[..gzip.len() / 2]),
            ("Content-Length: 500\r\nContent-Encoding: gzip", &gzip[..5]),
            ("Transfer-Encoding: chunked", chunk.as_slice()),
        ] {
            let answer = cut_short(&ingest, path, framing, body).await;
            assert!(answer.starts_with("HTTP/1.1 503"), "{path} {framing}: {answer}");
            assert!(answer.contains("\r\nretry-after: "), "{answer}");
        }
    }
    assert!(ingest.stored().await.is_empty(), "half a body is no body");
}

#[tokio::test]
async fn a_damaged_body_is_the_senders_fault() {
    let ingest = Ingest::with_plants(Server::Plain).await;
    let gzip = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0x4b];
    for body in [gzip.to_vec(), b"not gzip at all".to_vec()] {
        let request = ingest
            .request(Method::POST, "/api/v2/write?bucket=madrid")
            .header("content-encoding", "gzip")
            .body(body);
        assert_eq!(answer(request).await.status, 400);
    }
    let malformed = cut_short(
        &ingest,
        "/api/v2/write?bucket=madrid",
        "Transfer-Encoding: chunked",
        b"zz\r\nT1 value=1",
    )
    .await;
    assert!(malformed.starts_with("HTTP/1.1 400"), "{malformed}");
}
