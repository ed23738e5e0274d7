//! The numbers of calls and threads of a pool.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The numbers of a pool at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub struct PoolStats {
    /// Running calls.
    pub running: usize,
    /// Calls that wait for a thread.
    pub waiting: usize,
    /// Running calls whose client has left. Includes `overdue`.
    pub orphaned: usize,
    /// Running calls that were given up because they took too long.
    pub overdue: usize,
    /// Running calls that have waited for a client that does not read.
    pub stalled: usize,
    /// Spare threads, which replace those of orphaned and stalled calls.
    pub spare: usize,
}

/// The counters of a pool. They change without a lock.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Calls that wait for a thread.
    pub(super) waiting: AtomicUsize,
    /// Running calls.
    pub(super) running: AtomicUsize,
    /// Running calls whose response was sent.
    pub(super) responded: AtomicUsize,
    /// Running calls whose client has left.
    pub(super) orphaned: AtomicUsize,
    /// Orphaned calls that were given up because they took too long.
    pub(super) overdue: AtomicUsize,
    /// Running calls that have waited for a client that does not read.
    pub(super) stalled: AtomicUsize,
    /// Spare threads.
    pub(super) spare: AtomicUsize,
    /// Threads started so far. The next thread gets the next number as its name.
    pub(super) started: AtomicUsize,
    /// Calls begun so far.
    pub(super) begun: AtomicUsize,
    /// Calls refused so far, because the queue was full or they waited in it for too long.
    pub(super) refused: AtomicUsize,
}

impl Counts {
    /// The numbers now.
    pub(super) fn stats(&self) -> PoolStats {
        PoolStats {
            running: self.running.load(Ordering::Acquire),
            waiting: self.waiting.load(Ordering::Acquire),
            orphaned: self.orphaned.load(Ordering::Acquire),
            overdue: self.overdue.load(Ordering::Acquire),
            stalled: self.stalled.load(Ordering::Acquire),
            spare: self.spare.load(Ordering::Acquire),
        }
    }
}
