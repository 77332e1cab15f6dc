//! The Grafana backend datasource plugin. Grafana starts it; see `lotwise::grafana`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("no threads for the plugin: {error}");
            return ExitCode::FAILURE;
        }
    };
    let served = runtime.block_on(lotwise::grafana::serve());
    // A name look-up that hangs must not keep a stopped plugin alive.
    runtime.shutdown_background();
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
