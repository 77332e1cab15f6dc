//! Bodies that are large, slow, compressed to nothing or nothing but wrong.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::on_both;
use crate::support::db::Server;
use crate::support::ingest::{Ingest, answer};

on_both!(a_body_of_many_parts_is_stored_whole);

/// More rows than one part or one transaction has.
async fn a_body_of_many_parts_is_stored_whole(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    let line = |i: i32| if i == 7_000 { "T1 nix".to_owned() } else { format!("T1 value=1 {i}") };
    // The service under test takes 100,000 bytes.
    for first in [0, 6_000] {
        let lines: Vec<_> = (first..first + 6_000).map(line).collect();
        let body = lines.join("\n");
        assert!(body.len() < 100_000);
        let answer = ingest.write(body).await;
        assert_eq!(answer.status, if first == 0 { 204 } else { 400 }, "{}", answer.text);
    }
    assert_eq!(ingest.stored().await.len(), 11_999);
    let short: Vec<_> = (0..24_000).map(|i| format!("T1 e={}", i % 10)).collect();
    let answer = ingest.write(short.join("\n")[..99_999].to_owned()).await;
    // One line in pieces: its field is not a sensor.
    assert_eq!((answer.status, &answer.body["line"]), (400, &json!(1)));
    assert!(answer.text.contains("partial write: 14286 not stored"), "{}", &answer.text[..200]);
}

#[tokio::test]
async fn many_bad_rows_are_counted_and_some_listed() {
    let ingest = Ingest::with_plants(Server::Plain).await;
    let rows = format!("{{\"readings\": [{}7]}}", "{},".repeat(15_000));
    let request = ingest.request(Method::POST, "/v1/readings").body(rows);
    let answer = answer(request).await;
    assert_eq!((answer.status, &answer.body["rejected"]), (200, &json!(15_001)));
    let errors = answer.body["errors"].as_array().expect("errors");
    assert_eq!((errors.len(), &errors[999]["index"]), (1_000, &json!(999)));
}

/// A connection that announces a body and sends a part of it; gives what comes back.
async fn slowly(ingest: &Ingest, path: &str) -> String {
    let address = ingest.url().trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.expect("connect");
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Length: 90000\r\n\r\n{{",
        ingest.key
    );
    stream.write_all(head.as_bytes()).await.expect("write");
    let mut answer = Vec::new();
    let mut buffer = [0; 1_024];
    loop {
        // One byte now and then does not extend the time.
        let _ = stream.write_all(b" ").await;
        let read = tokio::time::timeout(Duration::from_millis(200), stream.read(&mut buffer)).await;
        match read {
            Err(_) => {}
            Ok(Ok(n)) if n > 0 => answer.extend_from_slice(&buffer[..n]),
            Ok(_) => break,
        }
        if String::from_utf8_lossy(&answer).contains("within 3 s") {
            break;
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_body_that_does_not_come_is_given_up() {
    let mut ingest = Ingest::with_plants(Server::Plain).await;
    ingest.restart(|args| args.body_seconds = 3).await;
    let (json, lines, quick) = tokio::join!(
        slowly(&ingest, "/v1/readings"),
        slowly(&ingest, "/api/v2/write?bucket=madrid"),
        ingest.write("T1 value=1 60"),
    );
    assert_eq!(quick.status, 204, "others go on meanwhile");
    assert!(json.starts_with("HTTP/1.1 408") && json.contains("body_slow"), "{json}");
    // Telegraf would drop what is answered by 408.
    assert!(lines.starts_with("HTTP/1.1 413") && lines.contains("request too large"), "{lines}");
}

#[tokio::test]
async fn a_stranger_s_body_is_not_kept() {
    let ingest = Ingest::with_plants(Server::Plain).await;
    let large = "T1 value=1 60\n".repeat(50_000);
    let request = ingest.anonymous(Method::POST, "/api/v2/write?bucket=madrid").body(large);
    let answer = answer(request).await;
    assert_eq!((answer.status, &answer.body["code"]), (401, &json!("unauthorized")));
}
