//! Python awaitables for asyncio tasks. They finish at once if they can. Otherwise a [`Waker`] resumes them.
//!
//! `receive`, `send` and the bridge return them. An awaitable is a coroutine object, so
//! `asyncio.create_task(receive())` and `asyncio.wait_for` accept it. When it is resumed, it polls again. So a
//! cancelled wait never loses a message.
//!
//! Spec: PEP 492 "Awaitable Objects"; the `asyncio.Future` protocol (`_asyncio_future_blocking`).

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::gil_lock::GilLock;

/// Access to one asyncio loop from any thread.
pub trait LoopHandle: Send + Sync {
    /// A new future of the loop that a coroutine can yield to its task, and a waker that resolves it.
    ///
    /// # Errors
    /// When the loop is closed.
    fn wait(self: Arc<Self>, py: Python<'_>) -> PyResult<(Py<PyAny>, Waker)>;
}

/// What an awaitable waits for. It is polled on the loop's thread.
pub type PollFn = Box<dyn FnMut(Python<'_>, &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>> + Send>;

enum AwaitableState {
    Finished(PyResult<Py<PyAny>>),
    Waiting {
        poll: PollFn,
        handle: Arc<dyn LoopHandle>,
        /// Whether it was suspended before, and may have been woken.
        resumed: bool,
    },
    /// Like `Waiting`, from the next turn of the loop on.
    Yielding {
        poll: PollFn,
        handle: Arc<dyn LoopHandle>,
    },
    Done,
}

/// An awaitable with one result.
#[pyclass(frozen, module = "rsgi")]
pub struct Awaitable(GilLock<AwaitableState>);

impl std::fmt::Debug for Awaitable {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Awaitable").finish_non_exhaustive()
    }
}

impl Awaitable {
    /// An awaitable that has its result already: `await` does not suspend the task.
    pub fn finished(value: PyResult<Py<PyAny>>) -> Self {
        Self(GilLock::new(AwaitableState::Finished(value)))
    }

    /// An awaitable that suspends the task until `poll` is ready.
    pub fn waiting(handle: Arc<dyn LoopHandle>, poll: PollFn) -> Self {
        Self(GilLock::new(AwaitableState::Waiting { poll, handle, resumed: false }))
    }

    /// Like [`Self::waiting`], but suspends the task for one turn of the loop first, so that others get theirs.
    pub fn yielding(handle: Arc<dyn LoopHandle>, poll: PollFn) -> Self {
        Self(GilLock::new(AwaitableState::Yielding { poll, handle }))
    }

    fn replace(&self, py: Python<'_>, state: AwaitableState) -> AwaitableState {
        std::mem::replace(&mut *self.0.lock(py), state)
    }

    fn step(&self, py: Python<'_>) -> PyResult<Step> {
        // `poll` runs Python code, so the lock is not held meanwhile.
        match self.replace(py, AwaitableState::Done) {
            AwaitableState::Finished(value) => Ok(Step::Return(value?)),
            AwaitableState::Done => Err(PyRuntimeError::new_err("this awaitable was awaited already")),
            AwaitableState::Yielding { poll, handle } => {
                self.replace(py, AwaitableState::Waiting { poll, handle, resumed: true });
                // Like a bare `yield`: the task goes on in the next turn.
                Ok(Step::Suspend(py.None()))
            }
            AwaitableState::Waiting { mut poll, handle, resumed } => {
                // After a wake, it is usually ready. A future would be made for nothing.
                if resumed && let Poll::Ready(value) = poll(py, &mut Context::from_waker(Waker::noop())) {
                    return Ok(Step::Return(value?));
                }
                let (future, waker) = Arc::clone(&handle).wait(py)?;
                match poll(py, &mut Context::from_waker(&waker)) {
                    Poll::Ready(value) => Ok(Step::Return(value?)),
                    Poll::Pending => {
                        self.replace(py, AwaitableState::Waiting { poll, handle, resumed: true });
                        Ok(Step::Suspend(future))
                    }
                }
            }
        }
    }
}

enum Step {
    Return(Py<PyAny>),
    Suspend(Py<PyAny>),
}

#[pymethods]
impl Awaitable {
    fn __await__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match self.step(py)? {
            Step::Suspend(future) => Ok(future),
            Step::Return(value) => Err(stop_iteration(py, value)),
        }
    }

    #[pyo3(signature = (_value, /))]
    fn send(&self, py: Python<'_>, _value: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.__next__(py)
    }

    #[pyo3(signature = (exception, value = None, _traceback = None, /))]
    fn throw(
        &self,
        exception: Bound<'_, PyAny>,
        value: Option<Bound<'_, PyAny>>,
        _traceback: Option<Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        self.close(exception.py());
        Err(PyErr::from_value(value.unwrap_or(exception)))
    }

    fn close(&self, py: Python<'_>) {
        self.replace(py, AwaitableState::Done);
    }
}

static STOP_ITERATION: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// `StopIteration(value)`. It is made by calling the class, because otherwise a tuple would become several arguments.
pub fn stop_iteration(py: Python<'_>, value: Py<PyAny>) -> PyErr {
    let made = STOP_ITERATION.import(py, "builtins", "StopIteration").and_then(|class| class.call1((value,)));
    made.map_or_else(|error| error, PyErr::from_value)
}

/// The result of every `send` that does not wait. It can be awaited any number of times, with the result `None`.
#[pyclass(frozen, module = "rsgi")]
#[derive(Debug)]
pub struct Sent;

static SENT: PyOnceLock<Py<Sent>> = PyOnceLock::new();

impl Sent {
    /// The only instance.
    ///
    /// # Errors
    /// When Python is out of memory.
    pub fn instance(py: Python<'_>) -> PyResult<Py<PyAny>> {
        Ok(SENT.get_or_try_init(py, || Py::new(py, Self))?.clone_ref(py).into_any())
    }
}

#[pymethods]
impl Sent {
    fn __await__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    /// Returning `None` here ends the iteration with the value `None`.
    fn __next__(&self) -> Option<Py<PyAny>> {
        None
    }

    #[pyo3(signature = (_value, /))]
    fn send(&self, py: Python<'_>, _value: &Bound<'_, PyAny>) -> PyResult<()> {
        Err(stop_iteration(py, py.None()))
    }

    #[pyo3(signature = (exception, value = None, _traceback = None, /))]
    fn throw(
        &self,
        exception: Bound<'_, PyAny>,
        value: Option<Bound<'_, PyAny>>,
        _traceback: Option<Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        Err(PyErr::from_value(value.unwrap_or(exception)))
    }

    fn close(&self) {}
}
