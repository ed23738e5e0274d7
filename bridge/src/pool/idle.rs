//! What the threads of a pool do without a call: they sleep, and one of them may do the work that brings calls.
//!
//! In the server, that work is to drive tokio. So the thread that reads a request also runs it and sends the response,
//! and no thread is woken for a fast call. While that thread runs a long call, nobody does the work, and other calls
//! may wait. The *fallback driver*, a thread of the server, takes care of both. The pool knows nothing else about the
//! server.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

/// The work that brings calls.
pub trait IdleWork: Send + Sync + std::fmt::Debug {
    /// Works until `wanted` returns true. Returns `false` if another thread works already. Calls `wanted` at the start
    /// and after every [`IdleWork::interrupt`].
    fn work(&self, wanted: &dyn Fn() -> bool) -> bool;

    /// Makes the working thread call `wanted`. Never blocks, from any thread.
    fn interrupt(&self);

    /// A thread has stopped the work, to run the first of `calls` waiting calls. Never blocks.
    fn left(&self, calls: usize);

    /// The current thread has the GIL and begins to run the calls that wait. Never blocks.
    fn runs_calls(&self);
}

/// The idle threads.
#[derive(Debug, Default)]
pub(super) struct Idle {
    threads: Mutex<IdleThreads>,
    woken: Condvar,
    work: OnceLock<Arc<dyn IdleWork>>,
    /// Whether the fallback driver checks at short intervals whether calls wait too long.
    looked_after: AtomicBool,
}

#[derive(Debug, Default)]
struct IdleThreads {
    /// Threads that must wake up and have not done so yet.
    wakes: usize,
    working: WorkingThread,
}

/// The one thread that works while it is idle.
#[derive(Debug, Default, PartialEq, Eq)]
enum WorkingThread {
    #[default]
    Nobody,
    Works,
    /// It must stop the work and run a call.
    Wanted,
}

impl Idle {
    fn lock(&self) -> MutexGuard<'_, IdleThreads> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes one thread. If a thread works, takes that one, because it is awake.
    pub(super) fn wake_one(&self) {
        let mut idle = self.lock();
        let works = idle.working == WorkingThread::Works;
        if works {
            idle.working = WorkingThread::Wanted;
        } else {
            idle.wakes += 1;
        }
        // Released first, so that the woken thread does not wait for the lock.
        drop(idle);
        if !works {
            self.woken.notify_one();
        }
        self.interrupt();
    }

    pub(super) fn wake_all(&self) {
        // Locked once, so that no thread is between its check and its sleep.
        drop(self.lock());
        self.woken.notify_all();
        self.interrupt();
    }

    fn interrupt(&self) {
        if let Some(work) = self.work.get() {
            work.interrupt();
        }
    }

    /// The current thread begins to run the calls that wait.
    pub(super) fn runs_calls(&self) {
        if let Some(work) = self.work.get() {
            work.runs_calls();
        }
    }

    /// Waits until there is a call, or until `stopped`.
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

    /// Works until there is a call. Returns `false` if another thread works.
    fn work(&self, work: &dyn IdleWork, stopped: &AtomicBool, waiting: &AtomicUsize) -> bool {
        {
            let mut idle = self.lock();
            if idle.working != WorkingThread::Nobody {
                return false;
            }
            // Some thread must wake up for a call. This thread can take that call as well.
            if idle.wakes > 0 {
                idle.wakes -= 1;
                return true;
            }
            idle.working = WorkingThread::Works;
        }
        let wanted = || self.lock().working == WorkingThread::Wanted || stopped.load(Ordering::Acquire);
        let worked = work.work(&wanted);
        let was = std::mem::take(&mut self.lock().working);
        if worked {
            work.left(waiting.load(Ordering::Acquire));
        }
        worked || was == WorkingThread::Wanted
    }

    /// Makes idle threads do `work` from now on.
    pub(super) fn set_work(&self, work: Arc<dyn IdleWork>) {
        // Only set once: a pool belongs to one server.
        let _first = self.work.set(work);
        self.lock().wakes += 1;
        self.woken.notify_one();
    }

    /// Sets whether the fallback driver takes care of waiting calls.
    pub(super) fn look_after(&self, looked_after: bool) {
        self.looked_after.store(looked_after, Ordering::SeqCst);
    }

    /// Whether the fallback driver takes care of waiting calls.
    pub(super) fn is_looked_after(&self) -> bool {
        self.looked_after.load(Ordering::SeqCst)
    }
}
