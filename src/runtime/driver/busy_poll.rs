//! Polls the sockets for a while before the driving thread sleeps (`--busy-poll`).
//!
//! It is a task of the runtime that yields again and again. While a task yields, tokio polls the sockets without
//! waiting. This saves the time to wake the thread, which is most of the time of a single request. In return, the
//! processor is busy during short pauses between requests.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use futures::task::AtomicWaker;

/// How long to poll, and the time of the last activity.
#[derive(Debug)]
pub struct BusyPoll {
    began: Instant,
    /// The time of the last activity, in nanoseconds since `began`.
    active: AtomicU64,
    timeout: u64,
    looker: AtomicWaker,
}

impl BusyPoll {
    /// Polls for `timeout` after the last activity.
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

    /// Notes activity: a request or a response.
    pub fn active(&self) {
        self.active.store(self.now(), Ordering::Relaxed);
        self.looker.wake();
    }

    /// Yields again and again after activity. Otherwise sleeps until there is some.
    pub async fn look(self: Arc<Self>) {
        loop {
            while self.is_recent() {
                // Lets another thread use the processor.
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
