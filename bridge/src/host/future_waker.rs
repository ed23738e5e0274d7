//! A waker that resolves one asyncio future, once, from any thread.
//!
//! Our own event loop and the loops of other servers use it. They bring the future to the thread of its loop in
//! different ways.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

use pyo3::intern;
use pyo3::prelude::*;

/// A loop that resolves futures on its own thread.
pub trait Resolver: Send + Sync + 'static {
    /// Resolves `future` soon. Never waits, from any thread.
    fn resolve_soon(self: Arc<Self>, future: Py<PyAny>);
}

/// A waker for `future`.
pub fn future_waker<R: Resolver>(py: Python<'_>, resolver: Arc<R>, future: &Py<PyAny>) -> Waker {
    Waker::from(Arc::new(FutureWaker { resolver, future: Mutex::new(Some(future.clone_ref(py))) }))
}

/// Resolves `future` on its loop's thread, unless it is done or cancelled.
///
/// # Errors
/// When the loop is closed.
pub fn resolve(py: Python<'_>, future: &Bound<'_, PyAny>) -> PyResult<()> {
    if !future.call_method0(intern!(py, "done"))?.is_truthy()? {
        future.call_method1(intern!(py, "set_result"), (py.None(),))?;
    }
    Ok(())
}

/// The same asyncio future, as a coroutine yields it to its task.
///
/// # Errors
/// When it is not a future.
pub fn yielded_future(future: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    future.setattr(intern!(future.py(), "_asyncio_future_blocking"), true)?;
    Ok(future.clone().unbind())
}

struct FutureWaker<R> {
    resolver: Arc<R>,
    future: Mutex<Option<Py<PyAny>>>,
}

impl<R: Resolver> Wake for FutureWaker<R> {
    fn wake(self: Arc<Self>) {
        let future = self.future.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(future) = future {
            Arc::clone(&self.resolver).resolve_soon(future);
        }
    }
}
