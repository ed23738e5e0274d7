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
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyType};
use rsgi_bridge::response_head::short;

use super::EventLoop;
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
    /// It has returned this coroutine.
    Running(Py<PyAny>),
    /// It is being called, has failed at once, or was cancelled before its task began.
    Nothing,
}

/// The application's coroutine, wrapped.
#[pyclass(frozen, module = "rsgi")]
#[derive(Debug)]
pub struct AppCoroutine {
    call: Mutex<Call>,
    conversation: Conversation,
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
        let coroutine = Bound::new(py, Self { call: Mutex::new(call), conversation })?.into_any();
        if let Err(error) = event_loop.start_task(&coroutine) {
            coroutine.cast::<Self>()?.get().conversation.ended(py, Err(error));
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Call> {
        self.call.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The application's coroutine; the first time the application is called for it.
    fn inner<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let mut call = self.lock();
        if let Call::Running(inner) = &*call {
            return Ok(inner.bind(py).clone());
        }
        let due = std::mem::replace(&mut *call, Call::Nothing);
        // The application's code must not find the lock taken.
        drop(call);
        let Call::Due { app, scope, receive, send } = due else {
            return Err(PyRuntimeError::new_err("this call of the application has ended"));
        };
        let inner = coroutine_of(&app.bind(py).call1((scope, receive, send))?)?;
        *self.lock() = Call::Running(inner.clone().unbind());
        Ok(inner)
    }

    /// The application's coroutine, if it has been called.
    fn begun<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        match &*self.lock() {
            Call::Running(inner) => Some(inner.bind(py).clone()),
            Call::Due { .. } | Call::Nothing => None,
        }
    }

    fn step(&self, py: Python<'_>, result: PyResult<Bound<'_, PyAny>>) -> PyResult<Option<Py<PyAny>>> {
        let error = match result {
            Ok(awaited) => {
                self.conversation.suspended(py);
                return Ok(Some(awaited.unbind()));
            }
            Err(error) => error,
        };
        if error.is_instance_of::<pyo3::exceptions::PyStopIteration>(py) {
            self.conversation.ended(py, Ok(()));
            return Ok(None);
        }
        if error.is_instance_of::<CancelledError>(py) {
            self.conversation.ended(py, Err(error.clone_ref(py)));
            return Err(error);
        }
        self.conversation.ended(py, Err(error));
        Ok(None)
    }
}

/// A coroutine is taken as it is; any other awaitable by its `__await__`.
fn coroutine_of<'py>(returned: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    static COROUTINE: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let py = returned.py();
    // Nearly all are; to ask for two methods makes both.
    if returned.get_type().is(COROUTINE.import(py, "types", "CoroutineType")?)
        || returned.hasattr(intern!(py, "send"))? && returned.hasattr(intern!(py, "throw"))?
    {
        return Ok(returned.clone());
    }
    if returned.hasattr(intern!(py, "__await__"))? {
        return returned.call_method0(intern!(py, "__await__"));
    }
    Err(PyTypeError::new_err(format!(
        "an ASGI application must return an awaitable (is it declared `async def`?), not {}",
        short(returned)
    )))
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
        self.conversation.resumed();
        let sent = self.inner(py).and_then(|inner| inner.call_method1(intern!(py, "send"), (py.None(),)));
        self.step(py, sent)
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
        self.step(py, thrown)?.ok_or_else(|| rsgi_bridge::awaitable::stop_iteration(py, py.None()))
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
}
