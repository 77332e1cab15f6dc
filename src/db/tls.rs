//! rustls for the four modes of libpq's `sslmode`.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{Settings, SettingsError, TlsMode};

/// The connector for these settings; `None` without TLS.
pub(super) fn connector(settings: &Settings) -> Result<Option<MakeRustlsConnect>, SettingsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|e| SettingsError::Pool(e.to_string()))?;
    let builder = match settings.tls {
        TlsMode::Disable => return Ok(None),
        TlsMode::VerifyFull => builder.with_root_certificates(roots(settings)?),
        TlsMode::Require => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Lenient { roots: None, provider })),
        TlsMode::VerifyCa => {
            let roots = Some(roots(settings)?);
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Lenient { roots, provider }))
        }
    };
    let config = match &settings.tls_client {
        None => builder.with_no_client_auth(),
        Some((cert, key)) => {
            let pem = |field| move |e: String| SettingsError::Pem { field, reason: e };
            let chain = certificates(cert).map_err(pem("TLS client certificate"))?;
            let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes())
                .map_err(|e| pem("TLS client key")(e.to_string()))?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|e| pem("TLS client key")(e.to_string()))?
        }
    };
    Ok(Some(MakeRustlsConnect::new(config)))
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let list = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| e.to_string())?;
    if list.is_empty() { Err("it holds no certificate".to_owned()) } else { Ok(list) }
}

fn roots(settings: &Settings) -> Result<RootCertStore, SettingsError> {
    let pem = |reason| SettingsError::Pem { field: "TLS CA certificate", reason };
    let mut store = RootCertStore::empty();
    match &settings.tls_ca {
        Some(text) => {
            for cert in certificates(text).map_err(pem)? {
                store.add(cert).map_err(|e| pem(e.to_string()))?;
            }
        }
        None => {
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    Ok(store)
}

/// Checks less than rustls does by default: the chain but not the name, or only the signature.
#[derive(Debug)]
struct Lenient {
    roots: Option<RootCertStore>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some(roots) = &self.roots {
            verify_server_cert_signed_by_trust_anchor(
                &ParsedCertificate::try_from(end_entity)?,
                roots,
                intermediates,
                now,
                self.provider.signature_verification_algorithms.all,
            )?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
