//! Counters of single events: connections, failed handshakes, refusals.
//!
//! Unlike in `route_series.rs`, the set of labels is fixed. Each event is one number in an array.

use std::sync::atomic::{AtomicU64, Ordering};

use super::family::Family;
use super::sample::{Sample, Value};

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident: $family:ident $(, $label:literal = $value:literal)?;)*) => {
        /// An event that is counted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(usize)]
        pub enum Event {
            $($(#[$doc])* $name,)*
        }

        /// The family of each event, and its label if there is one, in the order of the enumeration.
        const EVENTS: &[(Family, &[(&str, &str)])] = &[$((Family::$family, &[$(($label, $value))?]),)*];
    };
}

events! {
    /// A connection speaks HTTP/1.
    Http1Begun: Connections, "protocol" = "http/1";
    /// A connection speaks HTTP/2.
    Http2Begun: Connections, "protocol" = "http/2";
    /// A connection could not be accepted.
    AcceptFailed: AcceptFailures;
    /// A client took too long for its TLS handshake.
    TlsTimeout: TlsFailures, "reason" = "timeout";
    /// A TLS handshake failed, or the client left.
    TlsHandshake: TlsFailures, "reason" = "handshake";
    /// A client sent HTTP without TLS to an HTTPS port.
    TlsNone: TlsFailures, "reason" = "plain_http";
    /// A trusted proxy sent no valid PROXY header.
    ProxyHeader: ProxyFailures;
    /// 400.
    Malformed: Refusals, "reason" = "malformed";
    /// 408.
    TooSlow: Refusals, "reason" = "too_slow";
    /// 413.
    BodyTooLarge: Refusals, "reason" = "body_too_large";
    /// 414.
    RequestLineTooLong: Refusals, "reason" = "request_line_too_long";
    /// 431.
    HeaderTooLarge: Refusals, "reason" = "header_too_large";
    /// 404: no application serves the path, or none accepts a WebSocket there.
    NoApplication: Refusals, "reason" = "no_application";
    /// 505.
    HttpVersion: Refusals, "reason" = "http_version";
    /// 507.
    Storage: Refusals, "reason" = "storage";
    /// 503: the application has as many requests as `--limit-concurrency` allows.
    Concurrency: Refusals, "reason" = "concurrency";
    /// 503: the queue (`--wsgi-queue`) is full.
    QueueFull: Refusals, "reason" = "queue_full";
    /// 503: no thread was free within `--queue-timeout`.
    QueueTimeout: Refusals, "reason" = "queue_timeout";
    /// 503: the process is out of descriptors for static files.
    OpenFiles: Refusals, "reason" = "open_files";
    /// 504: the response did not begin within `--request-timeout`.
    RequestTimeout: Refusals, "reason" = "request_timeout";
    /// Any other refusal.
    OtherRefusal: Refusals, "reason" = "other";
}

/// The counter of each event.
#[derive(Debug)]
pub(super) struct Events([AtomicU64; EVENTS.len()]);

impl Default for Events {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Events {
    pub(super) fn count(&self, event: Event) {
        if let Some(number) = self.0.get(event as usize) {
            number.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// All counters, also those at zero, so that monitoring sees the first increase.
    pub(super) fn samples(&self, samples: &mut Vec<Sample>) {
        for (number, (family, labels)) in self.0.iter().zip(EVENTS) {
            samples.push(Sample::new(*family, labels, Value::Count(number.load(Ordering::Relaxed))));
        }
    }
}
