//! How far a call has come.
//!
//! Kept apart from the pool because three sides move a call on: the thread that runs it, the client that waits or leaves, and the
//! response that is out or has nowhere to go.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;

use super::Pool;
use super::overdue::Taken;

/// How far a call has come, and whether anybody waits for it still: the pool's side and the client's each move it on once.
#[derive(Debug, Clone)]
pub struct JobHandle {
    state: Arc<JobState>,
    pub(super) pool: Weak<Pool>,
}

#[derive(Debug)]
struct JobState {
    stage: AtomicU8,
    /// What the operator is to hear about the call.
    remark: OnceLock<String>,
    /// When it was begun, and by whom, where somebody measures that.
    taken: Option<OnceLock<Taken>>,
}

pub(super) const QUEUED: u8 = 0;
pub(super) const RUNNING: u8 = 1;
/// It runs, and its client has left.
const ORPHANED: u8 = 2;
/// It runs, and its answer is out: its thread is as good as free, and nobody waits for it.
const ANSWERED: u8 = 3;
const OVER: u8 = 4;
/// It runs, and has waited for a client that takes nothing.
pub(super) const STALLED: u8 = 5;
/// It runs, and was given up for taking too long; orphaned as well.
pub(super) const OVERDUE: u8 = 6;

impl JobHandle {
    /// A call that waits in `pool`, and is `timed` or not.
    pub(super) fn new(pool: Weak<Pool>, timed: bool) -> Self {
        let taken = timed.then(OnceLock::new);
        let state = JobState { stage: AtomicU8::new(QUEUED), remark: OnceLock::new(), taken };
        Self { state: Arc::new(state), pool }
    }

    pub(super) fn advance(&self, from: u8, to: u8) -> bool {
        self.state.stage.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// A thread begins the call; `false` when it was taken out of the queue before.
    pub(super) fn begin(&self, thread: u64) -> bool {
        if let Some(taken) = &self.state.taken {
            taken.get_or_init(|| Taken { at: Instant::now(), thread });
        }
        self.advance(QUEUED, RUNNING)
    }

    /// When a thread began the call, and which; `None` before, and where nobody measures.
    pub fn taken(&self) -> Option<Taken> {
        self.state.taken.as_ref()?.get().copied()
    }

    /// Whether it still runs, and its client has left, or seems to have.
    pub fn is_orphaned(&self) -> bool {
        self.state.stage.load(Ordering::Acquire) == ORPHANED
    }

    /// Whether it still runs, and has been given up.
    pub(super) fn is_overdue(&self) -> bool {
        self.state.stage.load(Ordering::Acquire) == OVERDUE
    }

    /// Takes a call out of the queue; `false` when a thread has begun it.
    pub fn withdraw(&self) -> bool {
        self.advance(QUEUED, OVER)
    }

    /// Takes a call out of the queue that has waited too long; `false` when a thread has begun it.
    pub fn refuse(&self) -> bool {
        let withdrawn = self.withdraw();
        if let Some(pool) = self.pool.upgrade().filter(|_| withdrawn) {
            pool.counts.refused.fetch_add(1, Ordering::AcqRel);
        }
        withdrawn
    }

    /// Has the operator told, once.
    pub fn remark(&self, remark: String) {
        // The first one stays.
        let _earlier = self.state.remark.set(remark);
    }

    /// What the operator is to be told, when the call is over.
    pub fn remarked(&self) -> Option<&str> {
        self.state.remark.get().map(String::as_str)
    }

    /// The answer is out, whatever the call does yet: who leaves now leaves no orphan, and the thread counts as free.
    pub fn answered(&self) {
        if let Some(pool) = self.pool.upgrade() {
            // Counted first: the call takes itself off the count when it ends.
            pool.counts.answered.fetch_add(1, Ordering::AcqRel);
            if !self.advance_running(&pool, ANSWERED) {
                pool.counts.answered.fetch_sub(1, Ordering::AcqRel);
            }
        }
    }

    /// The client has left: a call that waits is withdrawn, which gives `true`; one that runs is counted as orphaned until it ends.
    pub fn leave(&self) -> bool {
        let withdrawn = self.withdraw();
        if !withdrawn && let Some(pool) = self.pool.upgrade() {
            // Counted first: the call may end at any moment, and takes itself off the count then.
            pool.counts.orphaned.fetch_add(1, Ordering::AcqRel);
            if self.advance_running(&pool, ORPHANED) {
                pool.start_spare();
            } else {
                pool.counts.orphaned.fetch_sub(1, Ordering::AcqRel);
            }
        }
        withdrawn
    }

    /// Moves on a call that runs, stalled or not; `false` when it does not run, or is over for its client.
    pub(super) fn advance_running(&self, pool: &Pool, to: u8) -> bool {
        let running = |stage: u8| matches!(stage, RUNNING | STALLED).then_some(to);
        let stage = self.state.stage.fetch_update(Ordering::AcqRel, Ordering::Acquire, running);
        if stage == Ok(STALLED) {
            pool.counts.stalled.fetch_sub(1, Ordering::AcqRel);
        }
        stage.is_ok()
    }

    /// The call has ended.
    pub(super) fn end(&self, pool: &Pool) {
        if self.advance(ANSWERED, OVER) {
            pool.counts.answered.fetch_sub(1, Ordering::AcqRel);
        } else if self.advance_running(pool, OVER) {
        } else if self.advance(ORPHANED, OVER) {
            pool.counts.orphaned.fetch_sub(1, Ordering::AcqRel);
        } else if self.advance(OVERDUE, OVER) {
            pool.counts.overdue.fetch_sub(1, Ordering::AcqRel);
            pool.counts.orphaned.fetch_sub(1, Ordering::AcqRel);
        }
    }
}
