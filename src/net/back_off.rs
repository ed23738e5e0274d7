//! Handles errors of `accept`. A client that has left needs nothing. If descriptors or memory run out, the listener
//! waits.
//!
//! It logs once when this starts and once when it is over, however often `accept` is tried.
//!
//! Spec: accept(2), "ERRORS".

use std::io::{Error, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::metrics::{Event, Metrics};

/// The pause before the next attempt.
const PAUSE: Duration = Duration::from_millis(100);

/// The trouble is over after this time without an error. Shorter pauses do not count: when connections close one by
/// one, others are accepted one by one.
const QUIET: Duration = Duration::from_secs(1);

/// The errors of one socket.
#[derive(Debug)]
pub struct BackOff {
    url: String,
    metrics: Option<Arc<Metrics>>,
    trouble: Option<Trouble>,
}

#[derive(Debug)]
struct Trouble {
    began: Instant,
    last: Instant,
}

impl BackOff {
    /// For the socket at `url`.
    pub fn new(url: String, metrics: Option<Arc<Metrics>>) -> Self {
        Self { url, metrics, trouble: None }
    }

    /// Handles an error. Waits if that helps.
    pub async fn failed(&mut self, error: &Error) {
        if is_of_one_connection(error) {
            return;
        }
        self.metrics.iter().for_each(|metrics| metrics.count(Event::AcceptFailed));
        let now = Instant::now();
        if self.trouble.is_none() {
            crate::log::line(format_args!(
                "error: cannot accept connections on {}: {error}; they wait, and rsgi tries again every {} ms",
                self.url,
                PAUSE.as_millis()
            ));
        }
        self.trouble.get_or_insert(Trouble { began: now, last: now }).last = now;
        tokio::time::sleep(PAUSE).await;
    }

    /// Waits until there has been no error for a while, and logs that. If there was none, never ends.
    pub async fn over(&mut self) {
        let Some(Trouble { began, last }) = self.trouble else { return std::future::pending().await };
        tokio::time::sleep_until(last + QUIET).await;
        let seconds = (last - began).as_secs_f64();
        crate::log::line(format_args!("connections on {} are accepted again, after {seconds:.1} s", self.url));
        self.trouble = None;
    }
}

/// Whether the error concerns only this connection: the client gave up or the network failed. The next one may be
/// accepted at once.
fn is_of_one_connection(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted)
}
