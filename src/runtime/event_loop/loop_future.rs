//! What a task awaits while `receive()` or `send()` waits: a future that one wake resolves.
//!
//! An `asyncio.Future` would do. But it costs as much as the rest of a WebSocket message: asyncio's loop makes it in
//! Python, makes a handle for the step of the task, and runs that step a turn later. The task only needs the protocol of
//! a future. When rsgi drains its queue, no task runs, so [`LoopFuture::resolve`] can take the step at once.
//!
//! Spec: `asyncio.Future` (the methods that `asyncio.Task` calls), PEP 567 (contexts of callbacks).

use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::asyncio::{CancelledError, InvalidStateError};
use pyo3::exceptions::{PyKeyboardInterrupt, PySystemExit};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pyo3::{PyTraverseError, PyVisit, intern};
use rsgi_bridge::gil_lock::GilLock;

/// A future without a result.
#[pyclass(frozen, module = "rsgi")]
#[derive(Debug)]
pub(super) struct LoopFuture {
    event_loop: Py<PyAny>,
    /// Whether a coroutine has yielded it, and no task has taken it yet.
    blocking: AtomicBool,
    state: GilLock<LoopFutureState>,
}

#[derive(Debug)]
enum LoopFutureState {
    Pending(Vec<DoneCallback>),
    Resolved,
    /// With the message of the cancellation.
    Cancelled(Option<Py<PyAny>>),
}

/// What is called when the future is done.
#[derive(Debug)]
struct DoneCallback {
    function: Py<PyAny>,
    context: Py<PyAny>,
}

impl LoopFuture {
    /// A future of `event_loop` that a coroutine is about to yield.
    pub(super) fn yielded(event_loop: Py<PyAny>) -> Self {
        Self { event_loop, blocking: AtomicBool::new(true), state: GilLock::new(LoopFutureState::Pending(Vec::new())) }
    }

    /// Resolves the future, unless it is done or cancelled. Calls the callbacks `at_once`, or in the next turn.
    ///
    /// # Errors
    /// When a callback raises what ends the loop. asyncio passes only such exceptions out of a task.
    pub(super) fn resolve(slf: &Bound<'_, Self>, at_once: bool) -> PyResult<()> {
        let py = slf.py();
        for DoneCallback { function, context } in slf.get().finish(py, LoopFutureState::Resolved).into_iter().flatten()
        {
            if at_once {
                context.bind(py).call_method1(intern!(py, "run"), (function, slf))?;
            } else {
                Self::call_soon(slf, function.bind(py), context.bind(py))?;
            }
        }
        Ok(())
    }

    /// Returns the callbacks, or `None` if the future was done before.
    fn finish(&self, py: Python<'_>, done: LoopFutureState) -> Option<Vec<DoneCallback>> {
        let mut state = self.state.lock(py);
        let LoopFutureState::Pending(callbacks) = &mut *state else { return None };
        let callbacks = std::mem::take(callbacks);
        *state = done;
        Some(callbacks)
    }

    fn call_soon(slf: &Bound<'_, Self>, function: &Bound<'_, PyAny>, context: &Bound<'_, PyAny>) -> PyResult<()> {
        let (py, options) = (slf.py(), PyDict::new(slf.py()));
        options.set_item(intern!(py, "context"), context)?;
        let event_loop = slf.get().event_loop.bind(py);
        event_loop.call_method(intern!(py, "call_soon"), (function, slf), Some(&options)).map(drop)
    }
}

#[pymethods]
impl LoopFuture {
    #[getter(_asyncio_future_blocking)]
    fn blocking(&self) -> bool {
        self.blocking.load(Ordering::Relaxed)
    }

    #[setter(_asyncio_future_blocking)]
    fn set_blocking(&self, blocking: bool) {
        self.blocking.store(blocking, Ordering::Relaxed);
    }

    fn get_loop(&self, py: Python<'_>) -> Py<PyAny> {
        self.event_loop.clone_ref(py)
    }

    #[pyo3(signature = (function, /, *, context = None))]
    fn add_done_callback(
        slf: &Bound<'_, Self>,
        function: Bound<'_, PyAny>,
        context: Option<Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let py = slf.py();
        let context = context.map_or_else(|| current_context(py), Ok)?;
        let mut state = slf.get().state.lock(py);
        if let LoopFutureState::Pending(callbacks) = &mut *state {
            callbacks.push(DoneCallback { function: function.unbind(), context: context.unbind() });
            return Ok(());
        }
        drop(state);
        Self::call_soon(slf, &function, &context)
    }

    #[pyo3(signature = (function, /))]
    fn remove_done_callback(&self, py: Python<'_>, function: &Bound<'_, PyAny>) -> PyResult<usize> {
        let callbacks = match &mut *self.state.lock(py) {
            LoopFutureState::Pending(callbacks) => std::mem::take(callbacks),
            LoopFutureState::Resolved | LoopFutureState::Cancelled(_) => return Ok(0),
        };
        // Compared without the lock, because `__eq__` may be Python code.
        let before = callbacks.len();
        let mut kept = Vec::with_capacity(before);
        let mut failed = None;
        for callback in callbacks {
            match callback.function.bind(py).eq(function) {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => failed = Some(error),
            }
            kept.push(callback);
        }
        let removed = before - kept.len();
        if let LoopFutureState::Pending(added) = &mut *self.state.lock(py) {
            added.splice(..0, kept);
        }
        failed.map_or(Ok(removed), Err)
    }

    #[pyo3(signature = (msg = None))]
    fn cancel(slf: &Bound<'_, Self>, msg: Option<Py<PyAny>>) -> PyResult<bool> {
        let Some(callbacks) = slf.get().finish(slf.py(), LoopFutureState::Cancelled(msg)) else { return Ok(false) };
        for DoneCallback { function, context } in callbacks {
            Self::call_soon(slf, function.bind(slf.py()), context.bind(slf.py()))?;
        }
        Ok(true)
    }

    fn cancelled(&self, py: Python<'_>) -> bool {
        matches!(*self.state.lock(py), LoopFutureState::Cancelled(_))
    }

    fn done(&self, py: Python<'_>) -> bool {
        !matches!(*self.state.lock(py), LoopFutureState::Pending(_))
    }

    /// `None`, or raises the cancellation.
    fn result(&self, py: Python<'_>) -> PyResult<()> {
        match &*self.state.lock(py) {
            LoopFutureState::Pending(_) => Err(InvalidStateError::new_err("the result is not ready")),
            LoopFutureState::Resolved => Ok(()),
            LoopFutureState::Cancelled(None) => Err(CancelledError::new_err(())),
            LoopFutureState::Cancelled(Some(message)) => Err(CancelledError::new_err((message.clone_ref(py),))),
        }
    }

    fn exception(&self, py: Python<'_>) -> PyResult<()> {
        self.result(py)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.event_loop)?;
        // If another thread has the lock, the future is in use.
        if let Some(state) = self.state.try_lock_to_visit(&visit)
            && let LoopFutureState::Pending(callbacks) = &*state
        {
            for DoneCallback { function, context } in callbacks {
                visit.call(function)?;
                visit.call(context)?;
            }
        }
        Ok(())
    }

    fn __clear__(&self, py: Python<'_>) {
        let _callbacks = self.finish(py, LoopFutureState::Cancelled(None));
    }
}

/// A copy of the current context, as asyncio takes it for a callback without one.
fn current_context(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    py.import("contextvars")?.call_method0("copy_context")
}

/// Whether asyncio would let this exception out of a task, and so end the loop.
pub(super) fn ends_the_loop(py: Python<'_>, error: &PyErr) -> bool {
    error.is_instance_of::<PySystemExit>(py) || error.is_instance_of::<PyKeyboardInterrupt>(py)
}
