//! The state of a call.
//!
//! Three sides change it: the thread that runs the call, the client that waits or leaves, and the response, which is
//! sent or stalls.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;

use super::Pool;

/// The state of a call, shared by the pool and the connection.
#[derive(Debug, Clone)]
pub struct JobHandle(Arc<JobState>);

#[derive(Debug)]
struct JobState {
    pool: Weak<Pool>,
    stage: AtomicU8,
    /// A message about the call for the operator.
    remark: OnceLock<String>,
    /// When the call began, and on which thread. `None` if that is not recorded.
    taken: Option<OnceLock<Taken>>,
}

/// When a thread began a call, and which thread.
#[derive(Debug, Clone, Copy)]
pub struct Taken {
    /// When the call began.
    pub at: Instant,
    /// The `threading.get_ident()` of the thread.
    pub(super) thread: u64,
}

pub(super) const QUEUED: u8 = 0;
pub(super) const RUNNING: u8 = 1;
/// The call runs, and its client has left.
const ORPHANED: u8 = 2;
/// The call runs, and its response was sent. Its thread counts as free, and nobody waits for the call.
const RESPONDED: u8 = 3;
const OVER: u8 = 4;
/// The call runs, and has waited for a client that does not read.
pub(super) const STALLED: u8 = 5;
/// The call runs, and was given up because it took too long. It also counts as orphaned.
pub(super) const OVERDUE: u8 = 6;

impl JobHandle {
    /// The handle of a call that waits in `pool`. `timed` says whether its start time is recorded.
    pub(super) fn new(pool: Weak<Pool>, timed: bool) -> Self {
        let taken = timed.then(OnceLock::new);
        let state = JobState { pool, stage: AtomicU8::new(QUEUED), remark: OnceLock::new(), taken };
        Self(Arc::new(state))
    }

    /// The pool, if it still exists.
    pub(super) fn pool(&self) -> Option<Arc<Pool>> {
        self.0.pool.upgrade()
    }

    pub(super) fn advance(&self, from: u8, to: u8) -> bool {
        self.0.stage.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Begins the call. Returns `false` if it was withdrawn before.
    pub(super) fn begin(&self, thread: u64) -> bool {
        if let Some(taken) = &self.0.taken {
            taken.get_or_init(|| Taken { at: Instant::now(), thread });
        }
        self.advance(QUEUED, RUNNING)
    }

    /// When the call began, and on which thread. `None` before that, and if it is not recorded.
    pub fn taken(&self) -> Option<Taken> {
        self.0.taken.as_ref()?.get().copied()
    }

    /// Whether the call runs and its client has left, or seems to have left.
    pub fn is_orphaned(&self) -> bool {
        self.0.stage.load(Ordering::Acquire) == ORPHANED
    }

    /// Whether the call runs and was given up.
    pub(super) fn is_overdue(&self) -> bool {
        self.0.stage.load(Ordering::Acquire) == OVERDUE
    }

    /// Withdraws the call from the queue. Returns `false` if it has begun.
    pub fn withdraw(&self) -> bool {
        self.advance(QUEUED, OVER)
    }

    /// Withdraws the call because it has waited too long, and counts that. Returns `false` if it has begun.
    pub fn refuse(&self) -> bool {
        let withdrawn = self.withdraw();
        if let Some(pool) = self.pool().filter(|_| withdrawn) {
            pool.counts.refused.fetch_add(1, Ordering::AcqRel);
        }
        withdrawn
    }

    /// Sets the message for the operator, once.
    pub fn remark(&self, remark: String) {
        // The first message stays.
        let _earlier = self.0.remark.set(remark);
    }

    /// The message for the operator, which is logged when the call has ended.
    pub fn remarked(&self) -> Option<&str> {
        self.0.remark.get().map(String::as_str)
    }

    /// Notes that the response was sent, even if the call still runs. From now on, its thread counts as free, and a
    /// client that leaves does not make the call orphaned.
    pub fn responded(&self) {
        if let Some(pool) = self.pool() {
            // Counted first, because the end of the call subtracts it again.
            pool.counts.responded.fetch_add(1, Ordering::AcqRel);
            if !self.advance_running(&pool, RESPONDED) {
                pool.counts.responded.fetch_sub(1, Ordering::AcqRel);
            }
        }
    }

    /// Notes that the client has left. A waiting call is withdrawn (returns `true`). A running call counts as orphaned
    /// until it ends.
    pub fn leave(&self) -> bool {
        let withdrawn = self.withdraw();
        if !withdrawn && let Some(pool) = self.pool() {
            // Counted first, because the call may end at any moment and then subtracts it again.
            pool.counts.orphaned.fetch_add(1, Ordering::AcqRel);
            if self.advance_running(&pool, ORPHANED) {
                pool.start_spare();
            } else {
                pool.counts.orphaned.fetch_sub(1, Ordering::AcqRel);
            }
        }
        withdrawn
    }

    /// Changes the state of a running call, stalled or not. Returns `false` if the call does not run or its client does
    /// not wait any more.
    pub(super) fn advance_running(&self, pool: &Pool, to: u8) -> bool {
        let running = |stage: u8| matches!(stage, RUNNING | STALLED).then_some(to);
        let stage = self.0.stage.fetch_update(Ordering::AcqRel, Ordering::Acquire, running);
        if stage == Ok(STALLED) {
            pool.counts.stalled.fetch_sub(1, Ordering::AcqRel);
        }
        stage.is_ok()
    }

    /// Notes that the call has ended.
    pub(super) fn end(&self, pool: &Pool) {
        if self.advance(RESPONDED, OVER) {
            pool.counts.responded.fetch_sub(1, Ordering::AcqRel);
        } else if self.advance_running(pool, OVER) {
        } else if self.advance(ORPHANED, OVER) {
            pool.counts.orphaned.fetch_sub(1, Ordering::AcqRel);
        } else if self.advance(OVERDUE, OVER) {
            pool.counts.overdue.fetch_sub(1, Ordering::AcqRel);
            pool.counts.orphaned.fetch_sub(1, Ordering::AcqRel);
        }
    }
}
