//! Access to the asyncio loop of any server, from any thread.
//!
//! All loops have `call_soon_threadsafe`, and nothing better in common. This is the only place of the bridge that takes
//! the GIL to wake a loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;

use crossbeam_queue::SegQueue;
use pyo3::intern;
use pyo3::prelude::*;

use crate::host::awaitable::LoopHandle;
use crate::host::future_waker::{Resolver, future_waker, resolve, yielded_future};

/// One loop. Calls that wait for it are woken together: the first one schedules a callback for all of them.
#[derive(Debug)]
pub struct ForeignLoop {
    event_loop: Py<PyAny>,
    resolved: SegQueue<Py<PyAny>>,
    scheduled: AtomicBool,
}

impl ForeignLoop {
    /// Access to `event_loop`.
    pub fn new(event_loop: Py<PyAny>) -> Arc<Self> {
        Arc::new(Self { event_loop, resolved: SegQueue::new(), scheduled: AtomicBool::new(false) })
    }

    /// Whether it is for this loop.
    pub fn leads_to(&self, event_loop: &Bound<'_, PyAny>) -> bool {
        self.event_loop.is(event_loop)
    }
}

impl Resolver for ForeignLoop {
    fn resolve_soon(self: Arc<Self>, future: Py<PyAny>) {
        self.resolved.push(future);
        if self.scheduled.swap(true, Ordering::AcqRel) {
            return;
        }
        Python::attach(|py| {
            let event_loop = self.event_loop.clone_ref(py);
            let called = Bound::new(py, Drain(Arc::clone(&self)))
                .and_then(|drain| event_loop.call_method1(py, intern!(py, "call_soon_threadsafe"), (drain,)));
            if called.is_err() {
                // Fails if the loop is closed. Then nobody waits any more.
                self.scheduled.store(false, Ordering::Release);
            }
        });
    }
}

impl LoopHandle for ForeignLoop {
    fn wait(self: Arc<Self>, py: Python<'_>) -> PyResult<(Py<PyAny>, Waker)> {
        let future = yielded_future(&self.event_loop.bind(py).call_method0(intern!(py, "create_future"))?)?;
        let waker = future_waker(py, self, &future);
        Ok((future, waker))
    }
}

/// Resolves the queued futures, on the loop's thread.
#[pyclass(frozen, module = "rsgi")]
struct Drain(Arc<ForeignLoop>);

#[pymethods]
impl Drain {
    fn __call__(&self, py: Python<'_>) {
        // Cleared before the queue is emptied, so that a later future schedules again.
        self.0.scheduled.store(false, Ordering::Release);
        while let Some(future) = self.0.resolved.pop() {
            // A future that cannot be resolved must not stop the others.
            if let Err(error) = resolve(py, future.bind(py)) {
                error.write_unraisable(py, Some(future.bind(py)));
            }
        }
    }
}
