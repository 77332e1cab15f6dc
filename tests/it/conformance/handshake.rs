//! How the plugin starts, refuses to start, and stops.

use std::process::Output;

use crate::support::host::{Address, Launch, MAGIC_COOKIE};
use crate::support::panel::PLUGIN;

async fn output(launch: Launch) -> Output {
    launch.spawn().expect("spawn").wait_with_output().await.expect("wait")
}

#[tokio::test]
async fn says_one_handshake_line_with_a_unix_socket() {
    let mut child = Launch::new(PLUGIN).spawn().expect("spawn");
    let stdout = child.stdout.take().expect("stdout");
    let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(stdout));
    let line = lines.next_line().await.expect("read").expect("a line");
    let fields: Vec<&str> = line.split('|').collect();
    let ["1", "2", "unix", socket, "grpc"] = fields[..] else { panic!("{line}") };
    assert!(std::path::Path::new(socket).exists(), "{socket}");
    child.kill().await.expect("kill");
    assert_eq!(lines.next_line().await.expect("read"), None, "nothing but the handshake");
}

#[tokio::test]
async fn refuses_to_run_without_the_magic_cookie() {
    let wrong = Launch::new(PLUGIN).env(MAGIC_COOKIE.0, "backend");
    for launch in [wrong, Launch::new(PLUGIN).env_remove(MAGIC_COOKIE.0)] {
        let output = output(launch).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{output:?}");
        assert!(said.contains("this is a Grafana plugin"), "{said}");
        assert!(said.contains("buutech-lotwise-datasource"), "{said}");
        assert!(output.stdout.is_empty(), "no handshake");
    }
}

#[tokio::test]
async fn refuses_another_protocol_version() {
    let output = output(Launch::new(PLUGIN).env("PLUGIN_PROTOCOL_VERSIONS", "1,3")).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{output:?}");
    assert!(said.contains(r#""1,3""#) && said.contains("this plugin speaks 2"), "{said}");
    assert!(output.stdout.is_empty(), "no handshake");
}

#[tokio::test]
async fn accepts_a_list_of_protocol_versions_that_holds_its_own() {
    let launch = Launch::new(PLUGIN).env("PLUGIN_PROTOCOL_VERSIONS", "1,2");
    let host = launch.start().await.expect("start");
    assert_eq!(host.handshake().protocol_version, 2);
}

#[tokio::test]
async fn stops_through_the_controller_and_leaves_nothing_behind() {
    let host = Launch::new(PLUGIN).start().await.expect("start");
    let Address::Unix(socket) = host.handshake().address.clone() else { panic!("a unix socket") };
    // An open stream, as Grafana always has one, must not hold the plugin up.
    let _stdio = host.stdio().await.expect("stdio");
    let stopped = host.stop().await.expect("stop");
    assert!(!stopped.killed && stopped.answered, "{stopped:?}");
    assert_eq!(stopped.status.code(), Some(0), "{stopped:?}");
    assert!(!socket.parent().expect("folder").exists(), "{}", socket.display());
}
