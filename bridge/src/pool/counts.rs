//! What a pool counts of its calls and threads.

use std::sync::atomic::{AtomicUsize, Ordering};

/// What the threads of a pool are and do at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub struct PoolStats {
    /// Calls that run.
    pub running: usize,
    /// Calls that wait for a thread.
    pub waiting: usize,
    /// Calls that run for a client that has left.
    pub orphaned: usize,
    /// Those of them that were given up for taking too long.
    pub overdue: usize,
    /// Calls that run and had to wait for a client that takes nothing.
    pub stalled: usize,
    /// Threads that take the place of those with orphaned and stalled calls.
    pub spare: usize,
}

/// What a pool counts. Each number is changed where something happens, without a lock.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Calls that wait for a thread.
    pub(super) waiting: AtomicUsize,
    /// Calls that run.
    pub(super) running: AtomicUsize,
    /// Those whose answer is out.
    pub(super) answered: AtomicUsize,
    /// Those whose client has left.
    pub(super) orphaned: AtomicUsize,
    /// Those of them that were given up.
    pub(super) overdue: AtomicUsize,
    /// Those that had to wait for a client.
    pub(super) stalled: AtomicUsize,
    /// Threads that take the place of others.
    pub(super) spare: AtomicUsize,
    /// Threads started so far; their names count on.
    pub(super) started: AtomicUsize,
    /// Calls that were begun so far.
    pub(super) begun: AtomicUsize,
    /// Calls that found the queue full so far, or did not wait for their turn.
    pub(super) refused: AtomicUsize,
}

impl Counts {
    /// All that others may see, now.
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
