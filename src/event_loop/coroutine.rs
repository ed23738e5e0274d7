//! The coroutine of one application call, run as a real `asyncio.Task`.
//!
//! Kept apart from the loop: it wraps the application's own coroutine so that the end of the call is seen in the task's own
//! step, without a callback that costs another turn of the loop. The task is never left with an exception that nobody
//! retrieves; cancellation passes through.
//!
//! Spec: PEP 492 (the coroutine protocol), ASGI "Applications".

use std::sync::Arc;

use pyo3::exceptions::PyTypeError;
use pyo3::exceptions::asyncio::CancelledError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;
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

    fn ended(&self, py: Python<'_>, result: PyResult<()>) {
        match self {
            Self::Http(exchange) => exchange.get().ended(py, result),
            Self::WebSocket(exchange) => exchange.get().ended(py, result),
        }
    }
}

/// The application's coroutine, wrapped.
#[pyclass(frozen, module = "rsgi")]
#[derive(Debug)]
pub struct AppCoroutine {
    inner: Py<PyAny>,
    conversation: Conversation,
}

impl AppCoroutine {
    /// Calls the application, and starts the task of what it returns. `exchange` has `receive` and `send`; `conversation` is told
    /// of the end, also when the call itself fails.
    ///
    /// # Errors
    /// When Python is out of memory.
    pub fn call(
        event_loop: &Arc<EventLoop>,
        app: &Bound<'_, PyAny>,
        scope: &Bound<'_, PyDict>,
        exchange: &Bound<'_, PyAny>,
        conversation: Conversation,
    ) -> PyResult<()> {
        let py = app.py();
        let receive = exchange.getattr(intern!(py, "receive"))?;
        let send = exchange.getattr(intern!(py, "send"))?;
        match app.call1((scope, receive, send)) {
            Ok(returned) => Self::start(py, event_loop, &returned, conversation),
            Err(error) => {
                conversation.ended(py, Err(error));
                Ok(())
            }
        }
    }

    /// Starts the task. `returned` is what the application returned when it was called.
    ///
    /// # Errors
    /// When the loop has stopped.
    fn start(
        py: Python<'_>,
        event_loop: &Arc<EventLoop>,
        returned: &Bound<'_, PyAny>,
        conversation: Conversation,
    ) -> PyResult<()> {
        let inner = match coroutine_of(returned) {
            Ok(inner) => inner.unbind(),
            Err(error) => {
                conversation.ended(py, Err(error));
                return Ok(());
            }
        };
        let coroutine = Bound::new(py, Self { inner, conversation })?.into_any();
        if let Err(error) = event_loop.create_task(py, coroutine.clone()) {
            coroutine.cast::<Self>()?.get().conversation.ended(py, Err(error));
        }
        Ok(())
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
    let py = returned.py();
    if returned.hasattr(intern!(py, "send"))? && returned.hasattr(intern!(py, "throw"))? {
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
        let inner = self.inner.bind(py);
        self.conversation.resumed();
        self.step(py, inner.call_method1(intern!(py, "send"), (py.None(),)))
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
        let inner = self.inner.bind(py);
        self.conversation.resumed();
        let thrown = match (value, traceback) {
            (None, None) => inner.call_method1(intern!(py, "throw"), (exception,)),
            (value, traceback) => inner.call_method1(intern!(py, "throw"), (exception, value, traceback)),
        };
        self.step(py, thrown)?.ok_or_else(|| rsgi_bridge::awaitable::stop_iteration(py, py.None()))
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.inner.bind(py).call_method0(intern!(py, "close")).map(|_| ())
    }

    /// The frame that debuggers and `asyncio.all_tasks()` show is the application's.
    #[getter]
    fn cr_frame(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.inner.bind(py).getattr("cr_frame").map(Bound::unbind)
    }
}
