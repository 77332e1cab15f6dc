//! TLS on the listener: certificate and key from files, which are followed when they change.

mod files;
mod listener;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::tls::TlsError;
use files::Files;
pub use listener::TlsListener;

/// Where certificate and key are.
#[derive(Debug, Clone, Default, clap::Args)]
#[group(skip)]
pub struct TlsArgs {
    /// Serve HTTPS with this certificate and its chain (PEM); read again when it changes and on SIGHUP
    #[arg(long, env = "LOTWISE_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The certificate's private key (PEM)
    #[arg(long, env = "LOTWISE_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Only take clients with a certificate of one of these authorities (PEM), beside their API key
    #[arg(long, env = "LOTWISE_TLS_CLIENT_CA", value_name = "FILE", requires = "tls_cert")]
    pub tls_client_ca: Option<PathBuf>,
    /// How often the files are looked at, in seconds
    #[arg(long, env = "LOTWISE_TLS_RELOAD_SECONDS", value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    pub tls_reload_seconds: u64,
}

/// What new connections are taken with. Ends with the value.
pub struct Tls {
    config: watch::Receiver<Arc<ServerConfig>>,
    following: JoinHandle<()>,
}

impl Tls {
    /// Reads the files and follows them; `None` where none are named.
    ///
    /// # Errors
    /// When a file cannot be read, or what is in them does not fit.
    pub fn start(args: &TlsArgs) -> Result<Option<Self>, TlsError> {
        let (Some(certificate), Some(key)) = (&args.tls_cert, &args.tls_key) else {
            return Ok(None);
        };
        let files = Files {
            certificate: certificate.clone(),
            key: key.clone(),
            client_ca: args.tls_client_ca.clone(),
        };
        let texts = files.read()?;
        let (changed, config) = watch::channel(texts.load()?);
        let every = Duration::from_secs(args.tls_reload_seconds.max(1));
        // Before the first connection: without it, SIGHUP would end the process.
        let hangups = signal(SignalKind::hangup()).ok();
        let following = tokio::spawn(files::follow(files, texts, changed, every, hangups));
        Ok(Some(Self { config, following }))
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        self.following.abort();
    }
}
