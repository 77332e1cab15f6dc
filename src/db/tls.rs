//! TLS as the data source's settings have it.

use tokio_postgres_rustls::MakeRustlsConnect;

use super::{Settings, SettingsError, TlsMode};
use crate::tls::{Pem, Verify};

/// The connector for these settings; `None` without TLS.
pub(super) fn connector(settings: &Settings) -> Result<Option<MakeRustlsConnect>, SettingsError> {
    let verify = match settings.tls {
        TlsMode::Disable => return Ok(None),
        TlsMode::Require => Verify::Nothing,
        TlsMode::VerifyCa => Verify::Authority,
        TlsMode::VerifyFull => Verify::AuthorityAndHost,
    };
    let client = settings.tls_client.as_ref().map(|(chain, key)| (chain.as_str(), key.expose()));
    let pem = Pem { authorities: settings.tls_ca.as_deref(), client };
    crate::tls::connector(verify, &pem)
        .map(Some)
        .map_err(|e| SettingsError::Pem { field: e.field, reason: e.reason })
}
