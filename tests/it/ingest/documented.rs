//! The commands in docs/ingest.md give the answers that are printed beside them.

use std::process::Command;

use crate::support::db::Server;
use crate::support::ingest::Ingest;

#[tokio::test]
async fn the_documented_commands_work() {
    let ingest = Ingest::start(Server::Timescale).await;
    let text = include_str!("../../../docs/ingest.md");
    let mut tried = 0;
    for part in text.split("```sh\n").skip(1) {
        let (command, rest) = part.split_once("```\n").expect("the end of the command");
        let expected =
            rest.strip_prefix("```json\n").and_then(|r| r.split_once("```")).expect("an answer").0;
        let mut shell = Command::new("bash");
        shell.args(["-euc", command]).env("URL", ingest.url()).env("KEY", &ingest.key);
        let output =
            tokio::task::spawn_blocking(move || shell.output()).await.expect("join").expect("bash");
        let got = String::from_utf8(output.stdout).expect("text");
        // Answers of consecutive commands follow each other without a line break.
        let plain = |text: &str| text.split('\n').map(str::trim).collect::<String>();
        assert_eq!(plain(&got), plain(expected), "{command}");
        tried += 1;
    }
    assert!(tried > 6);
    assert_eq!(
        ingest.stored().await,
        [
            "demo/L1-E 1772172000 10400",
            "demo/L1-E 1772258400 10450.25",
            "demo/L1-E 1772259300 10452.5",
            "demo/L1-E 1772260200 10454.75",
            "demo/L1-E 1772344920 10450.5",
            "demo/oven-T 1772089200 180",
            "demo/oven-T 1772089260 181",
            "demo/oven-T 1772089320 182",
            "demo/oven-T 1772172000 180.5",
            "demo/oven-T 1772258400 181.5",
            "demo/oven-T 1772344800 181.5",
            "demo/oven-T 1772344860 182",
            "demo/oven-T 1772344920 183.25",
            "demo/oven-T 1772344980 183.5",
            "demo/oven-X 1772344860 182"
        ]
    );
}
