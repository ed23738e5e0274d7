//! Every metric: its name, unit, labels and help text, and how the numbers of several processes are combined.
//!
//! The scrape, the totals of a supervisor and `docs/metrics.md`, which is generated, all use this list.

use serde::{Deserialize, Serialize};

/// The type of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows, even when workers end.
    Counter,
    /// A current value.
    Gauge,
    /// Durations in buckets. Only grows.
    Histogram,
}

/// How the numbers of several workers are combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merge {
    /// As their sum.
    Sum,
    /// Separately, with the worker as a label.
    Each,
}

/// The description of one metric.
#[derive(Debug, Clone, Copy)]
pub struct MetricDescription {
    /// Its name. That of a counter is without `_total`.
    pub name: &'static str,
    /// Its type.
    pub kind: MetricKind,
    /// How the numbers of workers are combined.
    pub merge: Merge,
    /// `seconds`, `bytes`, or the things that are counted.
    pub unit: &'static str,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// The help text, one sentence.
    pub help: &'static str,
}

macro_rules! families {
    ($($family:ident: $name:literal, $kind:ident, $merge:ident, $unit:literal, [$($label:literal),*], $help:literal;)*) => {
        /// A metric.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Family {
            $(#[doc = $help] $family,)*
        }

        /// All metrics, in the order of the output.
        pub const ALL: &[Family] = &[$(Family::$family,)*];

        impl Family {
            /// Its description.
            pub const fn description(self) -> MetricDescription {
                match self {
                    $(Self::$family => MetricDescription {
                        name: $name,
                        kind: MetricKind::$kind,
                        merge: Merge::$merge,
                        unit: $unit,
                        labels: &[$($label),*],
                        help: $help,
                    },)*
                }
            }
        }
    };
}

families! {
    Requests: "rsgi_http_requests", Counter, Sum, "requests", ["app", "route", "method", "status"],
        "Completed requests, including WebSocket handshakes";
    Duration: "rsgi_http_request_duration_seconds", Histogram, Sum, "seconds", ["app", "route"],
        "Time from the end of a request head to the last byte of the response";
    Queue: "rsgi_http_request_queue_seconds", Histogram, Sum, "seconds", ["app", "route"],
        "Time from the end of a request head to the call of the application: waiting for the body, a thread or the event loop";
    RequestBytes: "rsgi_http_request_body_bytes", Counter, Sum, "bytes", ["app", "route"],
        "Bytes of request bodies that were read";
    ResponseBytes: "rsgi_http_response_body_bytes", Counter, Sum, "bytes", ["app", "route"],
        "Bytes of response bodies that were passed to connections";
    InFlight: "rsgi_http_requests_in_flight", Gauge, Sum, "requests", ["app"],
        "Requests whose responses are not complete";
    Calls: "rsgi_calls_running", Gauge, Sum, "calls", ["app"],
        "Calls of the application that wait or run, even if their clients have left";
    Refusals: "rsgi_http_refusals", Counter, Sum, "requests", ["reason"],
        "Requests that the server refused without the application";
    WebSockets: "rsgi_websockets", Counter, Sum, "WebSockets", ["app"],
        "Accepted WebSockets";
    WebSocketsOpen: "rsgi_websockets_open", Gauge, Sum, "WebSockets", ["app"],
        "Open WebSockets";
    Connections: "rsgi_connections", Counter, Sum, "connections", ["protocol"],
        "Connections by protocol";
    ConnectionsOpen: "rsgi_connections_open", Gauge, Sum, "connections", ["protocol"],
        "Open connections by protocol, without those that became WebSockets";
    AcceptFailures: "rsgi_accept_failures", Counter, Sum, "failures", [],
        "Failures to accept a connection, mostly because descriptors ran out";
    TlsFailures: "rsgi_tls_failures", Counter, Sum, "connections", ["reason"],
        "Connections that ended before they were encrypted";
    ProxyFailures: "rsgi_proxy_header_failures", Counter, Sum, "connections", [],
        "Connections of trusted proxies without the expected PROXY header";
    Threads: "rsgi_wsgi_threads", Gauge, Sum, "threads", ["state"],
        "Threads of the WSGI pool: idle, busy, orphaned (busy for a client that has left) or stalled (busy for a client that reads nothing)";
    QueueLength: "rsgi_wsgi_queue_length", Gauge, Sum, "calls", [],
        "WSGI calls that wait for a thread";
    LoopLag: "rsgi_event_loop_lag_seconds", Gauge, Each, "seconds", ["worker"],
        "Delay of the event loop, measured every second";
    Memory: "rsgi_process_resident_memory_bytes", Gauge, Each, "bytes", ["worker"],
        "Resident memory of the process";
    Started: "rsgi_process_start_time_seconds", Gauge, Each, "seconds", ["worker"],
        "Start time of the process, in seconds since 1970";
    WorkerUp: "rsgi_worker_up", Gauge, Each, "flag", ["worker"],
        "Whether the worker answered this scrape; if not, its numbers are the last known ones";
    Workers: "rsgi_workers", Gauge, Sum, "processes", ["state"],
        "Serving processes by state: starting, serving or leaving; wanted is the target number";
    Restarts: "rsgi_worker_restarts", Counter, Sum, "processes", ["reason"],
        "Workers that were replaced";
    RuleShare: "rsgi_rule_share_ratio", Gauge, Each, "ratio", ["app", "rule", "worker"],
        "Share of the clients that a rule is for, from 0 to 1";
    RolledBack: "rsgi_rule_rolled_back", Gauge, Each, "flag", ["app", "rule", "worker"],
        "Whether the share of a rule with a rollback was rolled back and not set again";
    RuleRequests: "rsgi_rule_requests", Counter, Sum, "requests", ["app", "rule", "side", "result"],
        "Requests that the share of a rule with a rollback decided: inside or outside the share, ok or failed";
    ShadowSent: "rsgi_shadow_requests", Counter, Sum, "requests", ["app"],
        "Shadow requests that an application got, including repeated ones";
    ShadowDropped: "rsgi_shadow_dropped", Counter, Sum, "requests", ["reason"],
        "Requests of the sample of shadow traffic that were not compared";
    ShadowCompared: "rsgi_shadow_compared", Counter, Sum, "requests", [],
        "Requests whose responses from both applications were compared";
    ShadowDiffering: "rsgi_shadow_differing", Counter, Sum, "requests", [],
        "Compared requests whose responses differ";
    Info: "rsgi_build_info", Gauge, Sum, "flag", ["version"],
        "Always 1; the label is the version of the server";
}

/// Every metric for `docs/metrics.md`: name in the output, type, unit, labels, help text.
pub fn documented() -> Vec<(String, &'static str, &'static str, Vec<&'static str>, &'static str)> {
    let row = |family: &Family| {
        let MetricDescription { name, kind, unit, labels, help, .. } = family.description();
        let (name, kind) = match kind {
            MetricKind::Counter => (format!("{name}_total"), "counter"),
            MetricKind::Gauge => (name.to_owned(), "gauge"),
            MetricKind::Histogram => (name.to_owned(), "histogram"),
        };
        (name, kind, unit, labels.to_vec(), help)
    };
    ALL.iter().map(row).collect()
}
