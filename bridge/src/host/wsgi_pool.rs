//! `rsgi.WsgiPool`: a pool of threads, as a Python object, for one or several bridges.
//!
//! Threads do not survive a fork. An application may make this object before a fork, at import. So it starts its
//! threads with the first call in each process.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::pool::{Pool, PoolStats};

/// Threads that run WSGI applications, and a bounded queue of calls.
#[pyclass(frozen, weakref, module = "rsgi._rsgi")]
#[derive(Debug)]
pub struct WsgiPool {
    /// The number of threads.
    #[pyo3(get)]
    pub threads: usize,
    #[pyo3(get)]
    queue: usize,
    started: Mutex<Option<(u32, Arc<Pool>)>>,
}

#[pymethods]
impl WsgiPool {
    #[new]
    #[pyo3(signature = (threads, queue = 1024))]
    fn new(threads: usize, queue: usize) -> PyResult<Self> {
        if threads < 1 || queue < 1 {
            return Err(PyValueError::new_err("threads and queue must be at least 1"));
        }
        Ok(Self { threads, queue, started: Mutex::new(None) })
    }

    /// How many calls run.
    #[getter]
    fn running(&self) -> usize {
        self.stats().running
    }

    /// How many calls wait for a thread.
    #[getter]
    fn waiting(&self) -> usize {
        self.stats().waiting
    }

    /// How many calls still run after their clients have left.
    #[getter]
    fn orphaned(&self) -> usize {
        self.stats().orphaned
    }

    /// How many running calls had to wait for a client that does not read.
    #[getter]
    fn stalled(&self) -> usize {
        self.stats().stalled
    }

    /// How many spare threads replace those of orphaned and stalled calls.
    #[getter]
    fn spare(&self) -> usize {
        self.stats().spare
    }

    /// The `threading.get_ident()` of each thread that runs a call.
    fn busy_threads(&self) -> Vec<u64> {
        self.of_this_process().map(|pool| pool.busy_threads()).unwrap_or_default()
    }
}

impl WsgiPool {
    /// The running pool of this process.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn pool(&self, py: Python<'_>) -> PyResult<Arc<Pool>> {
        if let Some(pool) = self.of_this_process() {
            return Ok(pool);
        }
        // Not locked meanwhile, because starting a thread releases the GIL. If another thread makes a second pool, one
        // of the two is stopped at once.
        let pool = Pool::start(py, "rsgi-bridge", self.threads, self.queue)?;
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        let process = std::process::id();
        if let Some((other, earlier)) = &*started
            && *other == process
        {
            pool.stop();
            return Ok(Arc::clone(earlier));
        }
        *started = Some((process, Arc::clone(&pool)));
        Ok(pool)
    }

    fn of_this_process(&self) -> Option<Arc<Pool>> {
        let started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        started.as_ref().filter(|(process, _)| *process == std::process::id()).map(|(_, pool)| Arc::clone(pool))
    }

    fn stats(&self) -> PoolStats {
        let none = PoolStats::default();
        self.of_this_process().map_or(none, |pool| pool.stats())
    }
}

impl Drop for WsgiPool {
    fn drop(&mut self) {
        if let Some(pool) = self.of_this_process() {
            pool.stop();
        }
    }
}
