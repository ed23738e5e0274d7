//! The settings, read once from the Python `Config`.
//!
//! Each setting is written twice: its definition in `python/rsgi/settings/config.py`, and its field here.
//! `_rsgi.SETTINGS` lists the names, and a test compares the two.

use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::config::choice::{
    ClientAuth, HttpVersions, IoKind, LifespanSupport, LogLevel, LoopKind, RequestBuffering, Switch, TlsVersion,
    WebSocketCompression,
};
use crate::wire::Limits;

/// A duration. In Python it is a number of seconds.
#[derive(Debug, Clone, Copy)]
pub struct Seconds(pub Duration);

impl<'a, 'py> FromPyObject<'a, 'py> for Seconds {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let seconds: f64 = object.extract()?;
        let duration = Duration::try_from_secs_f64(seconds);
        duration.map(Self).map_err(|error| PyValueError::new_err(format!("{seconds} seconds: {error}")))
    }
}

/// How long to poll the sockets before sleeping. In Python it is a number of seconds, or `auto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PollTime {
    /// A short time, while that pays.
    Auto,
    /// Always this long.
    Always(Duration),
}

impl<'a, 'py> FromPyObject<'a, 'py> for PollTime {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        match object.cast::<PyString>() {
            Ok(word) if word == "auto" => Ok(Self::Auto),
            _ => object.extract().map(|Seconds(time)| Self::Always(time)),
        }
    }
}

macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident: $kind:ty,)*) => {
        /// All settings that the Rust side uses.
        #[derive(Debug, FromPyObject)]
        pub struct Settings {
            $($(#[$doc])* pub $name: $kind,)*
        }

        /// The names of the fields.
        pub fn names() -> Vec<&'static str> {
            // Names that are Rust keywords have the prefix `r#`.
            vec![$(stringify!($name).trim_start_matches("r#")),*]
        }
    };
}

settings! {
    /// The number of serving processes.
    workers: usize,
    /// The number of requests after which a process is replaced.
    max_requests: Option<u64>,
    /// The age after which a process is replaced.
    max_worker_age: Option<Seconds>,
    /// The resident memory above which a process is replaced, in bytes.
    max_rss: Option<u64>,
    /// Addresses to listen on, instead of host and port.
    bind: Vec<String>,
    /// The mode of socket files, in octal digits.
    uds_mode: Option<String>,
    /// How many connections the kernel queues until they are accepted.
    backlog: i32,
    /// Whether other servers may bind the same ports.
    reuse_port: bool,
    /// The versions of HTTP that the server accepts.
    http: HttpVersions,
    /// The trusted proxies: addresses, networks, `unix` and `*`.
    trust_proxy: Vec<String>,
    /// The prefix of the path that leads to this server.
    root_path: Option<String>,
    /// Whether trusted proxies start connections with a PROXY header.
    proxy_protocol: bool,
    /// Files with certificates.
    tls_cert: Vec<String>,
    /// Files with the keys, in the same order. Empty if each certificate file also has its key.
    tls_key: Vec<String>,
    /// The password of the keys.
    tls_key_password: Option<String>,
    /// The file with the authorities for client certificates.
    tls_client_ca: Option<String>,
    /// Whether clients need a certificate. With authorities, the default is `required`.
    tls_client_auth: Option<ClientAuth>,
    /// The oldest version of TLS.
    tls_min_version: TlsVersion,
    /// The number of threads that run WSGI applications.
    wsgi_threads: usize,
    /// How many WSGI requests may wait for a thread.
    wsgi_queue: usize,
    /// How much of a body is read before a WSGI application is called.
    wsgi_request_buffering: RequestBuffering,
    /// The event loop.
    r#loop: LoopKind,
    /// What drives the sockets.
    io: IoKind,
    /// How long to poll the sockets before sleeping; 0 turns it off.
    busy_poll: PollTime,
    /// Which applications get a lifespan.
    lifespan: LifespanSupport,
    /// How long the startup or shutdown of an application may take.
    lifespan_timeout: Seconds,
    /// The extensions that are offered to ASGI applications: `pathsend`, `zerocopysend`, `trailers`, `early_hint`.
    asgi_extensions: Vec<String>,
    /// The longest request line, in bytes.
    max_request_line: usize,
    /// The largest header section, in bytes.
    max_header_section: usize,
    /// The most fields in a header section.
    max_header_fields: usize,
    /// The largest request body, in bytes.
    max_body: Option<u64>,
    /// The most open connections.
    max_connections: Option<usize>,
    /// The most requests of one application at a time.
    limit_concurrency: Option<usize>,
    /// The most requests of one HTTP/2 connection at a time.
    h2_max_streams: u32,
    /// The receive window of an HTTP/2 stream, in bytes.
    h2_window: usize,
    /// `auto`, or the codings to compress responses of applications with, the best first.
    compress: Vec<String>,
    /// The smallest body that is compressed, in bytes.
    compress_min_size: u64,
    /// The content types that are compressed: `text/html`, `text/*`, `+json`.
    compress_types: Vec<String>,
    /// How long a request head may take.
    header_timeout: Seconds,
    /// How long a connection may be idle.
    keep_alive_timeout: Seconds,
    /// How long a request may wait for a WSGI thread.
    queue_timeout: Seconds,
    /// How long an application may take until its response begins.
    request_timeout: Option<Seconds>,
    /// How many bytes per second a client must send or take; 0 turns it off.
    min_data_rate: u64,
    /// How long a client may be slower than that.
    min_data_rate_grace: Seconds,
    /// How long running calls may take after a signal to stop.
    grace: Seconds,
    /// How long responses without a length may go on after the signal.
    stream_grace: Seconds,
    /// The buffer for a request body, in bytes.
    request_buffer: usize,
    /// The buffer for a response body, in bytes.
    response_buffer: usize,
    /// How many bytes of a response body beyond the buffer may go to a file if the client is slow; 0 turns it off.
    response_spool: u64,
    /// How many bytes of a request body are kept for a second application.
    replay_limit: u64,
    /// How many shadow requests run at a time.
    shadow_concurrency: usize,
    /// How many shadow requests may wait.
    shadow_queue: usize,
    /// How long the response to a shadow request may take.
    shadow_timeout: Seconds,
    /// How many bytes of a body are kept for the comparison.
    shadow_limit: usize,
    /// The file to record safe requests in.
    record: Option<String>,
    /// The largest WebSocket message, in bytes.
    ws_max_message: usize,
    /// The time between WebSocket pings; 0 turns them off.
    ws_ping_interval: Seconds,
    /// How long a pong may take.
    ws_ping_timeout: Seconds,
    /// Whether messages are compressed if the client offers it.
    ws_compression: WebSocketCompression,
    /// Which lines are logged.
    log_level: LogLevel,
    /// Whether responses are held for what is published later.
    grip: bool,
    /// What `Grip-Sig` is signed with.
    grip_key: Option<String>,
    /// Who signs it.
    grip_issuer: String,
    /// Clients that are held at a time, in one process.
    grip_max_holds: usize,
    /// Channels of one of them.
    grip_max_channels: usize,
    /// Bytes that wait for one of them.
    grip_buffer: usize,
    /// How long an item waits for the one before it.
    grip_message_wait: Seconds,
    /// Streams that follow their link at a time, in one process.
    grip_max_followers: usize,
    /// The address of the admin listener.
    admin: Option<String>,
    /// The token for the admin listener.
    admin_token: Option<String>,
    /// How long requests are accepted after a signal to stop, while the health path answers 503.
    drain_delay: Seconds,
    /// The path at which the server itself answers health checks.
    health_path: Option<String>,
    /// Where the `OpenAPI` document of all applications is.
    openapi: Option<String>,
    /// Whether to write one line per request.
    access_log: bool,
    /// The file of the access log; `-` is standard output.
    access_log_file: Option<String>,
    /// `text`, `common`, `combined`, `json`, or a format string.
    access_log_format: String,
    /// Paths whose requests are not logged.
    access_log_skip: Vec<String>,
    /// The header field with the id of a request.
    request_id: Option<String>,
    /// Whether applications are told their name and the route.
    name_routes: bool,
    /// Whether responses get `x-served-by`.
    served_by: bool,
    /// The value of `Server`.
    server_header: Option<String>,
    /// Whether responses get a `Date`.
    date_header: Switch,
}

impl Settings {
    /// The limits and timeouts of connections.
    pub fn limits(&self) -> Limits {
        Limits {
            request_line: self.max_request_line,
            header_section: self.max_header_section,
            header_fields: self.max_header_fields,
            header_timeout: self.header_timeout.0,
            keep_alive_timeout: self.keep_alive_timeout.0,
            min_data_rate: self.min_data_rate,
            min_data_rate_grace: self.min_data_rate_grace.0,
        }
    }

    /// Whether another process may serve the same applications at the same time.
    pub fn is_multiprocess(&self) -> bool {
        let replaced = self.max_requests.is_some() || self.max_worker_age.is_some() || self.max_rss.is_some();
        self.workers > 1 || replaced
    }

    /// The mode of socket files.
    pub fn socket_mode(&self) -> Option<u32> {
        self.uds_mode.as_deref().and_then(|digits| u32::from_str_radix(digits, 8).ok())
    }

    /// Whether responses get a `Date`.
    pub fn is_dated(&self) -> bool {
        self.date_header == Switch::On
    }

    /// Whether requests for this path are left out of the access log.
    pub fn is_unlogged(&self, path: &str) -> bool {
        self.health_path.as_deref() == Some(path) || self.access_log_skip.iter().any(|skipped| skipped == path)
    }
}
