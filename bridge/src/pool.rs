//! A bounded pool of threads that run WSGI calls.
//!
//! Kept apart because the server and the standalone bridge both have one. The threads are real `threading.Thread`s,
//! attached to Python once for life: `threading.local` survives between requests, and `current_thread()` has a name.
//!
//! # Threads
//! At most one woken thread waits for the interpreter (the *runner-up*). Whoever holds it drains the queue, and when a
//! running call blocks in I/O, and so lets go of the interpreter, the runner-up goes on. Waking one thread per call would
//! make them all fight for it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_queue::SegQueue;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Jobs that run at this moment, in every pool of the process: the interpreter cannot be taken down under them.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// Waits until no pool of the process runs a job, or for `patience`. Gives the number that still run.
pub fn wait_until_idle(patience: Duration) -> usize {
    let deadline = Instant::now() + patience;
    loop {
        let running = RUNNING.load(Ordering::Acquire);
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
pub struct Pool {
    jobs: SegQueue<Box<dyn Job>>,
    waiting: AtomicUsize,
    capacity: usize,
    wakes: Mutex<usize>,
    woken: Condvar,
    runner_up: AtomicBool,
    stopped: AtomicBool,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Pool")
            .field("waiting", &self.waiting)
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}

impl Pool {
    /// Starts the threads, daemons named `name-1`, `name-2`, ….
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start(py: Python<'_>, name: &str, threads: usize, queue: usize) -> PyResult<Arc<Self>> {
        let pool = Arc::new(Self {
            jobs: SegQueue::new(),
            waiting: AtomicUsize::new(0),
            capacity: queue,
            wakes: Mutex::new(0),
            woken: Condvar::new(),
            runner_up: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
        });
        let thread = py.import("threading")?.getattr("Thread")?;
        for number in 1..=threads {
            let options = PyDict::new(py);
            options.set_item("target", Bound::new(py, Worker(Arc::clone(&pool)))?)?;
            options.set_item("name", format!("{name}-{number}"))?;
            options.set_item("daemon", true)?;
            thread.call((), Some(&options))?.call_method0("start")?;
        }
        Ok(pool)
    }

    /// Puts a job in the queue. Never blocks, from any thread.
    ///
    /// # Errors
    /// [`QueueFull`] when as many jobs wait as may.
    pub fn submit(&self, job: Box<dyn Job>) -> Result<(), QueueFull> {
        if self.waiting.fetch_add(1, Ordering::AcqRel) >= self.capacity {
            self.waiting.fetch_sub(1, Ordering::AcqRel);
            return Err(QueueFull);
        }
        self.jobs.push(job);
        self.wake();
        Ok(())
    }

    /// Lets every idle thread end; those that run a job end after it.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.woken.notify_all();
    }

    fn wake(&self) {
        if !self.runner_up.swap(true, Ordering::AcqRel) {
            *self.wakes.lock().unwrap_or_else(PoisonError::into_inner) += 1;
            self.woken.notify_one();
        }
    }

    /// Waits to be woken; `false` when the pool was stopped.
    fn wait(&self) -> bool {
        let wakes = self.wakes.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = |wakes: &mut usize| *wakes == 0 && !self.stopped.load(Ordering::Acquire);
        let mut wakes = self.woken.wait_while(wakes, waits).unwrap_or_else(PoisonError::into_inner);
        *wakes = wakes.saturating_sub(1);
        !self.stopped.load(Ordering::Acquire)
    }

    fn work(&self, py: Python<'_>) {
        while py.detach(|| self.wait()) {
            // The interpreter is ours: the next job may wake the next runner-up.
            self.runner_up.store(false, Ordering::Release);
            while let Some(job) = self.jobs.pop() {
                self.waiting.fetch_sub(1, Ordering::AcqRel);
                if !self.jobs.is_empty() {
                    self.wake();
                }
                // The panic is printed by the hook; dropping the job answers the client.
                RUNNING.fetch_add(1, Ordering::AcqRel);
                let _panicked = catch_unwind(AssertUnwindSafe(|| job.run(py)));
                RUNNING.fetch_sub(1, Ordering::AcqRel);
            }
        }
    }
}

/// The body of one pool thread.
#[pyclass(frozen, module = "rsgi")]
struct Worker(Arc<Pool>);

#[pymethods]
impl Worker {
    fn __call__(&self, py: Python<'_>) {
        self.0.work(py);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Sender, channel};

    struct Panicking;

    impl Job for Panicking {
        fn run(self: Box<Self>, _py: Python<'_>) {
            panic!("a fault of ours");
        }
    }

    struct Naming(Sender<String>);

    impl Job for Naming {
        fn run(self: Box<Self>, py: Python<'_>) {
            let thread = py.import("threading").unwrap().call_method0("current_thread").unwrap();
            self.0.send(thread.getattr("name").unwrap().extract().unwrap()).unwrap();
        }
    }

    #[test]
    fn a_panic_ends_one_job_and_no_thread() {
        Python::initialize();
        let pool = Python::attach(|py| Pool::start(py, "test", 1, 8)).unwrap();
        let (sender, receiver) = channel();
        pool.submit(Box::new(Panicking)).unwrap();
        pool.submit(Box::new(Naming(sender))).unwrap();
        assert_eq!(receiver.recv_timeout(Duration::from_secs(20)).unwrap(), "test-1");
        assert_eq!(wait_until_idle(Duration::from_secs(20)), 0);
        pool.stop();
    }

    #[test]
    fn a_full_queue_refuses() {
        Python::initialize();
        let pool = Python::attach(|py| Pool::start(py, "none", 0, 1)).unwrap();
        pool.submit(Box::new(Panicking)).unwrap();
        assert!(pool.submit(Box::new(Panicking)).is_err());
    }
}
