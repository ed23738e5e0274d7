//! The settings, read once from the Python `Config`.
//!
//! A setting is written exactly twice: its definition in `python/rsgi/settings/config.py`, and its field here. `_rsgi.SETTINGS`
//! lists the names, and a test compares the two.

use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::config::choice::{
    ClientAuth, HttpVersions, IoKind, LifespanSupport, LogLevel, LoopKind, RequestBuffering, Switch, TlsVersion,
    WebSocketCompression,
};
use crate::wire::Limits;

/// A duration, in Python a number of seconds.
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

macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident: $kind:ty,)*) => {
        /// Everything that can be set and that the server itself acts on.
        #[derive(Debug, FromPyObject)]
        pub struct Settings {
            $($(#[$doc])* pub $name: $kind,)*
        }

        /// The names of the fields.
        pub fn names() -> Vec<&'static str> {
            // A name that is a word of Rust's is written with a prefix.
            vec![$(stringify!($name).trim_start_matches("r#")),*]
        }
    };
}

settings! {
    /// Processes that serve.
    workers: usize,
    /// Requests that a process may have before it is replaced.
    max_requests: Option<u64>,
    /// How long a process may serve before it is replaced.
    max_worker_age: Option<Seconds>,
    /// Bytes that a process may have resident before it is replaced.
    max_rss: Option<u64>,
    /// Addresses to listen on, instead of host and port.
    bind: Vec<String>,
    /// The mode of socket files, in octal digits.
    uds_mode: Option<String>,
    /// Connections that the system keeps until they are accepted.
    backlog: i32,
    /// Whether other servers may bind the same ports.
    reuse_port: bool,
    /// The versions of HTTP that are spoken.
    http: HttpVersions,
    /// Addresses, networks, `unix` and `*`: whose word about their clients counts.
    trust_proxy: Vec<String>,
    /// The part of the path that leads to this server.
    root_path: Option<String>,
    /// Whether trusted proxies begin connections with a PROXY header.
    proxy_protocol: bool,
    /// Files of certificates to serve.
    tls_cert: Vec<String>,
    /// Files of their keys, in the same order; none when each is in the file of its certificate.
    tls_key: Vec<String>,
    /// What the keys are encrypted with.
    tls_key_password: Option<String>,
    /// The file of the authorities whose client certificates count.
    tls_client_ca: Option<String>,
    /// Whether clients need a certificate; nothing is `required` once there is an authority.
    tls_client_auth: Option<ClientAuth>,
    /// The oldest version of TLS.
    tls_min_version: TlsVersion,
    /// Threads that run WSGI applications.
    wsgi_threads: usize,
    /// WSGI requests that may wait for a thread.
    wsgi_queue: usize,
    /// How much of a body is here before a WSGI application is called.
    wsgi_request_buffering: RequestBuffering,
    /// The event loop.
    r#loop: LoopKind,
    /// Who drives the sockets.
    io: IoKind,
    /// How long to look at the sockets before sleeping; 0 is not at all.
    busy_poll: Seconds,
    /// Whether applications have a lifespan.
    lifespan: LifespanSupport,
    /// How long an application may take to start or stop.
    lifespan_timeout: Seconds,
    /// `pathsend`, `zerocopysend`, `trailers`, `early_hint`: the extensions that are offered to ASGI applications.
    asgi_extensions: Vec<String>,
    /// Bytes of a request line.
    max_request_line: usize,
    /// Bytes of a header section.
    max_header_section: usize,
    /// Fields of a header section.
    max_header_fields: usize,
    /// Bytes of a request body.
    max_body: Option<u64>,
    /// Connections that may be open.
    max_connections: Option<usize>,
    /// Requests of one application at a time.
    limit_concurrency: Option<usize>,
    /// Requests of one HTTP/2 connection at a time.
    h2_max_streams: u32,
    /// Bytes that the client of an HTTP/2 stream may send ahead.
    h2_window: usize,
    /// `auto`, or the codings that answers of applications may be compressed with, the best first.
    compress: Vec<String>,
    /// Bytes of the smallest body that is.
    compress_min_size: u64,
    /// The types that are: `text/html`, `text/*`, `+json`.
    compress_types: Vec<String>,
    /// How long a request head may take.
    header_timeout: Seconds,
    /// How long a connection may idle.
    keep_alive_timeout: Seconds,
    /// How long a request may wait for a WSGI thread.
    queue_timeout: Seconds,
    /// How long an application may take until its answer begins.
    request_timeout: Option<Seconds>,
    /// Bytes per second that a client must send or take; 0 is off.
    min_data_rate: u64,
    /// How long a client may be slower.
    min_data_rate_grace: Seconds,
    /// How long running calls may take after a signal to stop.
    grace: Seconds,
    /// How long answers without a length may go on after it.
    stream_grace: Seconds,
    /// Bytes of a request body that are kept before the application takes them.
    request_buffer: usize,
    /// Bytes of a response body that are kept before the client takes them.
    response_buffer: usize,
    /// Bytes of a response body beyond those that are kept in a file for a slow client; 0 is off.
    response_spool: u64,
    /// Bytes of a request body that are kept to ask a second application.
    replay_limit: u64,
    /// Shadow requests that run at a time.
    shadow_concurrency: usize,
    /// Shadow requests that may wait.
    shadow_queue: usize,
    /// How long the response to one may take.
    shadow_timeout: Seconds,
    /// Bytes of a body that are kept to compare it.
    shadow_limit: usize,
    /// The file that safe requests are recorded to.
    record: Option<String>,
    /// Bytes of a WebSocket message.
    ws_max_message: usize,
    /// Time between WebSocket pings; 0 is off.
    ws_ping_interval: Seconds,
    /// How long a pong may take.
    ws_ping_timeout: Seconds,
    /// Whether messages are compressed where the client offers it.
    ws_compression: WebSocketCompression,
    /// Which lines are logged.
    log_level: LogLevel,
    /// Where metrics and health are shown.
    admin: Option<String>,
    /// Who knows it may look.
    admin_token: Option<String>,
    /// How long requests are served after a signal to stop, while the health path says no.
    drain_delay: Seconds,
    /// Where the server itself says whether requests are welcome.
    health_path: Option<String>,
    /// Where the OpenAPI document of all applications is.
    openapi: Option<String>,
    /// Whether to write one line per request.
    access_log: bool,
    /// The file that they go to; `-` is standard output.
    access_log_file: Option<String>,
    /// `text`, `common`, `combined`, `json`, or a text with atoms.
    access_log_format: String,
    /// Paths whose requests get none.
    access_log_skip: Vec<String>,
    /// The field that holds the id of a request.
    request_id: Option<String>,
    /// Whether responses get `x-served-by`.
    served_by: bool,
    /// What `Server` says.
    server_header: Option<String>,
    /// Whether answers get a `Date`.
    date_header: Switch,
}

impl Settings {
    /// What the wire guard refuses.
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

    /// The mode that socket files get.
    pub fn socket_mode(&self) -> Option<u32> {
        self.uds_mode.as_deref().and_then(|digits| u32::from_str_radix(digits, 8).ok())
    }

    /// Whether answers get a `Date`.
    pub fn is_dated(&self) -> bool {
        self.date_header == Switch::On
    }

    /// Whether requests for a path are left out of the access log.
    pub fn is_unlogged(&self, path: &str) -> bool {
        self.health_path.as_deref() == Some(path) || self.access_log_skip.iter().any(|skipped| skipped == path)
    }
}
