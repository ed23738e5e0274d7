//! `receive` and `send` of one WebSocket, and which message may follow which.
//!
//! `message.rs` has the messages and `socket.rs` the frames. If the application denies the handshake with its own
//! response, `ResponseMessages` sends it like any other response.
//!
//! Spec: ASGI WebSocket 2.5, and its extension "WebSocket Denial Response".

use std::sync::Arc;
use std::task::{Context, Poll};

use http::StatusCode;
use http::header::{HeaderMap, HeaderValue};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rsgi_bridge::error::is_clients_doing;
use rsgi_bridge::gil_lock::GilLock;
use rsgi_bridge::host::awaitable::{Awaitable, PollFn, Sent};
use rsgi_bridge::log::LogContext;
use rsgi_bridge::pipe::{PipeReader, PipeWriter};
use rsgi_bridge::report::{log_failure, log_length};
use rsgi_bridge::response::exchange::Ended;
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::super::asgi::AsgiGateway;
use super::super::disconnect::DisconnectFlag;
use super::super::message::{typed, unexpected};
use super::super::response_messages::{Capacity, ResponseMessages, body_part};
use super::super::waiters::Waiters;
use super::message;
use super::piped::{Inbound, Outbound};
use super::turn::TaskTurn;
use crate::request::error::RequestError;
use crate::request::head::RequestHead;
use crate::response::app_response::AppResponse;
use crate::runtime::calls::{CallHandle, RunningCall};
use crate::runtime::event_loop::task_callbacks::TaskExchange;
use crate::runtime::reply::{self, ReplyReceiver};

/// The messages that `send()` takes.
const EXPECTED: &str = "'websocket.accept', 'websocket.send', 'websocket.close', 'websocket.http.response.start' or \
                        'websocket.http.response.body'";

/// The close code if none is known.
const UNKNOWN: u16 = 1006;

/// The application's response to the handshake.
#[derive(Debug)]
pub(super) enum HandshakeResponse {
    /// It accepts.
    Accepted {
        /// One of the subprotocols that the client offered.
        subprotocol: Option<HeaderValue>,
        /// Header fields for the response.
        headers: HeaderMap,
    },
    /// It refuses, and the server sends the response.
    Refused(RequestError),
    /// It refuses, and sends its own response.
    Denied(ReplyReceiver<AppResponse>),
}

#[derive(Debug)]
pub(super) enum HandshakeProgress {
    /// The application has not responded. `told` is true after `websocket.connect` was delivered.
    Connecting { reply: oneshot::Sender<HandshakeResponse>, outbound: PipeWriter<Outbound>, told: bool },
    /// Messages go both ways.
    Open(PipeWriter<Outbound>),
    /// The application denies the handshake with its own response.
    Denying(ResponseMessages),
    /// The application has refused or closed the WebSocket, or has ended.
    Closed,
}

#[derive(Debug)]
pub(super) struct SocketState {
    pub(super) inbound: PipeReader<Inbound>,
    pub(super) progress: HandshakeProgress,
    /// `None` after the application has returned.
    pub(super) call: Option<RunningCall>,
    /// How the client ended the WebSocket. Each further `receive` returns the same.
    pub(super) ended: Option<(u16, Utf8Bytes)>,
}

impl SocketState {
    fn disconnected(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let (code, reason) = self.ended.as_ref().map_or((UNKNOWN, ""), |(code, reason)| (*code, reason.as_str()));
        message::disconnected(py, code, reason)
    }

    /// Takes the progress, and leaves `Closed` until it is set again.
    fn take_progress(&mut self) -> HandshakeProgress {
        std::mem::replace(&mut self.progress, HandshakeProgress::Closed)
    }

    /// Restores the progress, and returns the error for a message that must not come now.
    fn misplaced(&mut self, kind: &str, progress: HandshakeProgress) -> PyErr {
        let after = match &progress {
            HandshakeProgress::Connecting { .. } => "before 'websocket.accept'",
            HandshakeProgress::Open(_) => "after 'websocket.accept'",
            HandshakeProgress::Denying(_) => "after 'websocket.http.response.start'",
            HandshakeProgress::Closed => "after the WebSocket was closed",
        };
        self.progress = progress;
        PyRuntimeError::new_err(format!("'{kind}' was sent {after}"))
    }
}

/// `receive` and `send` of one WebSocket.
#[pyclass(frozen, module = "rsgi")]
#[derive(Debug)]
pub struct WebSocketExchange {
    pub(super) state: GilLock<SocketState>,
    pub(super) offered: Vec<String>,
    pub(super) head: Box<RequestHead>,
    pub(super) waiters: Waiters,
    pub(super) turn: TaskTurn,
    pub(super) disconnect: DisconnectFlag,
    pub(super) gateway: Arc<AsgiGateway>,
}

#[pymethods]
impl WebSocketExchange {
    /// The next message from the client.
    fn receive(slf: &Bound<'_, Self>) -> Awaitable {
        let py = slf.py();
        let this = slf.get();
        let over = this.turn.is_over(py, &this.gateway.event_loop);
        if !over && let Poll::Ready(message) = this.poll_receive(py, &mut Context::from_waker(this.waiters.waker())) {
            return Awaitable::finished(message);
        }
        let exchange = slf.clone().unbind();
        let poll = this.waiters.join(move |py, context| exchange.get().poll_receive(py, context));
        this.wait(py, over, poll)
    }

    /// Takes a message for the client, and waits while the client is slow.
    fn send(slf: &Bound<'_, Self>, message: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        let this = slf.get();
        this.gateway.event_loop.process.check()?;
        let over = this.turn.is_over(py, &this.gateway.event_loop);
        if this.take_message(py, message)? == Capacity::More && !over {
            return Sent::instance(py);
        }
        let exchange = slf.clone().unbind();
        let poll = this.waiters.join(move |py, context| exchange.get().poll_room(py, context));
        Ok(Py::new(py, this.wait(py, over, poll))?.into_any())
    }
}

impl WebSocketExchange {
    /// Suspends the task until `poll` is ready; if its turn is `over`, until the next turn at least.
    fn wait(&self, py: Python<'_>, over: bool, poll: PollFn) -> Awaitable {
        self.turn.ends(py);
        let event_loop = Arc::clone(&self.gateway.event_loop) as _;
        if over { Awaitable::yielding(event_loop, poll) } else { Awaitable::waiting(event_loop, poll) }
    }

    fn log_context(&self) -> LogContext<'_> {
        LogContext { method: "WEBSOCKET", ..self.head.log_context(&self.gateway.name) }
    }

    fn poll_receive(&self, py: Python<'_>, context: &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>> {
        let mut state = self.state.lock(py);
        match &mut state.progress {
            HandshakeProgress::Connecting { told, .. } => {
                if !std::mem::replace(told, true) {
                    return Poll::Ready(message::connected(py));
                }
            }
            HandshakeProgress::Denying(response) => {
                let over = response.poll_over(context, &self.disconnect);
                return over.map(|()| message::disconnected(py, UNKNOWN, ""));
            }
            HandshakeProgress::Closed | HandshakeProgress::Open(_) => {}
        }
        state.inbound.poll_next(context).map(|next| match next {
            Some(Ok(Inbound::Text(text))) => message::received(py, Some(&text), None),
            Some(Ok(Inbound::Binary(bytes))) => message::received(py, None, Some(&bytes)),
            Some(Ok(Inbound::Closed { code, reason })) => {
                state.ended = Some((code, reason));
                state.disconnected(py)
            }
            None | Some(Err(_)) => state.disconnected(py),
        })
    }

    fn poll_room(&self, py: Python<'_>, context: &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>> {
        let room = match &mut self.state.lock(py).progress {
            HandshakeProgress::Open(outbound) => outbound.poll_ready(context).map_err(message::client_left),
            HandshakeProgress::Denying(response) => response.poll_room(context),
            HandshakeProgress::Connecting { .. } | HandshakeProgress::Closed => Poll::Ready(Ok(())),
        };
        room.map_ok(|()| py.None())
    }

    fn take_message(&self, py: Python<'_>, message: &Bound<'_, PyAny>) -> PyResult<Capacity> {
        let (message, kind) = typed(message)?;
        match kind.to_str()? {
            "websocket.send" => self.send_data(py, message::data(py, message)?),
            "websocket.accept" => self.accept(py, message::accept(py, message, &self.offered)?),
            "websocket.close" => self.close(py, message::close(py, message)?),
            "websocket.http.response.start" => self.start_denial(py, message),
            "websocket.http.response.body" => self.send_denial(py, message),
            other => Err(unexpected(other, EXPECTED)),
        }
    }

    fn accept(&self, py: Python<'_>, (subprotocol, headers): (Option<HeaderValue>, HeaderMap)) -> PyResult<Capacity> {
        let mut state = self.state.lock(py);
        match state.take_progress() {
            HandshakeProgress::Connecting { reply, outbound, .. } => {
                state.progress = HandshakeProgress::Open(outbound);
                let accepted = HandshakeResponse::Accepted { subprotocol, headers };
                reply.send(accepted).map(|()| Capacity::More).map_err(message::client_left)
            }
            other => Err(state.misplaced("websocket.accept", other)),
        }
    }

    fn close(&self, py: Python<'_>, (code, reason): (i64, String)) -> PyResult<Capacity> {
        let mut state = self.state.lock(py);
        match state.take_progress() {
            // A refused handshake has a status and no close code.
            HandshakeProgress::Connecting { reply, .. } => {
                let refused = RequestError::new(StatusCode::FORBIDDEN, "the application refused the WebSocket");
                // The client may have left.
                let _unsent = reply.send(HandshakeResponse::Refused(refused));
                Ok(Capacity::More)
            }
            HandshakeProgress::Open(outbound) => match message::close_frame(code, &reason) {
                Ok(code) => {
                    state.progress = HandshakeProgress::Closed;
                    let closed = outbound.push(Outbound::Close { code, reason });
                    outbound.finish();
                    closed.map(|_| Capacity::More).map_err(message::client_left)
                }
                Err(error) => {
                    state.progress = HandshakeProgress::Open(outbound);
                    Err(error)
                }
            },
            other => Err(state.misplaced("websocket.close", other)),
        }
    }

    fn send_data(&self, py: Python<'_>, data: Outbound) -> PyResult<Capacity> {
        let mut state = self.state.lock(py);
        if let HandshakeProgress::Open(outbound) = &state.progress {
            return outbound.push(data).map_err(message::client_left);
        }
        let progress = state.take_progress();
        Err(state.misplaced("websocket.send", progress))
    }

    fn start_denial(&self, py: Python<'_>, message: &Bound<'_, PyDict>) -> PyResult<Capacity> {
        let head = message::denial(py, message, self.head.parts.version)?;
        let mut state = self.state.lock(py);
        match state.take_progress() {
            HandshakeProgress::Connecting { reply, .. } => {
                let (responder, response) = reply::channel();
                let mut messages = self.gateway.response(responder, None);
                let started = messages.start(head, &self.disconnect);
                state.progress = HandshakeProgress::Denying(messages);
                // The client may have left; `started` then has the error.
                let _unsent = reply.send(HandshakeResponse::Denied(response));
                started.map(|()| Capacity::More)
            }
            other => Err(state.misplaced("websocket.http.response.start", other)),
        }
    }

    fn send_denial(&self, py: Python<'_>, message: &Bound<'_, PyDict>) -> PyResult<Capacity> {
        let (body, more) = body_part(py, message)?;
        let mut state = self.state.lock(py);
        let HandshakeProgress::Denying(response) = &mut state.progress else {
            if matches!(state.progress, HandshakeProgress::Connecting { .. }) {
                let text = "'websocket.http.response.body' was sent before 'websocket.http.response.start'";
                return Err(PyRuntimeError::new_err(text));
            }
            let progress = state.take_progress();
            return Err(state.misplaced("websocket.http.response.body", progress));
        };
        let (capacity, ended) = response.take_body(body, more, self.head.is_head(), &self.disconnect)?;
        drop(state);
        if ended != Ended::Whole {
            log_length(py, self.log_context(), ended);
        }
        Ok(capacity)
    }
}

impl TaskExchange for WebSocketExchange {
    /// A WebSocket always waits for the client.
    const SHORT: bool = false;

    /// Whether this exchange belongs to `call`.
    fn is_of(&self, py: Python<'_>, call: &CallHandle) -> bool {
        self.state.lock(py).call.as_ref().is_some_and(|own| own.is(call))
    }

    /// The application has returned or raised. Closes the WebSocket if it is open, and logs an error once.
    fn ended(&self, py: Python<'_>, result: PyResult<()>) {
        let (progress, _call) = {
            let mut state = self.state.lock(py);
            (state.take_progress(), state.call.take())
        };
        let error = match progress {
            HandshakeProgress::Connecting { reply, .. } => {
                let client_left = reply.is_closed();
                // The client may have left.
                let _unsent = reply.send(HandshakeResponse::Refused(RequestError::application_failed()));
                let silent = || PyRuntimeError::new_err("the application returned without answering the handshake");
                result.err().or_else(|| (!client_left).then(silent))
            }
            HandshakeProgress::Open(outbound) => {
                let (code, reason) = if result.is_ok() { (1000, "") } else { (1011, "the application failed") };
                // The client may have left.
                let _unsent = outbound.push(Outbound::Close { code, reason: reason.to_owned() });
                outbound.finish();
                result.err()
            }
            HandshakeProgress::Denying(mut response) => response.end(py, result, false, &self.disconnect).failure(),
            HandshakeProgress::Closed => result.err(),
        };
        let Some(error) = error.filter(|_| self.gateway.event_loop.is_attached()) else { return };
        if is_clients_doing(py, &error) {
            self.gateway.event_loop.collect_soon();
        } else {
            log_failure(py, self.log_context(), &error);
        }
    }
}
