//! Client certificates (mutual TLS).
//!
//! One rule must hold: if a certificate is required, it is checked, or the server does not start.
//!
//! Spec: RFC 8446 4.3.2, 4.4.2.4.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, WebPkiClientVerifier};

use super::certificate;
use crate::config::choice::{Choice, ClientAuth};
use crate::config::settings::Settings;
use crate::config::startup_error::StartupError;

/// Which clients are served.
#[derive(Debug)]
pub(super) enum Policy {
    /// All clients. No certificate is requested.
    Anyone,
    /// Clients with a certificate of the authorities in this file, and clients without a certificate.
    Optional(String),
    /// Only clients with a certificate of the authorities in this file.
    Required(String),
}

impl Policy {
    pub(super) fn new(settings: &Settings) -> Result<Self, StartupError> {
        match (&settings.tls_client_ca, settings.tls_client_auth) {
            (None, None) => Ok(Self::Anyone),
            (None, Some(wanted)) => Err(StartupError::new(
                format!("`--tls-client-auth {}` has no authority to check certificates with", wanted.word()),
                "name the file with the certificates of your authorities: `--tls-client-ca FILE`",
            )),
            (Some(file), Some(ClientAuth::Optional)) => Ok(Self::Optional(file.clone())),
            (Some(file), Some(ClientAuth::Required) | None) => Ok(Self::Required(file.clone())),
        }
    }

    pub(super) fn verifier(&self, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ClientCertVerifier>, StartupError> {
        let (file, optional) = match self {
            Self::Anyone => return Ok(Arc::new(NoClientAuth)),
            Self::Optional(file) => (file, true),
            Self::Required(file) => (file, false),
        };
        let roots = Arc::new(authorities(file)?);
        let builder = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider));
        let builder = if optional { builder.allow_unauthenticated() } else { builder };
        builder.build().map_err(|error| unusable(file, &error))
    }
}

fn authorities(file: &str) -> Result<RootCertStore, StartupError> {
    let text = certificate::read_file("the client authorities", "--tls-client-ca", file)?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|error| unusable(file, &error))?;
        roots.add(certificate).map_err(|error| unusable(file, &error))?;
    }
    if roots.is_empty() {
        return Err(unusable(file, &"there is no certificate in it"));
    }
    Ok(roots)
}

fn unusable(file: &str, error: &dyn std::fmt::Display) -> StartupError {
    StartupError::new(
        format!("cannot use the client authorities in `{file}`: {error}"),
        "`--tls-client-ca` takes the certificates of your authorities in PEM, one after the other",
    )
}
