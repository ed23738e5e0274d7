//! What an application can know about the TLS session of its request.
//!
//! `environ` and `scope` both have it, with different names.
//!
//! Spec: ASGI TLS extension 0.2; the `SSL_*` names of Apache's `mod_ssl`, which WSGI applications know.

use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::request::memo::Texts;

/// Host names that earlier clients asked for.
static NAMES: LazyLock<Texts> = LazyLock::new(Texts::default);

/// A certificate as PEM text. Applications of all sessions get the same object, because the text is long.
pub struct CertificateText {
    pem: String,
    object: PyOnceLock<Py<PyString>>,
}

impl std::fmt::Debug for CertificateText {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("CertificateText").field(&self.pem).finish()
    }
}

impl CertificateText {
    /// This text.
    pub fn new(pem: String) -> Self {
        Self { pem, object: PyOnceLock::new() }
    }

    fn object<'py>(&self, py: Python<'py>) -> &Bound<'py, PyString> {
        self.object.get_or_init(py, || PyString::new(py, &self.pem).unbind()).bind(py)
    }
}

/// What a session has in common with most others of the server.
#[derive(Debug)]
pub(crate) struct CommonSession {
    certificate: Arc<CertificateText>,
    protocol: &'static str,
    cipher: &'static str,
    verified: bool,
}

impl CommonSession {
    /// Whether a session is one of these.
    pub(crate) fn is_of(&self, session: &TlsSession) -> bool {
        Arc::ptr_eq(&self.certificate, &session.server_certificate)
            && self.verified != session.client_chain.is_empty()
            && self.cipher == session.cipher
            && self.protocol == session.protocol
    }
}

/// One TLS session. Certificates are PEM text.
#[derive(Debug)]
pub struct TlsSession {
    /// The number of the version on the wire (`0x0304` is TLS 1.3).
    pub version: Option<u16>,
    /// Its name, such as `TLSv1.3`.
    pub protocol: &'static str,
    /// The number of the cipher suite.
    pub cipher_suite: Option<u16>,
    /// Its name, such as `TLS13_AES_256_GCM_SHA384`.
    pub cipher: &'static str,
    /// The host name that the client asked for (SNI).
    pub server_name: Option<String>,
    /// The certificate of the server.
    pub server_certificate: Arc<CertificateText>,
    /// The certificates of the client, its own first. They were verified.
    pub client_chain: Vec<String>,
    /// The subject of the client's certificate, such as `CN=someone,O=Example`.
    pub client_name: Option<String>,
}

impl TlsSession {
    /// The value of `scope["extensions"]["tls"]`.
    ///
    /// # Errors
    /// When Python is out of memory.
    pub fn extension<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let extension = PyDict::new(py);
        extension.set_item(intern!(py, "server_cert"), self.server_certificate.object(py))?;
        extension.set_item(intern!(py, "client_cert_chain"), PyTuple::new(py, &self.client_chain)?)?;
        extension.set_item(intern!(py, "client_cert_name"), self.client_name.as_deref())?;
        // A client with an invalid certificate does not get this far.
        extension.set_item(intern!(py, "client_cert_error"), py.None())?;
        extension.set_item(intern!(py, "tls_version"), self.version)?;
        extension.set_item(intern!(py, "cipher_suite"), self.cipher_suite)?;
        Ok(extension)
    }

    /// What it has in common with others.
    pub(crate) fn common(&self) -> CommonSession {
        CommonSession {
            certificate: Arc::clone(&self.server_certificate),
            protocol: self.protocol,
            cipher: self.cipher,
            verified: !self.client_chain.is_empty(),
        }
    }

    /// Adds those `SSL_*` variables to an `environ` that the session has in common with others.
    ///
    /// # Errors
    /// When Python is out of memory.
    pub(crate) fn add_common(&self, environ: &Bound<'_, PyDict>) -> PyResult<()> {
        let py = environ.py();
        environ.set_item(intern!(py, "SSL_PROTOCOL"), self.protocol)?;
        environ.set_item(intern!(py, "SSL_CIPHER"), self.cipher)?;
        environ.set_item(intern!(py, "SSL_SERVER_CERT"), self.server_certificate.object(py))?;
        let verified = if self.client_chain.is_empty() { "NONE" } else { "SUCCESS" };
        environ.set_item(intern!(py, "SSL_CLIENT_VERIFY"), verified)
    }

    /// Adds the other `SSL_*` variables.
    ///
    /// # Errors
    /// When Python is out of memory.
    pub(crate) fn add_own(&self, environ: &Bound<'_, PyDict>) -> PyResult<()> {
        let py = environ.py();
        if let Some(name) = &self.server_name {
            environ.set_item(intern!(py, "SSL_TLS_SNI"), NAMES.latin1(py, name.as_bytes())?)?;
        }
        let Some(certificate) = self.client_chain.first() else { return Ok(()) };
        environ.set_item(intern!(py, "SSL_CLIENT_CERT"), certificate)?;
        for (number, certificate) in self.client_chain.iter().skip(1).enumerate() {
            environ.set_item(format!("SSL_CLIENT_CERT_CHAIN_{number}"), certificate)?;
        }
        let name = self.client_name.as_deref().unwrap_or_default();
        environ.set_item(intern!(py, "SSL_CLIENT_S_DN"), ascii(name))
    }
}

/// Makes a name ASCII, because a native string cannot have more than latin-1. RFC 4514 allows to write any byte of
/// UTF-8 as `\XX`.
fn ascii(name: &str) -> String {
    name.bytes().fold(String::with_capacity(name.len()), |mut text, byte| {
        if byte.is_ascii() {
            text.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _infallible = write!(text, "\\{byte:02X}");
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::ascii;

    #[test]
    fn names_beyond_ascii_are_escaped() {
        assert_eq!(ascii("CN=caf\u{e9},O=x"), "CN=caf\\C3\\A9,O=x");
    }
}
