//! Measures how fast the client takes the response of one HTTP/2 stream. hyper does not measure this.
//!
//! A response finds its clock through the task that it runs in, so it need not know whether there is a stream. Over
//! HTTP/1 there is no such clock, because the connection has its own.
//!
//! Spec: RFC 9113 5.2.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Context;

use futures::task::AtomicWaker;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::wire::{DataRate, Limits};

/// How many bytes hyper gets at a time. After that, no clock watches them. It is the default frame size, so frames do
/// not become shorter.
pub const PIECE: usize = 16 * 1024;

/// A deadline; `None` means none.
pub type Until = Option<Instant>;

tokio::task_local! {
    static CLOCK: Arc<StreamClock>;
}

/// The clock of one stream. hyper asks for more bytes when flow control lets it send, which shows what the client has
/// taken.
#[derive(Debug)]
pub struct StreamClock {
    data_rate: Mutex<DataRate>,
    begun: AtomicBool,
    /// The application gave the response up, because the client takes nothing and other requests need the thread.
    given_up: AtomicBool,
    task: AtomicWaker,
    /// The task that sends on the stream after it has become a WebSocket.
    sender: OnceLock<AbortHandle>,
}

impl StreamClock {
    /// The clock of a new stream.
    pub fn new(limits: &Limits) -> Self {
        Self {
            data_rate: Mutex::new(DataRate::new(limits)),
            begun: AtomicBool::new(false),
            given_up: AtomicBool::new(false),
            task: AtomicWaker::new(),
            sender: OnceLock::new(),
        }
    }

    /// The clock of the stream of the current task. `None` over HTTP/1.
    pub fn current() -> Option<Arc<Self>> {
        CLOCK.try_with(Arc::clone).ok()
    }

    /// Runs a step of the stream's task. Inside it, [`Self::current`] returns `clock`.
    pub fn watch<T>(clock: &Arc<Self>, step: impl FnOnce() -> T) -> T {
        CLOCK.sync_scope(Arc::clone(clock), step)
    }

    /// Whether the response has begun.
    pub fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed)
    }

    /// Notes that the stream is a WebSocket now, and that the task `sender` sends on it. A stream is upgraded at most
    /// once.
    pub fn sent_by(&self, sender: AbortHandle) {
        let _set = self.sender.set(sender);
    }

    /// Notes that the response has begun.
    pub fn begin(&self) {
        self.begun.store(true, Ordering::Relaxed);
    }

    /// hyper asks for more, so the client has taken what was handed over.
    pub fn took(&self) {
        self.data_rate().moved(0);
    }

    /// Notes that the client has to take `bytes` now.
    pub fn handed(&self, bytes: usize) {
        self.data_rate().hand(bytes);
    }

    /// Resets a stream that has become a WebSocket, unless it has ended normally.
    pub fn cut(&self) {
        if let Some(sender) = self.sender.get() {
            sender.abort();
        }
    }

    /// Stops waiting for the client.
    pub fn give_up(&self) {
        self.given_up.store(true, Ordering::Release);
        self.task.wake();
    }

    /// Whether the application gave the response up. If not, `context` is woken when it does.
    pub fn is_given_up(&self, context: &Context<'_>) -> bool {
        self.task.register(context.waker());
        self.given_up.load(Ordering::Acquire)
    }

    /// How long the client may take nothing. `None` if rsgi is not waiting for the client.
    pub fn timeout(&self) -> Option<Until> {
        let mut data_rate = self.data_rate();
        data_rate.is_waiting().then(|| data_rate.wait())
    }

    fn data_rate(&self) -> MutexGuard<'_, DataRate> {
        self.data_rate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
