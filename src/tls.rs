//! TLS to PostgreSQL with rustls, in the modes of libpq's `sslmode`. For ingest and plugin alike.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

/// What is checked of the server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verify {
    /// Nothing: protects from listeners only (`require`).
    Nothing,
    /// That a trusted authority signed it (`verify-ca`).
    Authority,
    /// That a trusted authority signed it for this host (`verify-full`).
    AuthorityAndHost,
}

/// Certificates and keys, as PEM.
#[derive(Default)]
pub struct Pem<'a> {
    /// Trusted authorities; none: those of the system.
    pub authorities: Option<&'a str>,
    /// Our own certificate and its key, where the server asks for them.
    pub client: Option<(&'a str, &'a str)>,
}

/// TLS material that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the {field} cannot be used: {reason}")]
pub struct TlsError {
    /// Which material.
    pub field: &'static str,
    /// Why.
    pub reason: String,
}

/// The material of a connection.
pub(crate) const AUTHORITIES: &str = "TLS CA certificate";
pub(crate) const CLIENT_CERTIFICATE: &str = "TLS client certificate";
pub(crate) const CLIENT_KEY: &str = "TLS client key";

/// A connector for tokio-postgres.
///
/// # Errors
/// When a PEM text cannot be read or does not fit.
pub fn connector(verify: Verify, pem: &Pem<'_>) -> Result<MakeRustlsConnect, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|e| error("TLS protocol", e))?;
    let builder = match verify {
        Verify::AuthorityAndHost => builder.with_root_certificates(roots(pem)?),
        Verify::Authority | Verify::Nothing => {
            let roots = if verify == Verify::Authority { Some(roots(pem)?) } else { None };
            let verifier = Arc::new(AnyHost { roots, provider });
            builder.dangerous().with_custom_certificate_verifier(verifier)
        }
    };
    let config = match pem.client {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            let key =
                PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|e| error(CLIENT_KEY, e))?;
            builder
                .with_client_auth_cert(certificates(CLIENT_CERTIFICATE, chain)?, key)
                .map_err(|e| error(CLIENT_CERTIFICATE, e))?
        }
    };
    Ok(MakeRustlsConnect::new(config))
}

/// What is wrong with which material.
pub(crate) fn error(field: &'static str, reason: impl std::fmt::Display) -> TlsError {
    TlsError { field, reason: reason.to_string() }
}

/// When a certificate stops being valid.
///
/// # Errors
/// When it cannot be read.
pub fn expiry(certificate: &[u8]) -> Result<DateTime<Utc>, TlsError> {
    let field = "TLS certificate";
    let (_, certificate) =
        x509_parser::parse_x509_certificate(certificate).map_err(|e| error(field, e))?;
    let seconds = certificate.validity().not_after.timestamp();
    DateTime::from_timestamp(seconds, 0).ok_or_else(|| error(field, "its end is no time"))
}

/// The certificates of a PEM text, at least one.
pub(crate) fn certificates(
    field: &'static str,
    pem: &str,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let list: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match list {
        Ok(list) if list.is_empty() => Err(error(field, "it holds no certificate")),
        list => list.map_err(|e| error(field, e)),
    }
}

fn roots(pem: &Pem<'_>) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    match pem.authorities {
        Some(text) => {
            for certificate in certificates(AUTHORITIES, text)? {
                store.add(certificate).map_err(|e| error(AUTHORITIES, e))?;
            }
        }
        None => {
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    Ok(store)
}

/// Checks the chain where there are roots, never the host's name, always the signatures.
#[derive(Debug)]
struct AnyHost {
    roots: Option<RootCertStore>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyHost {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _host: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some(roots) = &self.roots {
            let certificate = ParsedCertificate::try_from(end_entity)?;
            let algorithms = self.provider.signature_verification_algorithms.all;
            verify_server_cert_signed_by_trust_anchor(
                &certificate,
                roots,
                intermediates,
                now,
                algorithms,
            )?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
