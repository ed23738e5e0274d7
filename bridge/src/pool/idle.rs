//! What the threads of a pool do while they have no call: they sleep, and one of them may do the work that brings calls.
//!
//! Kept apart because it is all that a pool knows of a server. There the work is to drive the sockets, so that the thread
//! that reads a request runs it, and sends the answer, too: no thread is woken for a fast call. While a call takes its time
//! nobody does the work, and calls may wait behind it; the *fallback driver*, a thread of the server's own, looks after both.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use super::Pool;

/// The work that brings calls.
pub trait IdleWork: Send + Sync + std::fmt::Debug {
    /// Works until `wanted` is true; `false` when another thread does it already. `wanted` is asked now and after every
    /// [`IdleWork::interrupt`].
    fn work(&self, wanted: &dyn Fn() -> bool) -> bool;

    /// Has the one who works ask whether it is wanted. Never blocks, from any thread.
    fn interrupt(&self);

    /// A thread has left the work, for the first of `calls` that wait. Never blocks.
    fn left(&self, calls: usize);
}

/// Where idle threads are.
#[derive(Debug, Default)]
pub(super) struct Idle {
    threads: Mutex<IdleThreads>,
    woken: Condvar,
    work: OnceLock<Arc<dyn IdleWork>>,
    /// The fallback driver looks every moment whether calls wait too long.
    looked_after: AtomicBool,
}

#[derive(Debug, Default)]
struct IdleThreads {
    /// Threads that are to wake up and have not yet.
    wakes: usize,
    worker: IdleWorker,
}

/// The one thread that works while it waits.
#[derive(Debug, Default, PartialEq, Eq)]
enum IdleWorker {
    #[default]
    Nobody,
    Works,
    /// It is to come back for a call.
    Wanted,
}

impl Idle {
    fn lock(&self) -> MutexGuard<'_, IdleThreads> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes one thread: the one that works, if there is one, because it is awake.
    pub(super) fn wake_one(&self) {
        let mut idle = self.lock();
        let works = idle.worker == IdleWorker::Works;
        if works {
            idle.worker = IdleWorker::Wanted;
        } else {
            idle.wakes += 1;
        }
        // Who wakes up must not find the lock taken.
        drop(idle);
        if !works {
            self.woken.notify_one();
        }
        self.interrupt();
    }

    pub(super) fn wake_all(&self) {
        // Taken, so that no thread is between its look and its sleep.
        drop(self.lock());
        self.woken.notify_all();
        self.interrupt();
    }

    fn interrupt(&self) {
        if let Some(work) = self.work.get() {
            work.interrupt();
        }
    }

    /// Waits for a call to be there, or until `stopped`.
    pub(super) fn wait(&self, stopped: &AtomicBool, waiting: &AtomicUsize) {
        if let Some(work) = self.work.get()
            && self.work(work.as_ref(), stopped, waiting)
        {
            return;
        }
        let idles = |idle: &mut IdleThreads| idle.wakes == 0 && !stopped.load(Ordering::Acquire);
        let mut idle = self.woken.wait_while(self.lock(), idles).unwrap_or_else(PoisonError::into_inner);
        idle.wakes = idle.wakes.saturating_sub(1);
    }

    /// Works until a call is there; `false` when another thread works.
    fn work(&self, work: &dyn IdleWork, stopped: &AtomicBool, waiting: &AtomicUsize) -> bool {
        {
            let mut idle = self.lock();
            if idle.worker != IdleWorker::Nobody {
                return false;
            }
            // A wake that nobody has answered yet is for this thread as well as for any.
            if idle.wakes > 0 {
                idle.wakes -= 1;
                return true;
            }
            idle.worker = IdleWorker::Works;
        }
        let wanted = || self.lock().worker == IdleWorker::Wanted || stopped.load(Ordering::Acquire);
        let worked = work.work(&wanted);
        let was = std::mem::take(&mut self.lock().worker);
        if worked {
            work.left(waiting.load(Ordering::Acquire));
        }
        worked || was == IdleWorker::Wanted
    }

    /// Whether somebody else sees to calls that wait.
    pub(super) fn is_looked_after(&self) -> bool {
        self.looked_after.load(Ordering::SeqCst)
    }
}

impl Pool {
    /// Has idle threads do `work`, from now on.
    pub fn work_while_idle(&self, work: Arc<dyn IdleWork>) {
        // A second one would be for the same server.
        let _first = self.idle.work.set(work);
        self.idle.lock().wakes += 1;
        self.idle.woken.notify_one();
    }

    /// The fallback driver says whether it looks after calls that wait.
    pub fn look_after(&self, looked_after: bool) {
        self.idle.looked_after.store(looked_after, Ordering::SeqCst);
        if !looked_after && !self.jobs.is_empty() {
            self.wake();
        }
    }

    /// Calls that were begun so far, and whether others wait.
    pub fn progress(&self) -> (usize, bool) {
        (self.counts.begun.load(Ordering::Acquire), !self.jobs.is_empty())
    }

    /// How many calls wait, while none runs.
    pub fn at_rest(&self) -> Option<usize> {
        (self.counts.running.load(Ordering::Acquire) == 0).then(|| self.jobs.len())
    }
}
