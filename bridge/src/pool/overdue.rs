//! Calls that did not begin their answer in time: each is given up, its thread's place is taken, and the log says where it is.
//!
//! Kept apart because a thread cannot be stopped: all that can be done is to count it, to go on without it, and to tell the
//! operator which line of the application holds it. The client's side says when; the stack is read on a thread made for it,
//! which may wait for the interpreter.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use pyo3::prelude::*;

use super::job_handle::OVERDUE;
use super::{JobHandle, Pool};
use crate::log::log_warning;

/// When a thread has taken a call, and which.
#[derive(Debug, Clone, Copy)]
pub struct Taken {
    /// When.
    pub at: Instant,
    /// Its `threading.get_ident()`.
    pub(super) thread: u64,
}

/// Calls whose threads are to be looked for.
#[derive(Debug, Default)]
pub(super) struct Searches(Mutex<Vec<(JobHandle, String)>>);

impl Searches {
    fn lock(&self) -> MutexGuard<'_, Vec<(JobHandle, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl JobHandle {
    /// Gives a call up that has taken too long: nobody waits for it any more, and a spare thread takes the place of its
    /// thread when calls wait. Where that thread is will be logged, in a line that begins with `what`. `false` when the call
    /// does not run any more, or its answer is out. Never blocks, from any thread.
    pub fn give_up(&self, what: String) -> bool {
        let Some(pool) = self.pool.upgrade() else { return false };
        // Counted first: the call may end at any moment, and takes itself off the count then.
        pool.counts.orphaned.fetch_add(1, Ordering::AcqRel);
        pool.counts.overdue.fetch_add(1, Ordering::AcqRel);
        if !self.advance_running(&pool, OVERDUE) {
            pool.counts.overdue.fetch_sub(1, Ordering::AcqRel);
            pool.counts.orphaned.fetch_sub(1, Ordering::AcqRel);
            return false;
        }
        pool.start_spare();
        pool.search(self.clone(), what);
        true
    }
}

impl JobHandle {
    /// Whether every thread of the pool hangs in a call that was given up, and no other is started.
    pub fn all_hang(&self) -> bool {
        self.pool.upgrade().is_some_and(|pool| {
            let stats = pool.stats();
            stats.overdue >= pool.threads + pool.most_spare(stats)
        })
    }
}

impl Pool {
    /// Has a thread look where the thread of a call is. One looks at a time, for all.
    fn search(self: &Arc<Self>, job_handle: JobHandle, what: String) {
        let first = {
            let mut searches = self.searches.lock();
            searches.push((job_handle, what));
            searches.len() == 1
        };
        if !first {
            return;
        }
        let pool = Arc::clone(self);
        let name = format!("{}-stack", self.name);
        let started = std::thread::Builder::new().name(name).spawn(move || {
            Python::attach(|py| {
                // Taken in one piece: what comes later starts a thread of its own.
                let searches = std::mem::take(&mut *pool.searches.lock());
                for (job_handle, what) in searches {
                    log_warning(py, &job_handle.place(py, &what));
                }
            });
        });
        if started.is_err() {
            // No thread can be had: nobody can look.
            self.searches.lock().clear();
        }
    }
}

impl JobHandle {
    /// Where the thread of the call is. The interpreter is ours: a call that has not ended does not end meanwhile.
    fn place(&self, py: Python<'_>, what: &str) -> String {
        let stack = self.taken().and_then(|taken| {
            let stack =
                py.import("rsgi.observe.stacks").and_then(|stacks| stacks.call_method1("of_thread", (taken.thread,)));
            stack.and_then(|stack| stack.extract::<Option<String>>()).ok().flatten()
        });
        match stack.filter(|_| self.is_overdue()) {
            Some(stack) => format!("{what} runs on in its thread, which is here:\n{stack}"),
            None => format!("{what} has ended meanwhile"),
        }
    }
}
