//! The coroutine of one application call, run as a real `asyncio.Task`.
//!
//! Kept apart from the loop: it wraps the application's own coroutine so that the end of the call is seen in the task's own
//! step, without a callback that costs another turn of the loop. The task is never left with an exception that nobody
//! retrieves; cancellation passes through. The application is called inside the task as well: middleware need not be
//! `async def`, and what it sets in its context must not reach other requests.
//!
//! Spec: PEP 492 (the coroutine protocol), PEP 567 (contexts of tasks), ASGI "Applications".

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::asyncio::CancelledError;
use pyo3::exceptions::{PyRuntimeError, PyStopIteration, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::iterator::PySendResult;
use pyo3::types::{PyDict, PyIterator, PyNone, PyType};
use rsgi_bridge::process::Process;
use rsgi_bridge::response_head::short;

use super::EventLoop;
use crate::calls::CallHandle;
use crate::gateway::asgi::HttpExchange;
use crate::gateway::websocket::WebSocketExchange;

/// Who is told when the application's call has ended.
#[derive(Debug)]
pub enum Conversation {
    /// One HTTP request.
    Http(Py<HttpExchange>),
    /// One WebSocket.
    WebSocket(Py<WebSocketExchange>),
}

impl Conversation {
    fn resumed(&self) {
        if let Self::Http(exchange) = self {
            exchange.get().resumed();
        }
    }

    fn is_of(&self, call: &CallHandle) -> bool {
        match self {
            Self::Http(exchange) => exchange.get().is_of(call),
            Self::WebSocket(exchange) => exchange.get().is_of(call),
        }
    }

    fn suspended(&self, py: Python<'_>) {
        match self {
            Self::Http(exchange) => HttpExchange::suspended(exchange, py),
            Self::WebSocket(_) => {}
        }
    }

    /// `send` as the application gets it: synchronous consumers of Channels wrap that of a WebSocket, and want it marked.
    fn send_of<'py>(&self, exchange: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        static MARK: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let py = exchange.py();
        let send = exchange.getattr(intern!(py, "send"))?;
        match self {
            Self::Http(_) => Ok(send),
            Self::WebSocket(_) => MARK.import(py, "rsgi.loops", "coroutine_function")?.call1((send,)),
        }
    }

    fn ended(&self, py: Python<'_>, result: PyResult<()>) {
        match self {
            Self::Http(exchange) => exchange.get().ended(py, result),
            Self::WebSocket(exchange) => exchange.get().ended(py, result),
        }
    }
}

/// How far the application's call has come.
#[derive(Debug)]
enum Call {
    /// The task has not begun.
    Due { app: Py<PyAny>, scope: Py<PyDict>, receive: Py<PyAny>, send: Py<PyAny> },
    /// It has returned this coroutine, which goes on by its `steps`; what is none of Python's own goes on by its `send()`.
    Running { coroutine: Py<PyAny>, steps: Option<Py<PyIterator>> },
    /// It is being called, has failed at once, or was cancelled before its task began.
    Nothing,
}

/// The application's coroutine, wrapped.
#[pyclass(frozen, module = "rsgi")]
#[derive(Debug)]
pub struct AppCoroutine {
    call: Mutex<Call>,
    conversation: Conversation,
    process: Process,
}

impl AppCoroutine {
    /// Starts a task that calls the application. `exchange` has `receive` and `send`; `conversation` is told of the end, also
    /// when the call itself fails.
    ///
    /// # Errors
    /// When Python is out of memory.
    pub fn start(
        event_loop: &Arc<EventLoop>,
        app: &Bound<'_, PyAny>,
        scope: &Bound<'_, PyDict>,
        exchange: &Bound<'_, PyAny>,
        conversation: Conversation,
    ) -> PyResult<()> {
        let py = app.py();
        let call = Call::Due {
            app: app.clone().unbind(),
            scope: scope.clone().unbind(),
            receive: exchange.getattr(intern!(py, "receive"))?.unbind(),
            send: conversation.send_of(exchange)?.unbind(),
        };
        let process = Process::this();
        let coroutine = Bound::new(py, Self { call: Mutex::new(call), conversation, process })?.into_any();
        if let Err(error) = event_loop.start_task(&coroutine) {
            coroutine.cast::<Self>()?.get().conversation.ended(py, Err(error));
        }
        Ok(())
    }

    /// Whether it is the coroutine of `call`.
    pub fn is_of(&self, call: &CallHandle) -> bool {
        self.conversation.is_of(call)
    }

    fn lock(&self) -> MutexGuard<'_, Call> {
        self.call.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the application go on; the first time it is called for its coroutine. Gives what it awaits, `None` at its end.
    fn go_on<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let mut call = self.lock();
        if let Call::Running { coroutine, steps } = &*call {
            let (coroutine, steps) = (coroutine.bind(py).clone(), steps.as_ref().map(|steps| steps.bind(py).clone()));
            drop(call);
            return go_on(&coroutine, steps.as_ref());
        }
        let due = std::mem::replace(&mut *call, Call::Nothing);
        // The application's code must not find the lock taken.
        drop(call);
        let Call::Due { app, scope, receive, send } = due else {
            return Err(PyRuntimeError::new_err("this call of the application has ended"));
        };
        let (coroutine, steps) = coroutine_of(&app.bind(py).call1((scope, receive, send))?)?;
        *self.lock() = Call::Running { coroutine: coroutine.clone().unbind(), steps: steps.clone().map(Bound::unbind) };
        go_on(&coroutine, steps.as_ref())
    }

    /// The application's coroutine, if it has been called.
    fn begun<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        match &*self.lock() {
            Call::Running { coroutine, .. } => Some(coroutine.bind(py).clone()),
            Call::Due { .. } | Call::Nothing => None,
        }
    }

    fn step(&self, py: Python<'_>, result: PyResult<Option<Bound<'_, PyAny>>>) -> PyResult<Option<Py<PyAny>>> {
        let ended = match result {
            Ok(Some(awaited)) => {
                self.process.awaits(py);
                self.conversation.suspended(py);
                return Ok(Some(awaited.unbind()));
            }
            ended => self.process.returned(py, ended.map(drop)),
        };
        let Err(error) = ended else {
            self.conversation.ended(py, ended);
            return Ok(None);
        };
        if error.is_instance_of::<CancelledError>(py) {
            self.conversation.ended(py, Err(error.clone_ref(py)));
            return Err(error);
        }
        self.conversation.ended(py, Err(error));
        Ok(None)
    }
}

type Steps<'py> = Option<Bound<'py, PyIterator>>;

/// A coroutine is taken as it is; any other awaitable by its `__await__`. The steps of Python's own end without an exception.
fn coroutine_of<'py>(returned: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyAny>, Steps<'py>)> {
    static COROUTINE: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let py = returned.py();
    if returned.get_type().is(COROUTINE.import(py, "types", "CoroutineType")?) {
        let steps = returned.call_method0(intern!(py, "__await__"))?.cast_into()?;
        return Ok((returned.clone(), Some(steps)));
    }
    if returned.hasattr(intern!(py, "send"))? && returned.hasattr(intern!(py, "throw"))? {
        return Ok((returned.clone(), None));
    }
    if returned.hasattr(intern!(py, "__await__"))? {
        return Ok((returned.call_method0(intern!(py, "__await__"))?, None));
    }
    Err(PyTypeError::new_err(format!(
        "an ASGI application must return an awaitable (is it declared `async def`?), not {}",
        short(returned)
    )))
}

fn go_on<'py>(
    coroutine: &Bound<'py, PyAny>,
    steps: Option<&Bound<'py, PyIterator>>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let none = PyNone::get(coroutine.py());
    match steps {
        Some(steps) => match steps.send(&none)? {
            PySendResult::Next(awaited) => Ok(Some(awaited)),
            PySendResult::Return(_) => Ok(None),
        },
        None => yielded(coroutine.py(), coroutine.call_method1(intern!(coroutine.py(), "send"), (none,))),
    }
}

/// What a method of a coroutine has come to, which raises `StopIteration` at the end.
fn yielded<'py>(py: Python<'py>, result: PyResult<Bound<'py, PyAny>>) -> PyResult<Option<Bound<'py, PyAny>>> {
    match result {
        Err(error) if error.is_instance_of::<PyStopIteration>(py) => Ok(None),
        result => result.map(Some),
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

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        // A child that has come back to the loop must not run a step of another request.
        self.process.awaits(py);
        self.conversation.resumed();
        self.step(py, self.go_on(py))
    }

    #[pyo3(signature = (_value, /))]
    fn send(&self, py: Python<'_>, _value: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.__next__(py)?.ok_or_else(|| rsgi_bridge::awaitable::stop_iteration(py, py.None()))
    }

    #[pyo3(signature = (exception, value = None, traceback = None, /))]
    fn throw(
        &self,
        py: Python<'_>,
        exception: Bound<'_, PyAny>,
        value: Option<Bound<'_, PyAny>>,
        traceback: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        self.conversation.resumed();
        let thrown = match (self.begun(py), value, traceback) {
            // Cancelled before its first step: the application is not called at all.
            (None, value, _) => {
                *self.lock() = Call::Nothing;
                Err(PyErr::from_value(value.unwrap_or(exception)))
            }
            (Some(inner), None, None) => inner.call_method1(intern!(py, "throw"), (exception,)),
            (Some(inner), value, traceback) => inner.call_method1(intern!(py, "throw"), (exception, value, traceback)),
        };
        self.step(py, yielded(py, thrown))?.ok_or_else(|| rsgi_bridge::awaitable::stop_iteration(py, py.None()))
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let Some(inner) = self.begun(py) else { return Ok(()) };
        inner.call_method0(intern!(py, "close")).map(|_| ())
    }

    /// The frame that debuggers and `asyncio.all_tasks()` show is the application's.
    #[getter]
    fn cr_frame(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let Some(inner) = self.begun(py) else { return Ok(py.None()) };
        inner.getattr("cr_frame").map(Bound::unbind)
    }

    /// What the application waits for, for whoever follows it.
    #[getter]
    fn cr_await(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let Some(inner) = self.begun(py) else { return Ok(py.None()) };
        Ok(inner.getattr_opt("cr_await")?.map_or_else(|| py.None(), Bound::unbind))
    }
}
