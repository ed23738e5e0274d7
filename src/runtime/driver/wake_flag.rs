//! Wakes the thread that handles a queue, unless it is sure to look anyway.
//!
//! Both queues between tokio and the applications use it. Waking a thread costs a system call, and most of the time the
//! thread is already awake or about to look.

use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;

use futures::task::AtomicWaker;

/// Wakes the listener of one queue. Who puts something in notifies; who empties it listens first.
#[derive(Debug, Default)]
pub struct WakeFlag {
    /// Somebody will look: a wake is on its way, or nobody waits to be woken.
    notified: AtomicBool,
    listener: AtomicWaker,
}

impl WakeFlag {
    /// Says that something is in the queue. Never blocks, from any thread.
    pub fn notify(&self) {
        if !self.notified.swap(true, Ordering::AcqRel) {
            self.listener.wake();
        }
    }

    /// From now on `listener` is woken. To be called before the queue is emptied: what comes later notifies again.
    pub fn listen(&self, listener: &Waker) {
        self.listener.register(listener);
        // Read and written at once: whoever notified before this has put something in that is seen after it.
        self.notified.swap(false, Ordering::AcqRel);
    }

    /// From now on nobody is woken: the listener is busy, and listens again when it is not.
    pub fn suppress(&self) {
        self.notified.store(true, Ordering::Release);
    }
}
