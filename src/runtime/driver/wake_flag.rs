//! Wakes the thread that handles a queue, unless that thread looks at the queue anyway.
//!
//! To wake a thread costs a system call. Most of the time, the thread is awake already or about to look. Both queues
//! between tokio and the applications use this.

use std::task::Waker;

#[cfg(not(loom))]
use futures::task::AtomicWaker;
#[cfg(loom)]
use loom::{future::AtomicWaker, sync::atomic::AtomicBool, sync::atomic::Ordering};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicBool, Ordering};

/// Wakes the thread that empties one queue. Senders call `notify` after they push. The receiver calls `listen` before
/// it pops.
#[derive(Debug, Default)]
pub struct WakeFlag {
    /// No wake is needed: one is on its way, or the receiver will look by itself.
    notified: AtomicBool,
    listener: AtomicWaker,
}

impl WakeFlag {
    /// Tells the receiver that the queue has an item. Never blocks, from any thread.
    pub fn notify(&self) {
        if !self.notified.swap(true, Ordering::AcqRel) {
            self.listener.wake();
        }
    }

    /// From now on, wakes `listener`. Call this before the queue is emptied. An item that is pushed later notifies
    /// again.
    pub fn listen(&self, listener: &Waker) {
        #[cfg(not(loom))]
        self.listener.register(listener);
        #[cfg(loom)]
        self.listener.register_by_ref(listener);
        // A read and a write in one operation. So the receiver sees the items of all senders that notified before this.
        self.notified.swap(false, Ordering::AcqRel);
    }

    /// From now on, wakes nobody. The receiver is busy, and calls `listen` when it is not.
    pub fn suppress(&self) {
        self.notified.store(true, Ordering::Release);
    }
}
