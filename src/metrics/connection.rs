//! Connections by protocol: how many there were, and how many are open.
//!
//! `event.rs` has things that only happen. Connections also end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::family::Family;
use super::sample::Sample;
use super::{Event, Metrics};

/// The protocol of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.0 or HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// The number of open connections.
#[derive(Debug, Default)]
pub(super) struct Open {
    http1: AtomicUsize,
    http2: AtomicUsize,
}

impl Open {
    fn of(&self, protocol: Protocol) -> &AtomicUsize {
        match protocol {
            Protocol::Http1 => &self.http1,
            Protocol::Http2 => &self.http2,
        }
    }

    pub(super) fn samples(&self, samples: &mut Vec<Sample>) {
        for (label, open) in [("http/1", &self.http1), ("http/2", &self.http2)] {
            let open = open.load(Ordering::Relaxed);
            samples.push(Sample::count(Family::ConnectionsOpen, &[("protocol", label)], open));
        }
    }
}

/// An open connection. It counts as open until this is dropped.
#[derive(Debug)]
pub struct OpenConnection {
    metrics: Arc<Metrics>,
    protocol: Protocol,
}

impl OpenConnection {
    /// Counts a connection.
    pub fn new(metrics: &Arc<Metrics>, protocol: Protocol) -> Self {
        metrics.count(match protocol {
            Protocol::Http1 => Event::Http1Begun,
            Protocol::Http2 => Event::Http2Begun,
        });
        metrics.open.of(protocol).fetch_add(1, Ordering::Relaxed);
        Self { metrics: Arc::clone(metrics), protocol }
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.metrics.open.of(self.protocol).fetch_sub(1, Ordering::Relaxed);
    }
}
