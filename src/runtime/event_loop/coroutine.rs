//! The coroutine that calls an application. A real `asyncio.Task` runs it.
//!
//! It wraps the application's own coroutine. So the end of a call is seen in the last step of the task, without a
//! callback that costs another turn of the loop. The task never ends with an exception that nobody retrieves; only a
//! cancellation passes through. The application is also called inside the task: it need not be `async def`, and what it
//! sets in its context must not reach other requests.
//!
//! Spec: PEP 492 (the coroutine protocol), PEP 567 (contexts of tasks), ASGI "Applications".

use pyo3::exceptions::PyRuntimeError;
use pyo3::exceptions::asyncio::CancelledError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rsgi_bridge::gil_lock::GilLock;
use rsgi_bridge::process::Process;

use super::call_state::{CallState, Due};
use super::steps::{coroutine_of, go_on, yielded};
use super::task_callbacks::TaskCallbacks;
use crate::runtime::calls::CallHandle;

/// The result of the first step of a call.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FirstStepResult {
    Waits,
    Ended,
    Cancelled,
}

/// Wraps the application's coroutine.
#[pyclass(frozen, module = "rsgi")]
#[derive(Debug)]
pub struct AppCoroutine {
    call: GilLock<CallState>,
    /// `None` while there is no call.
    callbacks: GilLock<Option<TaskCallbacks>>,
    process: Process,
}

impl AppCoroutine {
    /// Whether this coroutine runs `call`.
    pub fn is_of(&self, py: Python<'_>, call: &CallHandle) -> bool {
        self.callbacks(py).is_some_and(|callbacks| callbacks.is_of(py, call))
    }

    /// A coroutine without a call.
    pub(super) fn waiting(process: Process) -> Self {
        Self { call: GilLock::new(CallState::Nothing), callbacks: GilLock::new(None), process }
    }

    /// Takes a call. It begins with the next step.
    pub(super) fn prepare(&self, py: Python<'_>, due: Due) {
        *self.call.lock(py) = due.call;
        *self.callbacks.lock(py) = Some(due.callbacks);
    }

    /// Takes the result of the step that [`Self::begin`] has run. What the task has not seen yet is kept until its own
    /// step.
    pub(super) fn first_step(&self, py: Python<'_>, stepped: PyResult<()>) -> FirstStepResult {
        let mut call = self.call.lock(py);
        if matches!(&*call, CallState::Begun { .. }) {
            return FirstStepResult::Waits;
        }
        let callbacks = self.callbacks.lock(py).take();
        let error = stepped.err();
        let step = if error.is_some() { FirstStepResult::Cancelled } else { FirstStepResult::Ended };
        let before = std::mem::replace(&mut *call, CallState::Over(error));
        // Dropped without the lock, because destructors can run any code.
        drop(call);
        drop((before, callbacks));
        step
    }

    fn callbacks(&self, py: Python<'_>) -> Option<TaskCallbacks> {
        Some(self.callbacks.lock(py).as_ref()?.clone_ref(py))
    }

    fn tell(&self, py: Python<'_>, tell: impl FnOnce(&TaskCallbacks)) {
        // Called without the lock, because the callback can run any code.
        if let Some(callbacks) = self.callbacks(py) {
            tell(&callbacks);
        }
    }

    /// Continues the application; the first time, calls it to get its coroutine. Returns what it awaits, or `None` at
    /// its end.
    fn go_on<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let mut call = self.call.lock(py);
        if let CallState::Running { coroutine, steps } = &*call {
            let (coroutine, steps) = (coroutine.bind(py).clone(), steps.as_ref().map(|steps| steps.bind(py).clone()));
            drop(call);
            return go_on(&coroutine, steps.as_ref());
        }
        // The lock is released, because the application's code may use this coroutine.
        let before = std::mem::replace(&mut *call, CallState::Nothing);
        drop(call);
        match before {
            CallState::Due { app, scope, receive, send } => {
                let (coroutine, steps) = coroutine_of(&app.bind(py).call1((scope, receive, send))?)?;
                *self.call.lock(py) = CallState::Running {
                    coroutine: coroutine.clone().unbind(),
                    steps: steps.clone().map(Bound::unbind),
                };
                go_on(&coroutine, steps.as_ref())
            }
            CallState::Cancelled { coroutine, steps, error } => {
                let inner = coroutine.bind(py).clone();
                *self.call.lock(py) = CallState::Running { coroutine, steps };
                yielded(py, inner.call_method1(intern!(py, "throw"), (error,)))
            }
            CallState::Over(_) | CallState::Nothing | CallState::Running { .. } | CallState::Begun { .. } => {
                Err(PyRuntimeError::new_err("this call of the application has ended"))
            }
        }
    }

    /// What the task does not know yet about the first step, which was run for it. `None` if the task knows everything.
    fn unheard(&self, py: Python<'_>) -> Option<PyResult<Option<Py<PyAny>>>> {
        let mut call = self.call.lock(py);
        match std::mem::replace(&mut *call, CallState::Nothing) {
            CallState::Begun { coroutine, steps, awaited } => {
                *call = CallState::Running { coroutine, steps };
                Some(Ok(Some(awaited)))
            }
            CallState::Over(error) => Some(error.map_or(Ok(None), Err)),
            other => {
                *call = other;
                None
            }
        }
    }

    /// Handles the cancellation of a task whose first step was run for it: the task is not yet linked to what the
    /// application awaits. It does what asyncio would do: it cancels the awaited object. If that cannot be cancelled,
    /// it cancels the call when the wait is over.
    fn cancel_begun(&self, py: Python<'_>, error: &Bound<'_, PyAny>) -> Option<PyResult<Py<PyAny>>> {
        let mut call = self.call.lock(py);
        match std::mem::replace(&mut *call, CallState::Nothing) {
            CallState::Begun { coroutine, steps, awaited } => {
                *call = CallState::Running { coroutine, steps };
                drop(call);
                Some(self.cancel_awaited(py, awaited, error))
            }
            CallState::Over(_) => Some(Err(PyErr::from_value(error.clone()))),
            other => {
                *call = other;
                None
            }
        }
    }

    fn cancel_awaited(&self, py: Python<'_>, awaited: Py<PyAny>, error: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let options = PyDict::new(py);
        if let Ok(message) = error.getattr("args").and_then(|arguments| arguments.get_item(0)) {
            options.set_item("msg", message)?;
        }
        let waited_for = awaited.bind(py);
        let taken = match waited_for.getattr_opt("cancel")? {
            // A bare `yield` awaits nothing.
            Some(cancel) if !waited_for.is_none() => cancel.call((), Some(&options))?.is_truthy()?,
            _ => false,
        };
        if !taken {
            let mut call = self.call.lock(py);
            if let CallState::Running { coroutine, steps } = std::mem::replace(&mut *call, CallState::Nothing) {
                *call = CallState::Cancelled { coroutine, steps, error: PyErr::from_value(error.clone()) };
            }
        }
        Ok(awaited)
    }

    /// Returns the cancellation that was postponed, if another error is thrown into the coroutine now. As in asyncio,
    /// the cancellation replaces that error.
    fn overtaken<'py>(&self, py: Python<'py>, thrown: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let mut call = self.call.lock(py);
        let error = match std::mem::replace(&mut *call, CallState::Nothing) {
            CallState::Cancelled { coroutine, steps, error } => {
                *call = CallState::Running { coroutine, steps };
                error
            }
            other => {
                *call = other;
                return Ok(None);
            }
        };
        drop(call);
        let cancelled = thrown.is_instance(py.get_type::<CancelledError>().as_any())?;
        Ok((!cancelled).then(|| error.into_value(py).into_bound(py).into_any()))
    }

    /// The application's coroutine, if the application has been called.
    fn begun<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.call.lock(py).coroutine().map(|coroutine| coroutine.bind(py).clone())
    }

    fn step(&self, py: Python<'_>, result: PyResult<Option<Bound<'_, PyAny>>>) -> PyResult<Option<Py<PyAny>>> {
        let ended = match result {
            Ok(Some(awaited)) => {
                self.process.awaits(py);
                self.tell(py, |callbacks| callbacks.suspended(py));
                return Ok(Some(awaited.unbind()));
            }
            ended => self.process.returned(py, ended.map(drop)),
        };
        let Err(error) = ended else {
            self.tell(py, |callbacks| callbacks.ended(py, ended));
            return Ok(None);
        };
        if error.is_instance_of::<CancelledError>(py) {
            self.tell(py, |callbacks| callbacks.ended(py, Err(error.clone_ref(py))));
            return Err(error);
        }
        self.tell(py, |callbacks| callbacks.ended(py, Err(error)));
        Ok(None)
    }
}

#[pymethods]
impl AppCoroutine {
    fn __await__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    /// Runs the first step in place of the task. The task sees the result in its own first step. Called in the context
    /// of the task.
    fn begin(&self, py: Python<'_>) -> PyResult<()> {
        self.tell(py, |callbacks| callbacks.resumed(py));
        let awaited = self.step(py, self.go_on(py))?;
        if let Some(awaited) = awaited {
            let mut call = self.call.lock(py);
            if let CallState::Running { coroutine, steps } = std::mem::replace(&mut *call, CallState::Nothing) {
                *call = CallState::Begun { coroutine, steps, awaited };
            }
        }
        Ok(())
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        if let Some(unheard) = self.unheard(py) {
            return unheard;
        }
        // In a forked child, the application may return to the loop. The child must not run a step of another request.
        self.process.awaits(py);
        self.tell(py, |callbacks| callbacks.resumed(py));
        self.step(py, self.go_on(py))
    }

    #[pyo3(signature = (_value, /))]
    fn send(&self, py: Python<'_>, _value: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.__next__(py)?.ok_or_else(|| rsgi_bridge::host::awaitable::stop_iteration(py, py.None()))
    }

    #[pyo3(signature = (exception, value = None, traceback = None, /))]
    fn throw(
        &self,
        py: Python<'_>,
        exception: Bound<'_, PyAny>,
        value: Option<Bound<'_, PyAny>>,
        traceback: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        if let Some(awaited) = self.cancel_begun(py, value.as_ref().unwrap_or(&exception)) {
            return awaited;
        }
        self.tell(py, |callbacks| callbacks.resumed(py));
        let (exception, value) = match self.overtaken(py, value.as_ref().unwrap_or(&exception))? {
            Some(cancellation) => (cancellation, None),
            None => (exception, value),
        };
        let thrown = match (self.begun(py), value, traceback) {
            // The task was cancelled before its first step. The application is not called at all.
            (None, value, _) => {
                let due = std::mem::replace(&mut *self.call.lock(py), CallState::Nothing);
                drop(due);
                Err(PyErr::from_value(value.unwrap_or(exception)))
            }
            (Some(inner), None, None) => inner.call_method1(intern!(py, "throw"), (exception,)),
            (Some(inner), value, traceback) => inner.call_method1(intern!(py, "throw"), (exception, value, traceback)),
        };
        self.step(py, yielded(py, thrown))?.ok_or_else(|| rsgi_bridge::host::awaitable::stop_iteration(py, py.None()))
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let Some(inner) = self.begun(py) else { return Ok(()) };
        inner.call_method0(intern!(py, "close")).map(|_| ())
    }

    /// The frame of the application's coroutine, for debuggers and `asyncio.all_tasks()`.
    #[getter]
    fn cr_frame(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let Some(inner) = self.begun(py) else { return Ok(py.None()) };
        inner.getattr("cr_frame").map(Bound::unbind)
    }

    /// What the application's coroutine awaits, for tools that follow the chain of awaits.
    #[getter]
    fn cr_await(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let Some(inner) = self.begun(py) else { return Ok(py.None()) };
        Ok(inner.getattr_opt("cr_await")?.map_or_else(|| py.None(), Bound::unbind))
    }
}
