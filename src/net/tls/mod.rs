//! TLS: turns certificates into a rustls configuration, and a connection into a TLS session.
//!
//! Nothing else knows rustls. The rest of the server sees a stream of bytes, the negotiated protocol, and a
//! [`TlsSession`] for applications. `certificate` reads files, `client` handles client certificates.
//!
//! Spec: RFC 8446, RFC 5246 (TLS 1.2), RFC 6066 3 (SNI), RFC 7301 (ALPN), RFC 9113 3.2.

mod certificate;
mod client;

use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use rsgi_bridge::request::tls::TlsSession;
use rustls::crypto::CryptoProvider;
use rustls::server::{Acceptor, ClientHello, ServerConnection};
use rustls::sign::SingleCertAndKey;
use rustls::{ProtocolVersion, ServerConfig, SupportedProtocolVersion};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::choice::{HttpVersions, TlsVersion};
use crate::config::settings::Settings;
use crate::config::startup_error::StartupError;
use certificate::Identity;

const ONLY_TLS13: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

/// The settings for TLS. A reload uses them again.
#[derive(Debug)]
struct Sources {
    /// Certificate files, each with its key file.
    identities: Vec<(String, String)>,
    password: Option<String>,
    client: client::Policy,
    versions: &'static [&'static SupportedProtocolVersion],
    protocols: Vec<Vec<u8>>,
}

/// The certificates for new connections.
#[derive(Debug)]
pub struct Tls {
    sources: Sources,
    current: RwLock<Arc<[Served]>>,
}

/// One certificate with its rustls configuration.
#[derive(Debug)]
struct Served {
    identity: Identity,
    config: Arc<ServerConfig>,
}

/// A connection after its handshake.
#[derive(Debug)]
pub struct Secured<S> {
    /// The encrypted stream.
    pub stream: TlsStream<S>,
    /// What was negotiated, for applications.
    pub session: TlsSession,
    /// Whether HTTP/2 was negotiated.
    pub http2: bool,
}

impl Tls {
    /// Reads the certificates in the settings. `None` if there are none.
    ///
    /// # Errors
    /// What is wrong with the settings or the files, and how to fix it.
    pub fn load(settings: &Settings) -> Result<Option<Arc<Self>>, StartupError> {
        let Some(sources) = Sources::new(settings)? else { return Ok(None) };
        let current = RwLock::new(sources.read()?);
        Ok(Some(Arc::new(Self { sources, current })))
    }

    /// Reads the files again, for new connections. After an error, the old certificates stay in use.
    ///
    /// # Errors
    /// The same as for [`Tls::load`].
    pub fn reload(&self) -> Result<(), StartupError> {
        let fresh = self.sources.read()?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// Does the handshake on `stream`.
    ///
    /// # Errors
    /// When the client leaves, violates the protocol, or has no acceptable certificate. rustls has sent an alert if it
    /// could.
    pub async fn accept<S>(&self, stream: S) -> io::Result<Secured<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let hello = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let served = Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner));
        let client_hello = hello.client_hello();
        let server_name = client_hello.server_name().map(str::to_owned);
        let chosen = choose(&served, &client_hello).ok_or_else(|| io::Error::other("there is no certificate"))?;
        let stream = hello.into_stream(Arc::clone(&chosen.config)).await?;
        let connection = stream.get_ref().1;
        let http2 = connection.alpn_protocol() == Some(b"h2");
        let session = session(connection, server_name, &chosen.identity);
        Ok(Secured { stream, session, http2 })
    }
}

/// Chooses a certificate: the first that is valid for the name and whose signature the client supports, else the first
/// for the name, else the first of all.
fn choose<'a>(served: &'a [Served], hello: &ClientHello<'_>) -> Option<&'a Served> {
    if let [only] = served {
        return Some(only);
    }
    let name = hello.server_name();
    let mut named = served.iter().filter(|served| name.is_some_and(|name| served.identity.is_for(name))).peekable();
    let fallback = named.peek().copied().or(served.first());
    named.find(|served| served.identity.certified.key.choose_scheme(hello.signature_schemes()).is_some()).or(fallback)
}

fn session(connection: &ServerConnection, server_name: Option<String>, identity: &Identity) -> TlsSession {
    let version = connection.protocol_version();
    let cipher = connection.negotiated_cipher_suite().map(|suite| suite.suite());
    let chain = connection.peer_certificates().unwrap_or_default();
    TlsSession {
        version: version.map(u16::from),
        protocol: match version {
            Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
            _ => "TLSv1.3",
        },
        cipher_suite: cipher.map(u16::from),
        cipher: cipher.and_then(|cipher| cipher.as_str()).unwrap_or_default(),
        server_name,
        server_certificate: Arc::clone(&identity.pem),
        client_name: chain.first().and_then(certificate::subject),
        client_chain: chain.iter().map(certificate::pem).collect(),
    }
}

impl Sources {
    fn new(settings: &Settings) -> Result<Option<Self>, StartupError> {
        let (certificates, keys) = (&settings.tls_cert, &settings.tls_key);
        let client = client::Policy::new(settings)?;
        if certificates.is_empty() {
            let set = [
                (!keys.is_empty(), "--tls-key"),
                (settings.tls_client_ca.is_some(), "--tls-client-ca"),
                (settings.tls_key_password.is_some(), "--tls-key-password"),
            ];
            return match set.iter().find(|(is_set, _)| *is_set) {
                None => Ok(None),
                Some((_, flag)) => Err(StartupError::new(
                    format!("`{flag}` is set, but there is no certificate"),
                    "also set the certificate of the server: `--tls-cert FILE --tls-key FILE`",
                )),
            };
        }
        if !keys.is_empty() && keys.len() != certificates.len() {
            return Err(StartupError::new(
                format!("there are {} TLS certificates and {} keys", certificates.len(), keys.len()),
                "give one `--tls-key` for each `--tls-cert`, in the same order, or none if each file contains both",
            ));
        }
        // A file may contain both.
        let keys = if keys.is_empty() { certificates } else { keys };
        Ok(Some(Self {
            identities: certificates.iter().cloned().zip(keys.iter().cloned()).collect(),
            password: settings.tls_key_password.clone(),
            client,
            versions: match settings.tls_min_version {
                TlsVersion::OneThree => ONLY_TLS13,
                TlsVersion::OneTwo => rustls::ALL_VERSIONS,
            },
            protocols: match settings.http {
                HttpVersions::One => vec![b"http/1.1".to_vec()],
                HttpVersions::Two => vec![b"h2".to_vec()],
                HttpVersions::Auto => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            },
        }))
    }

    fn read(&self) -> Result<Arc<[Served]>, StartupError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        self.identities.iter().map(|(cert, key)| self.read_one(cert, key, &provider)).collect()
    }

    fn read_one(&self, certificate: &str, key: &str, provider: &Arc<CryptoProvider>) -> Result<Served, StartupError> {
        let identity = Identity::read(certificate, key, self.password.as_deref(), provider)?;
        let unusable = |error: rustls::Error| {
            StartupError::new(
                format!("cannot serve TLS with `{certificate}`: {error}"),
                "the system may have no random numbers",
            )
        };
        let verifier = self.client.verifier(provider)?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(provider));
        let builder = builder.with_protocol_versions(self.versions).map_err(unusable)?;
        let resolver = SingleCertAndKey::from(Arc::clone(&identity.certified));
        let mut config = builder.with_client_cert_verifier(verifier).with_cert_resolver(Arc::new(resolver));
        config.alpn_protocols.clone_from(&self.protocols);
        // Each reload makes new keys for tickets, so that no session outlives its certificate.
        config.ticketer = rustls::crypto::ring::Ticketer::new().map_err(unusable)?;
        Ok(Served { identity, config: Arc::new(config) })
    }
}
