//! Gives up calls that did not begin their response in time, and logs where their threads are.
//!
//! A thread cannot be stopped. So a given-up call is counted, a spare thread replaces its thread, and the log shows
//! which line of the application holds it. The connection decides when to give up. A separate thread reads the stack,
//! because it must wait for the GIL.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};

use pyo3::prelude::*;

use super::Pool;
use super::job_handle::{JobHandle, OVERDUE};
use crate::log::log_warning;

impl JobHandle {
    /// Gives up a call that has taken too long. Nobody waits for it any more, and if other calls wait, a spare thread
    /// replaces its thread. The stack of its thread is logged, in a line that begins with `what`. Returns `false` if
    /// the call has ended or its response was sent. Never blocks, from any thread.
    pub fn give_up(&self, what: String) -> bool {
        let Some(pool) = self.pool() else { return false };
        // Counted first, because the call may end at any moment and then subtracts it again.
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
    /// Whether every thread of the pool hangs in a call that was given up, and no more spare threads are allowed.
    pub fn all_hang(&self) -> bool {
        self.pool().is_some_and(|pool| {
            let stats = pool.stats();
            stats.overdue >= pool.threads + pool.most_spare(stats)
        })
    }
}

impl Pool {
    fn searches(&self) -> MutexGuard<'_, Vec<(JobHandle, String)>> {
        self.searches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a thread log the stack of a call. One such thread at a time does it for all calls.
    fn search(self: &Arc<Self>, job_handle: JobHandle, what: String) {
        let first = {
            let mut searches = self.searches();
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
                // Taken all at once. A later call starts another thread.
                let searches = std::mem::take(&mut *pool.searches());
                for (job_handle, what) in searches {
                    log_warning(py, &job_handle.stack(py, &what));
                }
            });
        });
        if started.is_err() {
            // No thread could be started, so the stacks are not logged.
            self.searches().clear();
        }
    }
}

impl JobHandle {
    /// The stack of the thread of the call. The GIL is held, so a call that runs does not end meanwhile.
    fn stack(&self, py: Python<'_>, what: &str) -> String {
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
