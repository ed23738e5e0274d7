//! An asyncio loop of any server, from any thread.
//!
//! Kept apart because it is the one place of the bridge that takes the interpreter to wake somebody: `call_soon_threadsafe` is
//! all that loops have in common.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

use pyo3::intern;
use pyo3::prelude::*;

use crate::awaitable::LoopHandle;

/// Any asyncio loop, reached with `call_soon_threadsafe`.
#[derive(Debug)]
pub struct ForeignLoop(pub Py<PyAny>);

impl LoopHandle for ForeignLoop {
    fn wait(self: Arc<Self>, py: Python<'_>) -> PyResult<(Py<PyAny>, Waker)> {
        let future = self.0.call_method0(py, intern!(py, "create_future"))?;
        let waker = FutureWaker { event_loop: self, future: Mutex::new(Some(future.clone_ref(py))) };
        Ok((future, Waker::from(Arc::new(waker))))
    }
}

struct FutureWaker {
    event_loop: Arc<ForeignLoop>,
    future: Mutex<Option<Py<PyAny>>>,
}

impl Wake for FutureWaker {
    fn wake(self: Arc<Self>) {
        let Some(future) = self.future.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        Python::attach(|py| {
            let resolve = Bound::new(py, Resolve(future));
            let called = resolve.and_then(|resolve| {
                self.event_loop.0.call_method1(py, intern!(py, "call_soon_threadsafe"), (resolve,))
            });
            // A loop that is closed waits for nothing.
            drop(called);
        });
    }
}

/// Resolves a future that is still waited for.
#[pyclass(frozen, module = "rsgi")]
struct Resolve(Py<PyAny>);

#[pymethods]
impl Resolve {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        if !self.0.call_method0(py, intern!(py, "done"))?.is_truthy(py)? {
            self.0.call_method1(py, intern!(py, "set_result"), (py.None(),))?;
        }
        Ok(())
    }
}
