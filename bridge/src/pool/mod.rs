//! A bounded pool of threads that run WSGI calls.
//!
//! Kept apart because the server and the standalone bridge both have one. The threads are real `threading.Thread`s,
//! attached to Python once for life: `threading.local` survives between requests, and `current_thread()` has a name.
//!
//! # Threads
//! At most one woken thread waits for the interpreter (the *runner-up*). Whoever holds it drains the queue, and when a
//! running call blocks in I/O, and so lets go of the interpreter, the runner-up goes on. Waking one thread per call would
//! make them all fight for it. An idle thread may also do the work that brings the calls (see [`idle`]): the thread that finds
//! a call then runs it, and nobody is woken.

mod call_time;
mod counts;
mod gil_throttle;
pub mod idle;
mod job_handle;
mod overdue;
mod spare;
mod stalled;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_queue::SegQueue;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use self::call_time::{CallTime, Stretch};
use self::counts::Counts;
pub use self::counts::PoolStats;
use self::idle::Idle;
pub use self::job_handle::JobHandle;
use self::overdue::Searches;
use self::stalled::Waits;

/// Jobs that run at this moment, in every pool of the process: the interpreter cannot be taken down under them.
static RUNNING_CALLS: AtomicUsize = AtomicUsize::new(0);

/// Waits until no pool of the process runs a job, or for `timeout`. Gives the number that still run.
pub fn wait_until_idle(timeout: Duration) -> usize {
    let deadline = Instant::now() + timeout;
    loop {
        let running = RUNNING_CALLS.load(Ordering::Acquire);
        if running == 0 || Instant::now() >= deadline {
            return running;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Something for a pool thread to do.
pub trait Job: Send {
    /// Does it. A panic is caught by the pool, and the job dropped.
    fn run(self: Box<Self>, py: Python<'_>);
}

/// The queue was full.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the queue of the WSGI thread pool is full")]
pub struct QueueFull;

/// A pool of `threads` threads and a queue of at most `queue` waiting jobs.
///
/// A thread cannot be stopped. When all are busy, some of them with calls whose clients have left or take nothing, spare threads
/// take their places, a quarter as many as there are threads at most. For calls that were given up because they took too long
/// there are as many more as there are threads. There is none at all where there is one thread, because its applications were
/// promised to be alone.
pub struct Pool {
    name: String,
    threads: usize,
    /// How many calls may wait beyond those that free threads are about to take.
    capacity: usize,
    jobs: SegQueue<(Box<dyn Job>, JobHandle)>,
    counts: Counts,
    idle: Idle,
    /// A thread that was woken waits for the interpreter.
    runner_up: AtomicBool,
    stopped: AtomicBool,
    /// Somebody watches how long calls wait.
    watched: AtomicBool,
    /// The `threading.get_ident()` of each thread that runs a job.
    busy: Mutex<Vec<u64>>,
    call_time: CallTime,
    searches: Searches,
    waits: Waits,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Pool").field("name", &self.name).field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl Pool {
    /// Starts the threads, daemons named `name-1`, `name-2`, ….
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start(py: Python<'_>, name: &str, threads: usize, queue: usize) -> PyResult<Arc<Self>> {
        let pool = Arc::new(Self {
            name: name.to_owned(),
            threads,
            capacity: queue,
            jobs: SegQueue::new(),
            counts: Counts::default(),
            idle: Idle::default(),
            runner_up: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            watched: AtomicBool::new(false),
            busy: Mutex::default(),
            call_time: CallTime::default(),
            searches: Searches::default(),
            waits: Waits::default(),
        });
        for _ in 0..threads {
            pool.start_thread(py)?;
        }
        Ok(pool)
    }

    fn start_thread(self: &Arc<Self>, py: Python<'_>) -> PyResult<()> {
        let number = self.counts.started.fetch_add(1, Ordering::AcqRel) + 1;
        let options = PyDict::new(py);
        options.set_item("target", Bound::new(py, PoolThread(Arc::clone(self)))?)?;
        options.set_item("name", format!("{}-{number}", self.name))?;
        options.set_item("daemon", true)?;
        py.import("threading")?.getattr("Thread")?.call((), Some(&options))?.call_method0("start")?;
        Ok(())
    }

    /// A job handle for the next job.
    pub fn job_handle(self: &Arc<Self>) -> JobHandle {
        JobHandle::new(Arc::downgrade(self), false)
    }

    /// A job handle that says when the job was begun.
    pub fn timed_ticket(self: &Arc<Self>) -> JobHandle {
        JobHandle::new(Arc::downgrade(self), true)
    }

    /// Puts a job in the queue. Never blocks, from any thread.
    ///
    /// # Errors
    /// [`QueueFull`] when as many jobs wait as may.
    pub fn submit(self: &Arc<Self>, job: Box<dyn Job>, job_handle: JobHandle) -> Result<(), QueueFull> {
        // What a free thread is about to take does not wait.
        let threads =
            self.threads + self.counts.spare.load(Ordering::Acquire) + self.counts.answered.load(Ordering::Acquire);
        let free = threads.saturating_sub(self.counts.running.load(Ordering::Acquire));
        if self.counts.waiting.fetch_add(1, Ordering::AcqRel) >= self.capacity + free {
            self.counts.waiting.fetch_sub(1, Ordering::AcqRel);
            self.counts.refused.fetch_add(1, Ordering::AcqRel);
            return Err(QueueFull);
        }
        self.jobs.push((job, job_handle));
        self.wake();
        if self.counts.orphaned.load(Ordering::Acquire) + self.counts.stalled.load(Ordering::Acquire) > 0 {
            self.start_spare();
        }
        Ok(())
    }

    /// Lets every idle thread end; those that run a job end after it.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.idle.wake_all();
    }

    /// What its threads are called, but for their numbers.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many threads were asked for.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Whether every thread has a call, and another waits.
    pub fn is_short(&self) -> bool {
        self.counts.running.load(Ordering::Relaxed) >= self.threads && self.counts.waiting.load(Ordering::Relaxed) > 0
    }

    /// How many calls were refused so far.
    pub fn refused(&self) -> usize {
        self.counts.refused.load(Ordering::Acquire)
    }

    /// `true` for the one who is to watch the pool from now on.
    pub fn begin_watch(&self) -> bool {
        !self.watched.swap(true, Ordering::AcqRel)
    }

    /// Nobody watches any more.
    pub fn end_watch(&self) {
        self.watched.store(false, Ordering::Release);
    }

    /// What the threads are and do now.
    pub fn stats(&self) -> PoolStats {
        self.counts.stats()
    }

    /// What a call takes, averaged over the latest ones; zero before the first has ended.
    pub fn call_time(&self) -> Duration {
        self.call_time.average()
    }

    /// The `threading.get_ident()` of each thread that runs a job.
    pub fn busy_threads(&self) -> Vec<u64> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Wakes a thread for a call that waits, unless one is on its way. Never blocks, from any thread.
    pub fn wake(&self) {
        if !self.runner_up.swap(true, Ordering::AcqRel) {
            self.idle.wake_one();
        }
    }

    /// Waits to be woken; `false` when the pool was stopped.
    fn wait(&self) -> bool {
        self.idle.wait(&self.stopped, &self.counts.waiting);
        !self.stopped.load(Ordering::Acquire)
    }

    fn work(&self, py: Python<'_>) -> PyResult<()> {
        let threading = py.import("threading")?;
        let ident = threading.call_method0("get_ident")?.extract()?;
        // A thread is a daemon if the one that starts it is. The application's own are to be like any others, which the end
        // of the interpreter waits for.
        threading.call_method0("current_thread")?.setattr("_daemonic", false)?;
        while py.detach(|| self.wait()) {
            self.throttle(py);
            // The interpreter is ours: the next job may wake the next runner-up.
            self.runner_up.store(false, Ordering::Release);
            if self.run_jobs(py, ident) == Then::End {
                // What a wake meant for this thread, another must do.
                if !self.jobs.is_empty() {
                    self.wake();
                }
                return Ok(());
            }
        }
        Ok(())
    }

    /// Runs jobs until none waits.
    fn run_jobs(&self, py: Python<'_>, ident: u64) -> Then {
        let mut stretch = Stretch::begin();
        while let Some((job, job_handle)) = self.jobs.pop() {
            self.counts.waiting.fetch_sub(1, Ordering::AcqRel);
            self.counts.begun.fetch_add(1, Ordering::AcqRel);
            if !self.jobs.is_empty() && !self.idle.is_looked_after() {
                self.wake();
            }
            if job_handle.begin(ident) && self.perform(py, job, &job_handle, ident) == Then::End {
                return Then::End;
            }
            if stretch.count() == gil_throttle::SELDOM {
                self.call_time.note(&stretch);
                self.throttle(py);
                stretch = Stretch::begin();
            }
        }
        self.call_time.note(&stretch);
        Then::GoOn
    }

    fn perform(&self, py: Python<'_>, job: Box<dyn Job>, job_handle: &JobHandle, ident: u64) -> Then {
        RUNNING_CALLS.fetch_add(1, Ordering::AcqRel);
        self.counts.running.fetch_add(1, Ordering::AcqRel);
        self.busy.lock().unwrap_or_else(PoisonError::into_inner).push(ident);
        // The panic is printed by the hook; dropping the job answers the client.
        let _panicked = catch_unwind(AssertUnwindSafe(|| job.run(py)));
        self.busy.lock().unwrap_or_else(PoisonError::into_inner).retain(|each| *each != ident);
        self.counts.running.fetch_sub(1, Ordering::AcqRel);
        RUNNING_CALLS.fetch_sub(1, Ordering::AcqRel);
        job_handle.end(self);
        if self.has_one_too_many() { Then::End } else { Then::GoOn }
    }
}

/// What a thread does after a job.
#[derive(Debug, PartialEq, Eq)]
enum Then {
    GoOn,
    End,
}

/// The body of one pool thread.
#[pyclass(frozen, module = "rsgi")]
struct PoolThread(Arc<Pool>);

#[pymethods]
impl PoolThread {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        self.0.work(py)
    }
}

#[cfg(test)]
mod tests;
