//! `receive` and `send` of one HTTP request.
//!
//! `asgi.rs` starts the request. This file handles its messages until the application ends.
//!
//! Spec: ASGI HTTP 2.5 ("Request", "Response Start", "Response Body", "Disconnected client").

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rsgi_bridge::error::{ClientDisconnected, Disconnected};
use rsgi_bridge::gil_lock::GilLock;
use rsgi_bridge::host::awaitable::{Awaitable, PollFn, Sent};
use rsgi_bridge::process::Process;
use rsgi_bridge::report::{log_failure, log_length};
use rsgi_bridge::response::exchange::Ended;

use super::asgi::AsgiGateway;
use super::disconnect::DisconnectState;
use super::extensions::only_if;
use super::leaving::{put_off, raise_after_listeners};
use super::message::{disconnect_message, says, typed, unexpected};
use super::request_messages::RequestMessages;
use super::response_messages::{AfterCall, Capacity, ResponseMessages, ResponseProgress, body_part, response_head};
use super::scope_observer::ScopeObserver;
use super::waiters::Waiters;
use super::{early_hint, file_message, trailers, zero_copy};
use crate::request::head::RequestHead;
use crate::runtime::calls::CallHandle;
use crate::runtime::event_loop::EventLoop;
use crate::runtime::event_loop::task_callbacks::TaskExchange;

/// How many turns of the loop a head waits for its body. Middleware that passes messages between tasks needs one or
/// two.
const FLUSH_TURNS: u32 = 3;

/// One request, as long as anything refers to it.
#[derive(Debug)]
pub(super) struct HttpRequest {
    pub(super) disconnect: DisconnectState,
    pub(super) head: Box<RequestHead>,
    pub(super) observer: Option<Arc<ScopeObserver>>,
    pub(super) gateway: Arc<AsgiGateway>,
}

impl AsRef<DisconnectState> for HttpRequest {
    fn as_ref(&self) -> &DisconnectState {
        &self.disconnect
    }
}

/// How far the exchange of a request is.
#[derive(Debug)]
pub(super) struct ExchangeState {
    pub(super) body: RequestMessages,
    pub(super) response: ResponseMessages,
    /// The head will be sent soon, even without a body message.
    pub(super) flushing: bool,
    pub(super) request: Arc<HttpRequest>,
}

/// `receive` and `send` of one request. Another request may use the object after it.
#[pyclass(frozen, module = "rsgi")]
#[derive(Debug)]
pub struct HttpExchange {
    pub(super) state: GilLock<ExchangeState>,
    /// The application's own task is running, not a task that it has started.
    pub(super) stepping: AtomicBool,
    pub(super) waiters: Waiters,
    pub(super) process: Process,
}

#[pymethods]
impl HttpExchange {
    /// The next message of the request.
    fn receive(slf: &Bound<'_, Self>) -> Awaitable {
        let py = slf.py();
        let this = slf.get();
        if let Poll::Ready(message) = this.poll_receive(py, &mut Context::from_waker(this.waiters.waker())) {
            return Awaitable::finished(message);
        }
        let exchange = slf.clone().unbind();
        let poll = this.waiters.join(move |py, context| exchange.get().poll_receive(py, context));
        Awaitable::waiting(this.event_loop(py) as _, poll)
    }

    /// Takes a message of the response.
    fn send(slf: &Bound<'_, Self>, message: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        let this = slf.get();
        this.process.check()?;
        let poll = match Self::take_message(slf, message) {
            Ok(Capacity::More) => return Sent::instance(py),
            Ok(Capacity::Full) => Self::wait_for_room(slf),
            Err(error) => this.hold_back(py, error)?,
        };
        Ok(Py::new(py, Awaitable::waiting(this.event_loop(py) as _, poll))?.into_any())
    }
}

impl HttpExchange {
    fn request(&self, py: Python<'_>) -> Arc<HttpRequest> {
        Arc::clone(&self.state.lock(py).request)
    }

    fn event_loop(&self, py: Python<'_>) -> Arc<EventLoop> {
        Arc::clone(&self.state.lock(py).request.gateway.event_loop)
    }

    fn poll_receive(&self, py: Python<'_>, context: &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>> {
        let mut state = self.state.lock(py);
        match state.body.poll_next(py, context) {
            Some(message) => message,
            None => state.response.poll_over(context, &state.request.disconnect).map(|()| disconnect_message(py)),
        }
    }

    fn wait_for_room(slf: &Bound<'_, Self>) -> PollFn {
        let (exchange, told) = (slf.clone().unbind(), slf.clone().unbind());
        let room: PollFn = Box::new(move |py, context| exchange.get().poll_room(py, context));
        slf.get().waiters.join(put_off(room, move |py, error| told.get().hold_back(py, error)))
    }

    /// For the error that the client has left: delays it until the tasks that wait in `receive` have got
    /// `http.disconnect`.
    ///
    /// # Errors
    /// Any other error, at once.
    fn hold_back(&self, py: Python<'_>, error: PyErr) -> PyResult<PollFn> {
        if !error.is_instance_of::<ClientDisconnected>(py) {
            return Err(error);
        }
        self.state.lock(py).response.progress = ResponseProgress::Left;
        // The connection may not have noticed yet that the client has left, so wake the tasks in `receive`.
        self.waiters.waker().wake_by_ref();
        Ok(raise_after_listeners(&self.event_loop(py), error))
    }

    fn poll_room(&self, py: Python<'_>, context: &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>> {
        self.state.lock(py).response.poll_room(context).map_ok(|()| py.None())
    }

    fn take_message(slf: &Bound<'_, Self>, message: &Bound<'_, PyAny>) -> PyResult<Capacity> {
        let (message, kind) = typed(message)?;
        match kind.to_str()? {
            "http.response.start" => Self::start_response(slf, message),
            "http.response.body" => slf.get().send_body(slf.py(), message),
            "http.response.pathsend" => slf.get().send_file(slf.py(), message),
            "http.response.zerocopysend" => slf.get().send_piece(slf.py(), message),
            "http.response.trailers" => {
                slf.get().state.lock(slf.py()).response.take_trailers(slf.py(), message).map(|()| Capacity::More)
            }
            "http.response.early_hint" => slf.get().send_hint(message),
            other => Err(unexpected(
                other,
                "'http.response.start', 'http.response.body', 'http.response.pathsend', 'http.response.zerocopysend', \
                 'http.response.trailers' or 'http.response.early_hint'",
            )),
        }
    }

    fn start_response(slf: &Bound<'_, Self>, message: &Bound<'_, PyDict>) -> PyResult<Capacity> {
        let (py, this) = (slf.py(), slf.get());
        let promises = says(message, intern!(py, "trailers"))?;
        let head = response_head(py, message, promises)?;
        let mut state = this.state.lock(py);
        let ExchangeState { response, request, .. } = &mut *state;
        if promises {
            only_if(request.gateway.extensions.trailers, "trailers")?;
        }
        let trailers = promises.then(|| trailers::promised(&head, &request.head)).transpose()?;
        response.start(head, &request.disconnect)?;
        if let Some(trailers) = trailers {
            response.promise(trailers);
        }
        drop(state);
        if !this.stepping.load(Ordering::Relaxed) {
            // A task that the application has started sent the head. rsgi does not see when that task waits, so send
            // the head soon.
            Self::suspended(slf);
        }
        Ok(Capacity::More)
    }

    /// Reads what a router has written into the scope, before the scope changes.
    fn read_scope(&self, py: Python<'_>) {
        let state = self.state.lock(py);
        if let Some(observer) = &state.request.observer {
            let observer = Arc::clone(observer);
            drop(state);
            observer.read(py);
        }
    }

    fn send_body(&self, py: Python<'_>, message: &Bound<'_, PyDict>) -> PyResult<Capacity> {
        let (body, more) = body_part(py, message)?;
        self.read_scope(py);
        let mut state = self.state.lock(py);
        let ExchangeState { response, request, .. } = &mut *state;
        // There is no pipe for a body that is discarded, so ask the connection whether the client has left.
        if response.is_discarding() && request.head.peer.is_gone() {
            return Err(Disconnected.into());
        }
        let (capacity, ended) = response.take_body(body, more, request.head.is_head(), &request.disconnect)?;
        drop(state);
        if ended != Ended::Whole {
            let request = self.request(py);
            log_length(py, request.head.log_context(&request.gateway.name), ended);
        }
        Ok(capacity)
    }

    fn send_file(&self, py: Python<'_>, message: &Bound<'_, PyDict>) -> PyResult<Capacity> {
        only_if(self.state.lock(py).request.gateway.extensions.path_send, "pathsend")?;
        let body = file_message::open(py, message)?;
        self.read_scope(py);
        let mut state = self.state.lock(py);
        let ExchangeState { response, request, .. } = &mut *state;
        response.take_file(body, request.head.is_head(), &request.disconnect).map(|()| Capacity::More)
    }

    fn send_piece(&self, py: Python<'_>, message: &Bound<'_, PyDict>) -> PyResult<Capacity> {
        only_if(self.state.lock(py).request.gateway.extensions.zero_copy_send, "zerocopysend")?;
        let (body, more) = zero_copy::piece(py, message)?;
        self.read_scope(py);
        let mut state = self.state.lock(py);
        let ExchangeState { response, request, .. } = &mut *state;
        response.take_piece(body, more, request.head.is_head(), &request.disconnect)
    }

    fn send_hint(&self, message: &Bound<'_, PyDict>) -> PyResult<Capacity> {
        let py = message.py();
        only_if(self.state.lock(py).request.gateway.extensions.early_hint, "early_hint")?;
        let links = early_hint::links(message)?;
        let state = self.state.lock(py);
        early_hint::send(&links, &state.request.head, &state.response).map(|()| Capacity::More)
    }

    fn flush(&self, py: Python<'_>) {
        self.read_scope(py);
        let mut state = self.state.lock(py);
        let ExchangeState { response, request, .. } = &mut *state;
        if response.is_held() {
            // If the client has left, the head is not needed.
            let _result = response.take_body(Bytes::new(), true, request.head.is_head(), &request.disconnect);
        }
    }
}

impl TaskExchange for HttpExchange {
    const SHORT: bool = true;

    /// Whether this exchange belongs to `call`.
    fn is_of(&self, py: Python<'_>, call: &CallHandle) -> bool {
        self.state.lock(py).response.is_of(call)
    }

    /// The application's task continues.
    fn resumed(&self) {
        self.stepping.store(true, Ordering::Relaxed);
    }

    /// The application's task waits for something. If there is a head, it goes out soon, with or without a body. A body
    /// message within a few turns of the loop still goes out together with the head.
    fn suspended(this: &Bound<'_, Self>) {
        let (py, exchange, this) = (this.py(), this.clone().unbind(), this.get());
        this.stepping.store(false, Ordering::Relaxed);
        let mut state = this.state.lock(py);
        if state.response.is_held() && !state.flushing {
            state.flushing = true;
            let event_loop = Arc::clone(&state.request.gateway.event_loop);
            event_loop.run_later(FLUSH_TURNS, Box::new(move |py| exchange.get().flush(py)));
        }
    }

    /// The application has returned or raised. Ends what is open, and logs an error once.
    fn ended(&self, py: Python<'_>, result: PyResult<()>) {
        self.read_scope(py);
        let mut state = self.state.lock(py);
        let ExchangeState { response, request, body, .. } = &mut *state;
        let body_failed = std::mem::replace(body, RequestMessages::Delivered).has_failed();
        let ending = response.end(py, result, body_failed, &request.disconnect);
        drop(state);
        match ending {
            AfterCall::Told => {}
            AfterCall::ClientLeft => self.event_loop(py).collect_soon(),
            AfterCall::Failed(error) => {
                let request = self.request(py);
                log_failure(py, request.head.log_context(&request.gateway.name), &error);
            }
        }
    }
}
