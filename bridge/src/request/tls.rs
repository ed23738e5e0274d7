//! What an application can know about the TLS session of its request.
//!
//! `environ` and `scope` both have it, with different names.
//!
//! Spec: ASGI TLS extension 0.2; the `SSL_*` names of Apache's `mod_ssl`, which WSGI applications know.

use std::fmt::Write as _;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

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
    pub server_certificate: Arc<str>,
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
        extension.set_item("server_cert", &*self.server_certificate)?;
        extension.set_item("client_cert_chain", PyTuple::new(py, &self.client_chain)?)?;
        extension.set_item("client_cert_name", self.client_name.as_deref())?;
        // A client with an invalid certificate does not get this far.
        extension.set_item("client_cert_error", py.None())?;
        extension.set_item("tls_version", self.version)?;
        extension.set_item("cipher_suite", self.cipher_suite)?;
        Ok(extension)
    }

    /// Adds the `SSL_*` variables to an `environ`.
    ///
    /// # Errors
    /// When Python is out of memory.
    pub fn add_to(&self, environ: &Bound<'_, PyDict>) -> PyResult<()> {
        environ.set_item("SSL_PROTOCOL", self.protocol)?;
        environ.set_item("SSL_CIPHER", self.cipher)?;
        environ.set_item("SSL_SERVER_CERT", &*self.server_certificate)?;
        if let Some(name) = &self.server_name {
            environ.set_item("SSL_TLS_SNI", name)?;
        }
        let Some(certificate) = self.client_chain.first() else { return environ.set_item("SSL_CLIENT_VERIFY", "NONE") };
        environ.set_item("SSL_CLIENT_VERIFY", "SUCCESS")?;
        environ.set_item("SSL_CLIENT_CERT", certificate)?;
        for (number, certificate) in self.client_chain.iter().skip(1).enumerate() {
            environ.set_item(format!("SSL_CLIENT_CERT_CHAIN_{number}"), certificate)?;
        }
        let name = self.client_name.as_deref().unwrap_or_default();
        environ.set_item("SSL_CLIENT_S_DN", ascii(name))
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
