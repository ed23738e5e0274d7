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

/// What one process says of itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// For metrics.
    pub samples: Vec<Sample>,
    /// For people.
    pub status: ProcessStatus,
    /// What the comparison of shadow traffic says, as JSON; `None` without shadow traffic.
    pub shadow: Option<String>,
    /// For the judge of rollbacks, if this is for the supervisor.
    pub watched: Vec<Watched>,
}

/// One process that serves.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProcessStatus {
    /// Its process id.
    pub pid: u32,
    /// `starting`, `serving` or `draining`.
    pub state: String,
    /// For how long it has run.
    pub uptime_seconds: f64,
    /// What it serves.
    pub apps: Vec<AppStatus>,
    /// The threads of the WSGI pool, if there is one.
    pub wsgi_threads: Option<ThreadsStatus>,
    /// How long the event loop takes to get to something new, if there is one.
    pub event_loop_lag_seconds: Option<f64>,
    /// Bytes of its memory that are resident, where the system says.
    pub resident_memory_bytes: Option<u64>,
    /// The rules with a share.
    pub shares: Vec<ShareStatus>,
    /// How many calls run.
    pub calls_running: usize,
    /// The oldest of them.
    pub calls: Vec<CallStatus>,
}

/// One application.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AppStatus {
    /// Its name.
    pub name: String,
    /// `wsgi` or `asgi`.
    pub interface: String,
    /// Where it is mounted; empty for what nobody else claims.
    pub prefix: String,
    /// Requests whose responses are not complete.
    pub requests_in_flight: usize,
    /// WebSockets that are open.
    pub websockets_open: usize,
}

/// The threads of the WSGI pool, each in one state.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct ThreadsStatus {
    /// They wait for a call.
    pub idle: usize,
    /// They run one.
    pub busy: usize,
    /// They run one whose client has left.
    pub orphaned: usize,
    /// They wait for a client that takes nothing.
    pub stalled: usize,
    /// Calls that wait for a thread.
    pub queue_length: usize,
}

/// A call that runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CallStatus {
    /// The application.
    pub app: String,
    /// The method of the request.
    pub method: String,
    /// The route, not the path.
    pub route: String,
    /// For how long it has run.
    pub seconds: f64,
}

/// What is true of the whole server from its start on.
#[derive(Debug)]
pub struct ServerFacts {
    began: SystemTime,
    addresses: Vec<String>,
    settings: Value,
}

impl ServerFacts {
    /// A server that listens on `addresses`.
    pub fn new(settings: &Settings, addresses: Vec<String>) -> Self {
        Self { began: SystemTime::now(), addresses, settings: shown(settings) }
    }

    /// The whole document. Each of the `workers` is what [`worker`] makes.
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

/// A worker in the document; `answered` says whether `status` is of now.
pub fn worker(number: usize, state: &str, answered: bool, status: &ProcessStatus) -> Value {
    let mut value = serde_json::to_value(status).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        fields.insert("worker".to_owned(), number.into());
        fields.insert("state".to_owned(), state.into());
        fields.insert("answered".to_owned(), answered.into());
    }
    value
}

/// The settings that matter to who watches. Names, numbers and words; nothing that is secret, and no file.
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
