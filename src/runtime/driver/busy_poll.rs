//! Polls the sockets for a while before the driving thread sleeps (`--busy-poll`).
//!
//! It is a task of the runtime that yields. While a task yields, tokio polls the sockets without waiting. Waking up takes
//! most of the time of a single request. The price is a processor that is never idle between requests that follow each
//! other closely.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use futures::task::AtomicWaker;

/// How long to look, and since when there was nothing.
#[derive(Debug)]
pub struct BusyPoll {
    began: Instant,
    /// When there was something last, in nanoseconds since `began`.
    active: AtomicU64,
    timeout: u64,
    looker: AtomicWaker,
}

impl BusyPoll {
    /// Looks for `timeout` after the last activity.
    pub fn new(timeout: Duration) -> Arc<Self> {
        let timeout = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
        Arc::new(Self { began: Instant::now(), active: AtomicU64::new(0), timeout, looker: AtomicWaker::new() })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn is_recent(&self) -> bool {
        self.now().saturating_sub(self.active.load(Ordering::Relaxed)) < self.timeout
    }

    /// There was something: a request, or an answer.
    pub fn active(&self) {
        self.active.store(self.now(), Ordering::Relaxed);
        self.looker.wake();
    }

    /// Yields while there was something a moment ago, and sleeps until there is.
    pub async fn look(self: Arc<Self>) {
        loop {
            while self.is_recent() {
                // Whoever else wants the processor may have it.
                std::thread::yield_now();
                tokio::task::yield_now().await;
            }
            poll_fn(|context| {
                self.looker.register(context.waker());
                if self.is_recent() { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        }
    }
}
