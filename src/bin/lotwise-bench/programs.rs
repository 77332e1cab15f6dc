//! The programs that are measured: the release builds beside this one, brought up to date.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use tokio::process::Command;

/// The release build of `name`, built from the sources of this program, as far as they are here.
pub async fn release(name: &str) -> anyhow::Result<PathBuf> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
    let own = std::env::current_exe()?;
    let folder = own.parent().and_then(Path::parent).context("where is this program?")?;
    let program = folder.join("release").join(name);
    if sources.join("Cargo.toml").is_file() {
        let built = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()))
            .args(["build", "--release", "--locked", "--bin", name, "--target-dir"])
            .arg(folder)
            .current_dir(sources)
            .status()
            .await;
        match built {
            Ok(status) => ensure!(status.success(), "cargo could not build {name}"),
            Err(error) => eprintln!("cargo not started ({error}): {name} may be an older build"),
        }
    }
    ensure!(program.is_file(), "{} is missing: build it, or name it", program.display());
    Ok(program)
}
