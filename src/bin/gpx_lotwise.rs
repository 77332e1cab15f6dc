//! The Grafana backend datasource plugin. Grafana starts it; see `lotwise::grafana`.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    match lotwise::grafana::serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
