//! A bounded pool of threads that run WSGI calls.
//!
//! The server and the standalone bridge each have one. The threads are real `threading.Thread`s, attached to Python
//! once for life. So `threading.local` survives between requests, and `current_thread()` has a name.
//!
//! # Threads
//! At most one woken thread waits for the GIL (the *runner-up*). The thread that holds the GIL drains the
//! queue. When a running call blocks in I/O and releases the GIL, the runner-up continues. If one thread were woken per
//! call, all of them would compete for the GIL.
//!
//! An idle thread may also do the work that brings the calls (see [`idle`]). Then the thread that finds a call runs it,
//! and no thread is woken.

mod busy;
pub mod call_time;
mod counts;
mod gil_pause;
mod gil_throttle;
pub mod idle;
mod job_handle;
mod overdue;
mod spare;
mod spare_log;
mod stalled;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_queue::SegQueue;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use self::busy::BusyThread;
pub use self::busy::{any_has_calls, wait_until_idle};
use self::call_time::{CallStretch, CallTime};
use self::counts::Counts;
pub use self::counts::PoolStats;
pub use self::gil_pause::others_take_gil;
use self::idle::{Idle, IdleWork};
pub use self::job_handle::JobHandle;
use self::spare_log::SpareLog;

/// A job for a pool thread.
pub trait Job: Send {
    /// Runs the job, whose state is in `job_handle`. The pool catches a panic and drops the job.
    fn run(self: Box<Self>, py: Python<'_>, job_handle: &JobHandle);
}

/// The queue was full.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the queue of the WSGI thread pool is full")]
pub struct QueueFull;

/// A pool of `threads` threads and a queue of at most `queue` waiting jobs.
///
/// A thread cannot be stopped. When all threads are busy, spare threads replace those whose calls are orphaned (the
/// client has left) or stalled (the client reads nothing): at most a quarter of the number of threads. Calls that were
/// given up because they took too long are replaced too: at most as many as there are threads. A pool with one thread
/// has no spare threads, because its applications were promised that they run alone.
pub struct Pool {
    name: String,
    threads: usize,
    /// How many calls may wait, besides those that free threads are about to take.
    capacity: usize,
    jobs: SegQueue<(Box<dyn Job>, JobHandle)>,
    counts: Counts,
    idle: Idle,
    /// Whether a woken thread waits for the GIL.
    runner_up: AtomicBool,
    stopped: AtomicBool,
    /// Whether a task watches how long calls wait.
    watched: AtomicBool,
    /// The `threading.get_ident()` of each thread that runs jobs.
    busy: Mutex<Vec<u64>>,
    call_time: CallTime,
    /// Calls whose threads are to be looked for, with the beginning of the log line.
    searches: Mutex<Vec<(JobHandle, String)>>,
    /// Since when each stalled call waits for its client.
    waits: Mutex<Vec<Instant>>,
    spare_log: SpareLog,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Pool").field("name", &self.name).field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl Pool {
    /// Starts the threads as daemons, named `name-1`, `name-2`, ….
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
            searches: Mutex::default(),
            waits: Mutex::default(),
            spare_log: SpareLog::default(),
        });
        for _ in 0..threads {
            pool.start_thread(py)?;
        }
        busy::note(&pool);
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

    /// A handle for the next job.
    pub fn job_handle(self: &Arc<Self>) -> JobHandle {
        JobHandle::new(Arc::downgrade(self), false)
    }

    /// A handle that records when the job begins.
    pub fn timed_job_handle(self: &Arc<Self>) -> JobHandle {
        JobHandle::new(Arc::downgrade(self), true)
    }

    /// Queues a job. Never blocks, from any thread.
    ///
    /// # Errors
    /// [`QueueFull`] when the queue is full.
    pub fn submit(self: &Arc<Self>, job: Box<dyn Job>, job_handle: JobHandle) -> Result<(), QueueFull> {
        // A job that a free thread is about to take does not count as waiting.
        let threads =
            self.threads + self.counts.spare.load(Ordering::Acquire) + self.counts.responded.load(Ordering::Acquire);
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

    /// Ends every idle thread. Other threads end after their job.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.idle.wake_all();
    }

    /// The name of its threads, without their numbers.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number of threads, without spare ones.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Whether every thread has a call and another call waits.
    pub fn is_short(&self) -> bool {
        self.counts.running.load(Ordering::Relaxed) >= self.threads && self.counts.waiting.load(Ordering::Relaxed) > 0
    }

    /// How many calls were refused so far.
    pub fn refused(&self) -> usize {
        self.counts.refused.load(Ordering::Acquire)
    }

    /// Begins to watch how long calls wait. Returns `false` if another task does already.
    pub fn begin_watch(&self) -> bool {
        !self.watched.swap(true, Ordering::AcqRel)
    }

    /// Ends the watch.
    pub fn end_watch(&self) {
        self.watched.store(false, Ordering::Release);
    }

    /// The numbers of its calls and threads now.
    pub fn stats(&self) -> PoolStats {
        self.counts.stats()
    }

    /// The average time of the latest calls; zero before the first has ended.
    pub fn call_time(&self) -> Duration {
        self.call_time.average()
    }

    /// The `threading.get_ident()` of each thread that runs jobs.
    pub fn busy_threads(&self) -> Vec<u64> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Wakes a thread for a waiting call, unless a woken one is on its way. Never blocks, from any thread.
    pub fn wake(&self) {
        if !self.runner_up.swap(true, Ordering::AcqRel) {
            self.idle.wake_one();
        }
    }

    /// Makes idle threads do `work` from now on.
    pub fn work_while_idle(&self, work: Arc<dyn IdleWork>) {
        self.idle.set_work(work);
    }

    /// Sets whether the fallback driver takes care of waiting calls.
    pub fn look_after(&self, looked_after: bool) {
        self.idle.look_after(looked_after);
        if !looked_after && !self.jobs.is_empty() {
            self.wake();
        }
    }

    /// How many calls have begun so far, and whether calls wait.
    pub fn progress(&self) -> (usize, bool) {
        (self.counts.begun.load(Ordering::Acquire), !self.jobs.is_empty())
    }

    /// The number of waiting calls, if no call runs.
    pub fn at_rest(&self) -> Option<usize> {
        (self.counts.running.load(Ordering::Acquire) == 0).then(|| self.jobs.len())
    }

    fn has_calls(&self) -> bool {
        self.counts.running.load(Ordering::Relaxed) + self.counts.waiting.load(Ordering::Relaxed) > 0
    }

    /// Waits to be woken. Returns `false` if the pool was stopped.
    fn wait(&self) -> bool {
        self.idle.wait(&self.stopped, &self.counts.waiting);
        !self.stopped.load(Ordering::Acquire)
    }

    fn work(&self, py: Python<'_>) -> PyResult<()> {
        let threading = py.import("threading")?;
        let ident = threading.call_method0("get_ident")?.extract()?;
        // A thread that a daemon starts is a daemon too. But threads that applications start must be normal ones, which
        // Python waits for at its end.
        threading.call_method0("current_thread")?.setattr("_daemonic", false)?;
        while py.detach(|| self.wait()) {
            self.throttle(py);
            // This thread has the GIL, so the next job may wake the next runner-up.
            self.runner_up.store(false, Ordering::Release);
            if self.run_jobs(py, ident) == Then::End {
                // This thread may have been woken for a job. Now another must run it.
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
        self.idle.runs_calls();
        let _busy = BusyThread::begin(self, ident);
        let mut stretch = CallStretch::begin();
        while let Some((job, job_handle)) = self.jobs.pop() {
            self.counts.waiting.fetch_sub(1, Ordering::AcqRel);
            self.counts.begun.fetch_add(1, Ordering::AcqRel);
            if !self.jobs.is_empty() && !self.idle.is_looked_after() {
                self.wake();
            }
            if job_handle.begin(ident) && self.perform(py, job, &job_handle) == Then::End {
                return Then::End;
            }
            if stretch.count() == gil_throttle::SELDOM {
                self.call_time.note(&stretch);
                self.throttle(py);
                stretch = CallStretch::begin();
            }
        }
        self.call_time.note(&stretch);
        Then::GoOn
    }

    fn perform(&self, py: Python<'_>, job: Box<dyn Job>, job_handle: &JobHandle) -> Then {
        self.counts.running.fetch_add(1, Ordering::AcqRel);
        // The panic hook prints the panic. Dropping the job answers the client.
        let _panicked = catch_unwind(AssertUnwindSafe(|| job.run(py, job_handle)));
        self.counts.running.fetch_sub(1, Ordering::AcqRel);
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
