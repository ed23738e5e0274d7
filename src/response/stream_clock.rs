//! How the client takes the response of one HTTP/2 stream: the clock that hyper does not have.
//!
//! A response finds its clock through the task that it runs in. So the response does not know whether there is a stream.
//! Over HTTP/1 there is no clock; the connection has one.
//!
//! Spec: RFC 9113 5.2.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Context;

use futures::task::AtomicWaker;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::wire::{DataRate, Limits};

/// How much of a response hyper gets at a time: what it has not sent is not ours any more, and no clock watches it. As
/// long as a frame may be, so that no frame is shorter for it.
pub const PIECE: usize = 16 * 1024;

/// `None` is for ever.
pub type Until = Option<Instant>;

tokio::task_local! {
    static CLOCK: Arc<StreamClock>;
}

/// How the client takes the response of one stream. The connection's flow control says when it has; only here is a clock.
#[derive(Debug)]
pub struct StreamClock {
    data_rate: Mutex<DataRate>,
    answered: AtomicBool,
    /// The application gives the response up, because the client takes nothing of it and others need the thread.
    given_up: AtomicBool,
    task: AtomicWaker,
    /// What sends on the stream after it has become a WebSocket.
    sender: OnceLock<AbortHandle>,
}

impl StreamClock {
    /// A stream that has just begun.
    pub fn new(limits: &Limits) -> Self {
        Self {
            data_rate: Mutex::new(DataRate::new(limits)),
            answered: AtomicBool::new(false),
            given_up: AtomicBool::new(false),
            task: AtomicWaker::new(),
            sender: OnceLock::new(),
        }
    }

    /// The clock of the stream whose task this is; there is none over HTTP/1.
    pub fn current() -> Option<Arc<Self>> {
        CLOCK.try_with(Arc::clone).ok()
    }

    /// Runs a step of the stream's task, in which [`Self::current`] finds `clock`.
    pub fn watch<T>(clock: &Arc<Self>, step: impl FnOnce() -> T) -> T {
        CLOCK.sync_scope(Arc::clone(clock), step)
    }

    /// Whether the response has begun.
    pub fn is_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    /// The stream is a WebSocket now, and `sender` is the task that sends on it. A stream is upgraded once.
    pub fn sent_by(&self, sender: AbortHandle) {
        let _set = self.sender.set(sender);
    }

    /// The response has begun.
    pub fn answered(&self) {
        self.answered.store(true, Ordering::Relaxed);
    }

    /// hyper wants more: the client has taken what was handed over.
    pub fn took(&self) {
        self.data_rate().moved(0);
    }

    /// The client has to take `bytes` now.
    pub fn handed(&self, bytes: usize) {
        self.data_rate().hand(bytes);
    }

    /// Resets a stream that has become a WebSocket, unless it has ended in order.
    pub fn cut(&self) {
        if let Some(sender) = self.sender.get() {
            sender.abort();
        }
    }

    /// Does not wait for the client any longer.
    pub fn give_up(&self) {
        self.given_up.store(true, Ordering::Release);
        self.task.wake();
    }

    /// Whether the application has given the response up. If not, `context` hears of it.
    pub fn is_given_up(&self, context: &Context<'_>) -> bool {
        self.task.register(context.waker());
        self.given_up.load(Ordering::Acquire)
    }

    /// Until when the client may take nothing; `None` when it is not waited for.
    pub fn timeout(&self) -> Option<Until> {
        let mut data_rate = self.data_rate();
        data_rate.is_waiting().then(|| data_rate.wait())
    }

    fn data_rate(&self) -> MutexGuard<'_, DataRate> {
        self.data_rate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
