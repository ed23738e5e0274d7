//! Reads certificates and keys from files, and explains errors.
//!
//! All of this happens at start and at a reload, so an error is for the operator.
//!
//! Spec: RFC 7468 (PEM), RFC 5958 (encrypted keys), RFC 5280 4.1.2.5 (validity), RFC 4514 (names as text).

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pkcs8::EncryptedPrivateKeyInfo;
use rsgi_bridge::request::tls::CertificateText;
use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use x509_cert::Certificate;
use x509_cert::der::pem::LineEnding;
use x509_cert::der::{DateTime, Decode};

use crate::config::startup_error::StartupError;

/// A certificate of the server, with its chain and its key.
#[derive(Debug)]
pub(super) struct Identity {
    /// For rustls.
    pub(super) certified: Arc<CertifiedKey>,
    /// The certificate alone, as PEM.
    pub(super) pem: Arc<CertificateText>,
}

impl Identity {
    /// Reads a certificate and its key.
    pub(super) fn read(
        certificate: &str,
        key: &str,
        password: Option<&str>,
        provider: &CryptoProvider,
    ) -> Result<Self, StartupError> {
        let chain = read_chain(certificate)?;
        let first = chain.first().ok_or_else(|| no_certificate(certificate))?;
        check_validity(certificate, first)?;
        let pem = Arc::new(CertificateText::new(pem(first)));
        let private = read_key(certificate, key, password)?;
        let signing = provider.key_provider.load_private_key(private).map_err(|error| {
            StartupError::new(
                format!("cannot use the TLS key `{key}`: {error}"),
                "use an ECDSA key on P-256 or P-384, an Ed25519 key, or an RSA key of 2048 bits or more",
            )
        })?;
        let certified = CertifiedKey::new(chain, signing);
        match certified.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {}
            Err(rustls::Error::InconsistentKeys(_)) => {
                return Err(StartupError::new(
                    format!("the TLS key `{key}` does not belong to the certificate `{certificate}`"),
                    "check that both files are from the same renewal, and that the server's own certificate comes first",
                ));
            }
            Err(error) => return Err(bad_certificate(certificate, &error)),
        }
        Ok(Self { certified: Arc::new(certified), pem })
    }

    /// Whether the certificate is valid for this host name.
    pub(super) fn is_for(&self, name: &str) -> bool {
        let Ok(name) = ServerName::try_from(name) else { return false };
        let Some(parsed) = self.certified.cert.first().and_then(|first| ParsedCertificate::try_from(first).ok()) else {
            return false;
        };
        verify_server_name(&parsed, &name).is_ok()
    }
}

/// Reads a file that the settings name.
pub(super) fn read_file(what: &str, flag: &str, path: &str) -> Result<Vec<u8>, StartupError> {
    std::fs::read(path).map_err(|error| {
        let reason = match error.kind() {
            std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
            std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
            _ => error.to_string(),
        };
        StartupError::new(
            format!("cannot read {what} from `{path}`: {reason}"),
            format!("`{flag}` takes the path of a PEM file that this user can read"),
        )
    })
}

fn read_chain(path: &str) -> Result<Vec<CertificateDer<'static>>, StartupError> {
    let text = read_file("the TLS certificate", "--tls-cert", path)?;
    let chain = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| bad_certificate(path, &error))?;
    if chain.is_empty() {
        return Err(no_certificate(path));
    }
    Ok(chain)
}

fn no_certificate(path: &str) -> StartupError {
    StartupError::new(
        format!("there is no TLS certificate in `{path}`"),
        "it should contain `-----BEGIN CERTIFICATE-----` blocks: the server's own first, then the intermediate ones",
    )
}

fn bad_certificate(path: &str, error: &dyn std::fmt::Display) -> StartupError {
    StartupError::new(
        format!("cannot read the TLS certificate `{path}`: {error}"),
        "`openssl x509 -noout -text -in FILE` shows what is in it",
    )
}

/// Refuses a certificate that has expired or is not valid yet. Clients would refuse it anyway, with a less clear error.
fn check_validity(path: &str, certificate: &CertificateDer<'_>) -> Result<(), StartupError> {
    let parsed = Certificate::from_der(certificate).map_err(|error| bad_certificate(path, &error))?;
    let validity = parsed.tbs_certificate.validity;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let date =
        |since| DateTime::from_unix_duration(since).map_or_else(|_| "unknown".to_owned(), |date| date.to_string());
    let (from, to) = (validity.not_before.to_unix_duration(), validity.not_after.to_unix_duration());
    if now > to {
        let hint = "renew it; `openssl x509 -noout -dates -in FILE` shows the dates of a certificate";
        return Err(StartupError::new(format!("the TLS certificate `{path}` expired at {}", date(to)), hint));
    }
    if now < from {
        let hint = "wait until then, or check the clock of this machine";
        return Err(StartupError::new(
            format!("the TLS certificate `{path}` is not valid before {}", date(from)),
            hint,
        ));
    }
    Ok(())
}

fn read_key(certificate: &str, path: &str, password: Option<&str>) -> Result<PrivateKeyDer<'static>, StartupError> {
    let bytes = read_file("the TLS key", "--tls-key", path)?;
    let text = String::from_utf8_lossy(&bytes);
    if let Some(encrypted) = block(&text, "ENCRYPTED PRIVATE KEY") {
        return decrypt(path, encrypted, password);
    }
    if text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(StartupError::new(
            format!("the TLS key `{path}` has an old encryption that rsgi does not support"),
            "convert it: `openssl pkcs8 -topk8 -in OLD -out NEW`",
        ));
    }
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| match error {
        rustls::pki_types::pem::Error::NoItemsFound if certificate == path => StartupError::new(
            format!("there is no key for the TLS certificate `{certificate}`"),
            "name its file with `--tls-key FILE`, or put the key into the file of the certificate",
        ),
        rustls::pki_types::pem::Error::NoItemsFound => StartupError::new(
            format!("there is no TLS key in `{path}`"),
            "it should contain a `-----BEGIN PRIVATE KEY-----` block",
        ),
        error => StartupError::new(
            format!("cannot read the TLS key `{path}`: {error}"),
            "`openssl pkey -noout -check -in FILE` checks a key",
        ),
    })
}

/// The PEM block with this label, including its first and last line.
fn block<'text>(text: &'text str, label: &str) -> Option<&'text str> {
    let start = text.find(&format!("-----BEGIN {label}-----"))?;
    let rest = text.get(start..)?;
    let last = format!("-----END {label}-----");
    rest.get(..rest.find(&last)? + last.len())
}

fn decrypt(path: &str, block: &str, password: Option<&str>) -> Result<PrivateKeyDer<'static>, StartupError> {
    let Some(password) = password else {
        return Err(StartupError::new(
            format!("the TLS key `{path}` is encrypted, and there is no password for it"),
            "set the password in the environment variable RSGI_TLS_KEY_PASSWORD, where other users cannot see it",
        ));
    };
    let failed = |error: &dyn std::fmt::Display| {
        StartupError::new(
            format!("cannot decrypt the TLS key `{path}`: {error}"),
            "check the password with `openssl pkey -noout -in FILE`",
        )
    };
    let (_, document) = pkcs8::SecretDocument::from_pem(block).map_err(|error| failed(&error))?;
    let encrypted = EncryptedPrivateKeyInfo::try_from(document.as_bytes()).map_err(|error| failed(&error))?;
    let key = encrypted.decrypt(password).map_err(|error| failed(&error))?;
    Ok(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec()).into())
}

/// A certificate as PEM.
pub(super) fn pem(certificate: &CertificateDer<'_>) -> String {
    x509_cert::der::pem::encode_string("CERTIFICATE", LineEnding::LF, certificate).unwrap_or_default()
}

/// The subject of a certificate, as text of RFC 4514.
pub(super) fn subject(certificate: &CertificateDer<'_>) -> Option<String> {
    Certificate::from_der(certificate).ok().map(|certificate| certificate.tbs_certificate.subject.to_string())
}
