//! The content of `/status.json`: the server, and each serving process.
//!
//! A worker sends its part to the supervisor. Settings are listed one by one, so that no secret is shown by accident.
//! Paths of requests are not shown, only routes.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::config::choice::Choice;
use crate::config::live_shares::ShareStatus;
use crate::config::settings::Settings;
use crate::log::timestamp::timestamp;
use crate::metrics::Sample;
use crate::rollback::Watched;

/// The report of one process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// For metrics.
    pub samples: Vec<Sample>,
    /// For `/status.json`.
    pub status: ProcessStatus,
    /// The result of the comparison of shadow traffic, as JSON; `None` without shadow traffic.
    pub shadow: Option<String>,
    /// The counts of watched rules, for the judge of rollbacks. Only a worker sends them.
    pub watched: Vec<Watched>,
}

/// One serving process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProcessStatus {
    /// Its process id.
    pub pid: u32,
    /// `starting`, `serving` or `draining`.
    pub state: String,
    /// How long it has run.
    pub uptime_seconds: f64,
    /// Its applications.
    pub apps: Vec<AppStatus>,
    /// The threads of the WSGI pool, if there is one.
    pub wsgi_threads: Option<ThreadsStatus>,
    /// How long the event loop takes until it runs a new callback, if there is a loop.
    pub event_loop_lag_seconds: Option<f64>,
    /// Its resident memory in bytes, where the system tells it.
    pub resident_memory_bytes: Option<u64>,
    /// The rules with a share.
    pub shares: Vec<ShareStatus>,
    /// The number of running calls.
    pub calls_running: usize,
    /// The oldest running calls.
    pub calls: Vec<CallStatus>,
}

/// One application.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AppStatus {
    /// Its name.
    pub name: String,
    /// `wsgi` or `asgi`.
    pub interface: String,
    /// The prefix of its mount. Empty for an application without a prefix.
    pub prefix: String,
    /// Requests whose responses are not complete.
    pub requests_in_flight: usize,
    /// WebSockets that are open.
    pub websockets_open: usize,
}

/// The threads of the WSGI pool. Each is in one state.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct ThreadsStatus {
    /// Threads that wait for a call.
    pub idle: usize,
    /// Threads that run a call.
    pub busy: usize,
    /// Threads that run a call whose client has left.
    pub orphaned: usize,
    /// Threads that wait for a client which takes nothing.
    pub stalled: usize,
    /// Calls that wait for a thread.
    pub queue_length: usize,
}

/// A running call.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CallStatus {
    /// The application.
    pub app: String,
    /// The method of the request.
    pub method: String,
    /// The route of the request. The path is not shown.
    pub route: String,
    /// How long it has run.
    pub seconds: f64,
}

/// Facts about the server that do not change while it runs.
#[derive(Debug)]
pub struct ServerFacts {
    began: SystemTime,
    addresses: Vec<String>,
    settings: Value,
}

impl ServerFacts {
    /// Facts about a server that listens on `addresses`.
    pub fn new(settings: &Settings, addresses: Vec<String>) -> Self {
        Self { began: SystemTime::now(), addresses, settings: shown(settings) }
    }

    /// The whole document. [`worker`] makes each of the `workers`.
    pub fn document(&self, state: &str, workers: Vec<Value>) -> Value {
        let apps = workers.iter().find_map(|worker| worker.get("apps").filter(|apps| apps.is_array()));
        let shares = workers.iter().find_map(|worker| worker.get("shares").filter(|shares| shares.is_array()));
        let shares = shares.cloned().unwrap_or_else(|| json!([]));
        let apps: Vec<_> = apps.and_then(Value::as_array).into_iter().flatten().map(described).collect();
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "state": state,
            "pid": std::process::id(),
            "started": timestamp(self.began),
            "uptime_seconds": self.began.elapsed().unwrap_or_default().as_secs_f64(),
            "addresses": self.addresses,
            "apps": apps,
            "shares": shares,
            "settings": self.settings,
            "workers": workers,
        })
    }
}

fn described(app: &Value) -> Value {
    json!({ "name": app["name"], "interface": app["interface"], "prefix": app["prefix"] })
}

/// The entry of a worker. `replied` says whether `status` is current.
pub fn worker(number: usize, state: &str, replied: bool, status: &ProcessStatus) -> Value {
    let mut value = serde_json::to_value(status).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        fields.insert("worker".to_owned(), number.into());
        fields.insert("state".to_owned(), state.into());
        fields.insert("answered".to_owned(), replied.into());
    }
    value
}

/// The settings that matter for monitoring. No secrets and no file names.
fn shown(settings: &Settings) -> Value {
    json!({
        "workers": settings.workers,
        "http": settings.http.word(),
        "tls": !settings.tls_cert.is_empty(),
        "wsgi_threads": settings.wsgi_threads,
        "wsgi_queue": settings.wsgi_queue,
        "wsgi_request_buffering": settings.wsgi_request_buffering.word(),
        "loop": settings.r#loop.word(),
        "io": settings.io.word(),
        "lifespan": settings.lifespan.word(),
        "limit_concurrency": settings.limit_concurrency,
        "max_body": settings.max_body,
        "max_request_line": settings.max_request_line,
        "max_header_section": settings.max_header_section,
        "max_header_fields": settings.max_header_fields,
        "request_buffer": settings.request_buffer,
        "response_buffer": settings.response_buffer,
        "response_spool": settings.response_spool,
        "h2_max_streams": settings.h2_max_streams,
        "ws_max_message": settings.ws_max_message,
        "ws_ping_interval": settings.ws_ping_interval.0.as_secs_f64(),
        "ws_ping_timeout": settings.ws_ping_timeout.0.as_secs_f64(),
        "header_timeout": settings.header_timeout.0.as_secs_f64(),
        "keep_alive_timeout": settings.keep_alive_timeout.0.as_secs_f64(),
        "queue_timeout": settings.queue_timeout.0.as_secs_f64(),
        "min_data_rate": settings.min_data_rate,
        "grace": settings.grace.0.as_secs_f64(),
        "stream_grace": settings.stream_grace.0.as_secs_f64(),
        "drain_delay": settings.drain_delay.0.as_secs_f64(),
    })
}
