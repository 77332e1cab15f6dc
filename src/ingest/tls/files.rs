//! The files of a listener's certificate, and what they make.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{SecondsFormat, Utc};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::signal::unix::Signal;
use tokio::sync::watch;

use crate::ingest::telemetry;
use crate::tls::{TlsError, certificates, error, expiry};

const CERTIFICATE: &str = "TLS certificate";
const KEY: &str = "TLS key";
const CLIENT_CA: &str = "TLS client CA";

/// Where they are.
#[derive(Debug)]
pub struct Files {
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub client_ca: Option<PathBuf>,
}

/// What is in them. No `Debug`: one of them is the private key.
#[derive(Clone, PartialEq, Eq)]
pub struct Texts {
    certificate: String,
    key: String,
    client_ca: Option<String>,
}

impl Files {
    pub fn read(&self) -> Result<Texts, TlsError> {
        let read = |field, path: &Path| {
            std::fs::read_to_string(path)
                .map_err(|e| error(field, format!("{}: {e}", path.display())))
        };
        Ok(Texts {
            certificate: read(CERTIFICATE, &self.certificate)?,
            key: read(KEY, &self.key)?,
            client_ca: self.client_ca.as_deref().map(|path| read(CLIENT_CA, path)).transpose()?,
        })
    }
}

impl Texts {
    /// A configuration for new connections, noted in the metrics and the log.
    pub fn load(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let chain = certificates(CERTIFICATE, &self.certificate)?;
        let not_after = chain.first().map(|first| expiry(first)).transpose()?.unwrap_or_default();
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).map_err(|e| error(KEY, e))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|e| error("TLS protocol", e))?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(authorities) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(CLIENT_CA, authorities)? {
                    roots.add(certificate).map_err(|e| error(CLIENT_CA, e))?;
                }
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                        .build()
                        .map_err(|e| error(CLIENT_CA, e))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder.with_single_cert(chain, key).map_err(|e| error(CERTIFICATE, e))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        metrics::gauge!(telemetry::TLS_NOT_AFTER).set(not_after.timestamp() as f64);
        let until = not_after.to_rfc3339_opts(SecondsFormat::Secs, true);
        if not_after <= Utc::now() {
            tracing::warn!(tls.not_after = until, "the TLS certificate has expired");
        } else {
            tracing::info!(tls.not_after = until, "TLS certificate loaded");
        }
        Ok(Arc::new(config))
    }
}

/// Loads the files again when they change, and on SIGHUP; never returns. What cannot be used is
/// logged, and the certificate from before stays.
pub async fn follow(
    files: Files,
    mut last: Texts,
    changed: watch::Sender<Arc<ServerConfig>>,
    every: Duration,
    mut hangups: Option<Signal>,
) {
    let mut ticks = tokio::time::interval(every);
    let mut failed = None;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            Some(()) = hangup(&mut hangups) => failed = None,
        }
        let result = files.read().and_then(|texts| {
            if texts == last {
                return Ok(());
            }
            changed.send_replace(texts.load()?);
            last = texts;
            Ok(())
        });
        let error = result.err().map(|e| e.to_string());
        // Once for each thing that is wrong, not every ten seconds.
        if let Some(text) = error.as_ref().filter(|_| error != failed) {
            tracing::error!(error.message = text, "new TLS files not taken, the old ones stay");
            metrics::counter!(telemetry::TLS_RELOADS_FAILED).increment(1);
        }
        failed = error;
    }
}

/// The next SIGHUP, where the system has it.
async fn hangup(hangups: &mut Option<Signal>) -> Option<()> {
    match hangups {
        Some(hangups) => hangups.recv().await,
        None => None,
    }
}
