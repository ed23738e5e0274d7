//! The WebSocket gateway: the handshake, and `receive` and `send` of one connection.
//!
//! Kept apart from HTTP because the handshake's answer is the application's to give. The frames are in `websocket_socket`.
//!
//! Spec: RFC 6455 4.2; ASGI WebSocket 2.5.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{Method, Request, StatusCode, Version};
use hyper::body::Incoming;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};
use rsgi_bridge::awaitable::{Awaitable, Sent};
use rsgi_bridge::error::is_clients_doing;
use rsgi_bridge::pipe::{PipeReader, PipeWriter, pipe};
use rsgi_bridge::report::log_failure;
use rsgi_bridge::response_head::ResponseHead;
use rsgi_bridge::scope::ScopeKind;
use tokio::sync::oneshot;

use super::asgi::AsgiGateway;
use super::message::{typed, unexpected};
use super::websocket_socket::{self, Inbound, Outbound, SocketLimits};
use super::{App, Gateway};
use crate::error::RequestError;
use crate::event_loop::LoopEvent;
use crate::event_loop::coroutine::{AppCoroutine, Conversation};
use crate::head::{Peer, RequestHead};
use crate::response::AppResponse;
use crate::settings::Settings;
use crate::shutdown::Alive;
use crate::wire::WireState;

/// Bytes of messages that wait for the application.
const INBOUND_BUFFER: usize = 64 * 1024;

/// Whether a request asks to become a WebSocket.
pub fn requested(request: &Request<Incoming>) -> bool {
    let lists = |name: HeaderName, token: &str| {
        let values = request.headers().get_all(name);
        values
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|item| item.trim().eq_ignore_ascii_case(token))
    };
    request.method() == Method::GET
        && request.version() == Version::HTTP_11
        && lists(CONNECTION, "upgrade")
        && lists(UPGRADE, "websocket")
}

/// A request to become a WebSocket.
#[derive(Debug)]
pub struct Asked {
    /// The request.
    pub request: Request<Incoming>,
    /// How many bytes of the raw path are the mount point.
    pub root: usize,
    /// The two ends of the connection.
    pub peer: Arc<Peer>,
    /// Keeps the server until the WebSocket has ended.
    pub alive: Alive,
}

/// Asks the application; its answer to the handshake is the response.
///
/// # Cancel safety
/// When the future is dropped the application sees `websocket.disconnect`.
pub async fn call(app: &App, asked: Asked, wire: &WireState, settings: &Settings) -> AppResponse {
    let Gateway::Asgi(gateway) = &app.gateway else {
        return AppResponse::Error(RequestError::new(StatusCode::NOT_FOUND, "no application accepts a WebSocket here"));
    };
    let Asked { mut request, root, peer, alive } = asked;
    let accept_key = match accept_key(request.headers()) {
        Ok(key) => key,
        Err(refused) => return refused,
    };
    let upgrade = hyper::upgrade::on(&mut request);
    let mut head = RequestHead::new(request.into_parts().0, peer);
    head.root = root;
    let (inbound_writer, inbound) = pipe(INBOUND_BUFFER);
    let (outbound, outbound_reader) = pipe(settings.response_buffer);
    let (answer, answered) = oneshot::channel();
    let start = WebSocketStart { gateway: Arc::clone(gateway), head, inbound, outbound, answer };
    gateway.event_loop.submit(LoopEvent::WebSocket(Box::new(start)));
    match answered.await {
        Err(_) => AppResponse::Error(RequestError::application_failed()),
        Ok(Answer::Refused(error)) => AppResponse::Error(error),
        Ok(Answer::Accepted { subprotocol, headers }) => {
            wire.upgraded();
            let limits = SocketLimits {
                message: settings.ws_max_message,
                ping_interval: settings.ws_ping_interval.0,
                ping_timeout: settings.ws_ping_timeout.0,
            };
            tokio::spawn(websocket_socket::run(upgrade, inbound_writer, outbound_reader, limits, alive));
            AppResponse::Whole(switching(&accept_key, subprotocol, headers), Bytes::new())
        }
    }
}

/// The value of `Sec-WebSocket-Accept`.
#[expect(clippy::result_large_err, reason = "the refusal is the response, made once")]
fn accept_key(headers: &HeaderMap) -> Result<String, AppResponse> {
    let refused = |reason| AppResponse::Error(RequestError::closing(StatusCode::BAD_REQUEST, reason));
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        let mut response = HeaderMap::new();
        response.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        response.insert(UPGRADE, HeaderValue::from_static("websocket"));
        response.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        let status = StatusCode::UPGRADE_REQUIRED;
        let head = ResponseHead { status, reason: None, headers: response, content_length: None };
        let text = "426 Upgrade Required: only version 13 of the WebSocket protocol is spoken here\n";
        return Err(AppResponse::Whole(head, Bytes::from_static(text.as_bytes())));
    }
    let mut keys = headers.get_all(SEC_WEBSOCKET_KEY).iter();
    let (Some(key), None) = (keys.next(), keys.next()) else {
        return Err(refused("a WebSocket request needs one Sec-WebSocket-Key"));
    };
    // 16 bytes in base64.
    let well_formed = key.len() == 24 && key.as_bytes().ends_with(b"==");
    if !well_formed {
        return Err(refused("the Sec-WebSocket-Key is not 16 bytes in base64"));
    }
    Ok(tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes()))
}

fn switching(accept_key: &str, subprotocol: Option<HeaderValue>, mut headers: HeaderMap) -> ResponseHead {
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(key) = HeaderValue::from_str(accept_key) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, key);
    }
    if let Some(subprotocol) = subprotocol {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, subprotocol);
    }
    ResponseHead { status: StatusCode::SWITCHING_PROTOCOLS, reason: None, headers, content_length: None }
}

/// What the application answered to the handshake.
#[derive(Debug)]
enum Answer {
    Accepted { subprotocol: Option<HeaderValue>, headers: HeaderMap },
    Refused(RequestError),
}

/// One WebSocket on its way to the loop's thread.
#[derive(Debug)]
pub struct WebSocketStart {
    gateway: Arc<AsgiGateway>,
    head: RequestHead,
    inbound: PipeReader<Inbound>,
    outbound: PipeWriter<Outbound>,
    answer: oneshot::Sender<Answer>,
}

impl WebSocketStart {
    /// Builds scope, `receive` and `send`, and starts the task. Runs on the loop's thread.
    pub fn start(self, py: Python<'_>) {
        let Self { gateway, head, inbound, outbound, answer } = self;
        let offered = subprotocols(&head.parts.headers);
        let scheme = head.peer.websocket_scheme();
        let scope = gateway.scope(py, &head, ScopeKind::WebSocket { subprotocols: &offered });
        let exchange = WebSocketExchange {
            state: Mutex::new(State { inbound, progress: Progress::Connecting { answer, outbound, told: false } }),
            offered,
            head,
            gateway: Arc::clone(&gateway),
        };
        let started = scope.and_then(|scope| {
            scope.set_item(intern!(py, "scheme"), scheme)?;
            let exchange = Bound::new(py, exchange)?;
            let conversation = Conversation::WebSocket(exchange.clone().unbind());
            AppCoroutine::call(&gateway.event_loop, gateway.app.bind(py), &scope, exchange.as_any(), conversation)
        });
        if let Err(error) = started {
            error.write_unraisable(py, None);
        }
    }
}

fn subprotocols(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(SEC_WEBSOCKET_PROTOCOL);
    let items = values.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    items.map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

#[derive(Debug)]
enum Progress {
    /// The application has not answered; `told` when it was given `websocket.connect`.
    Connecting { answer: oneshot::Sender<Answer>, outbound: PipeWriter<Outbound>, told: bool },
    /// Messages go both ways.
    Open(PipeWriter<Outbound>),
    /// The application has refused or closed it, or has ended.
    Closed { code: u16 },
}

#[derive(Debug)]
struct State {
    inbound: PipeReader<Inbound>,
    progress: Progress,
}

/// `receive` and `send` of one WebSocket.
#[pyclass(frozen, module = "rsgi")]
#[derive(Debug)]
pub struct WebSocketExchange {
    state: Mutex<State>,
    offered: Vec<String>,
    head: RequestHead,
    gateway: Arc<AsgiGateway>,
}

#[pymethods]
impl WebSocketExchange {
    /// The next message from the client.
    fn receive(slf: &Bound<'_, Self>) -> Awaitable {
        let py = slf.py();
        if let Poll::Ready(message) = slf.get().poll_receive(py, &mut Context::from_waker(Waker::noop())) {
            return Awaitable::finished(message);
        }
        let exchange = slf.clone().unbind();
        let handle = Arc::clone(&slf.get().gateway.event_loop);
        Awaitable::waiting(handle, Box::new(move |py, context| exchange.get().poll_receive(py, context)))
    }

    /// Takes a message for the client; waits while the client is slow.
    fn send(slf: &Bound<'_, Self>, message: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        if slf.get().take_message(py, message)? {
            return Sent::instance(py);
        }
        let exchange = slf.clone().unbind();
        let handle = Arc::clone(&slf.get().gateway.event_loop);
        let poll = move |py: Python<'_>, context: &mut Context<'_>| exchange.get().poll_room(py, context);
        Ok(Py::new(py, Awaitable::waiting(handle, Box::new(poll)))?.into_any())
    }
}

impl WebSocketExchange {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn poll_receive(&self, py: Python<'_>, context: &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>> {
        let mut state = self.lock();
        if let Progress::Connecting { told, .. } = &mut state.progress
            && !std::mem::replace(told, true)
        {
            return Poll::Ready(simple_message(py, "websocket.connect"));
        }
        let next = match state.inbound.poll_next(context) {
            Poll::Ready(next) => next,
            Poll::Pending => return Poll::Pending,
        };
        let closed_code = match &state.progress {
            Progress::Closed { code } => Some(*code),
            Progress::Connecting { .. } | Progress::Open(_) => None,
        };
        Poll::Ready(match next {
            Some(Ok(Inbound::Text(text))) => received(py, Some(&text), None),
            Some(Ok(Inbound::Binary(bytes))) => received(py, None, Some(&bytes)),
            Some(Ok(Inbound::Closed { code, reason })) => disconnected(py, code, &reason),
            None | Some(Err(_)) => disconnected(py, closed_code.unwrap_or(1006), ""),
        })
    }

    fn poll_room(&self, py: Python<'_>, context: &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>> {
        let Progress::Open(outbound) = &self.lock().progress else { return Poll::Ready(Ok(py.None())) };
        outbound.poll_ready(context).map(|ready| ready.map(|()| py.None()).map_err(PyErr::from))
    }

    /// `true` when the next message may follow at once.
    fn take_message(&self, py: Python<'_>, message: &Bound<'_, PyAny>) -> PyResult<bool> {
        let (message, kind) = typed(message)?;
        match kind.to_str()? {
            "websocket.accept" => self.accept(py, message).map(|()| true),
            "websocket.close" => self.close(py, message).map(|()| true),
            "websocket.send" => self.send_data(py, message),
            other => Err(unexpected(other, "'websocket.accept', 'websocket.send' or 'websocket.close'")),
        }
    }

    fn accept(&self, py: Python<'_>, message: &Bound<'_, PyDict>) -> PyResult<()> {
        let subprotocol = message.get_item(intern!(py, "subprotocol"))?.filter(|value| !value.is_none());
        let subprotocol = subprotocol.map(|value| value.extract::<String>()).transpose()?;
        if let Some(chosen) = &subprotocol
            && !self.offered.contains(chosen)
        {
            return Err(PyValueError::new_err(format!(
                "the subprotocol {chosen:?} is not one that the client offered: {:?}",
                self.offered
            )));
        }
        let subprotocol = subprotocol.and_then(|chosen| HeaderValue::from_str(&chosen).ok());
        let headers = ResponseHead::headers_from_asgi(message.get_item(intern!(py, "headers"))?.as_ref())?;
        if headers.contains_key(SEC_WEBSOCKET_PROTOCOL) {
            return Err(PyValueError::new_err("the subprotocol is accepted with 'subprotocol', not with a header"));
        }
        let mut state = self.lock();
        match std::mem::replace(&mut state.progress, Progress::Closed { code: 1006 }) {
            Progress::Connecting { answer, outbound, .. } => {
                state.progress = Progress::Open(outbound);
                let accepted = Answer::Accepted { subprotocol, headers };
                answer.send(accepted).map_err(|_| PyErr::from(rsgi_bridge::error::Disconnected))
            }
            open @ Progress::Open(_) => {
                state.progress = open;
                Err(PyRuntimeError::new_err("'websocket.accept' was sent twice"))
            }
            closed @ Progress::Closed { .. } => {
                state.progress = closed;
                Err(PyRuntimeError::new_err("'websocket.accept' was sent after the WebSocket was closed"))
            }
        }
    }

    fn close(&self, py: Python<'_>, message: &Bound<'_, PyDict>) -> PyResult<()> {
        let code = message.get_item(intern!(py, "code"))?.filter(|code| !code.is_none());
        let code = code.map_or(Ok(1000), |code| code.extract::<u16>())?;
        let reason = message.get_item(intern!(py, "reason"))?.filter(|reason| !reason.is_none());
        let reason = reason.map_or(Ok(String::new()), |reason| reason.extract::<String>())?;
        if !(1000..5000).contains(&code) || matches!(code, 1004..=1006 | 1015) {
            return Err(PyValueError::new_err(format!("{code} is not a close code that may be sent")));
        }
        if reason.len() > 123 {
            return Err(PyValueError::new_err("the reason of a close must be at most 123 bytes in UTF-8"));
        }
        let mut state = self.lock();
        match std::mem::replace(&mut state.progress, Progress::Closed { code }) {
            Progress::Connecting { answer, .. } => {
                // The client may have gone.
                let _unsent = answer.send(Answer::Refused(RequestError::new(
                    StatusCode::FORBIDDEN,
                    "the application refused the WebSocket",
                )));
                state.progress = Progress::Closed { code: 1006 };
                Ok(())
            }
            Progress::Open(outbound) => {
                let closed = outbound.push(Outbound::Close { code, reason });
                outbound.finish();
                closed.map_err(PyErr::from)
            }
            Progress::Closed { code } => {
                state.progress = Progress::Closed { code };
                Err(PyRuntimeError::new_err("'websocket.close' was sent after the WebSocket was closed"))
            }
        }
    }

    fn send_data(&self, py: Python<'_>, message: &Bound<'_, PyDict>) -> PyResult<bool> {
        let present = |value: Option<Bound<'_, PyAny>>| -> Option<Py<PyAny>> {
            value.filter(|value| !value.is_none()).map(Bound::unbind)
        };
        let text = present(message.get_item(intern!(py, "text"))?);
        let bytes = present(message.get_item(intern!(py, "bytes"))?);
        let data = match (text, bytes) {
            (Some(text), None) => {
                Outbound::Text(text.bind(py).cast::<PyString>().map_err(PyErr::from)?.to_str()?.to_owned())
            }
            (None, Some(bytes)) => Outbound::Binary(Bytes::copy_from_slice(
                bytes.bind(py).cast::<PyBytes>().map_err(PyErr::from)?.as_bytes(),
            )),
            _ => return Err(PyValueError::new_err("'websocket.send' needs one of 'text' (str) and 'bytes' (bytes)")),
        };
        match &self.lock().progress {
            Progress::Open(outbound) => {
                outbound.push(data)?;
                Ok(outbound.has_room())
            }
            Progress::Connecting { .. } => {
                Err(PyRuntimeError::new_err("'websocket.send' was sent before 'websocket.accept'"))
            }
            Progress::Closed { .. } => {
                Err(PyRuntimeError::new_err("'websocket.send' was sent after the WebSocket was closed"))
            }
        }
    }

    /// The application has returned or raised: the WebSocket is closed if it is open, and what went wrong is said once.
    pub fn ended(&self, py: Python<'_>, result: PyResult<()>) {
        let mut state = self.lock();
        let progress = std::mem::replace(&mut state.progress, Progress::Closed { code: 1006 });
        drop(state);
        let mut result = result;
        match progress {
            Progress::Connecting { answer, .. } => {
                let client_left = answer.is_closed();
                // The client may have gone.
                let _unsent = answer.send(Answer::Refused(RequestError::application_failed()));
                if result.is_ok() && !client_left {
                    result = Err(PyRuntimeError::new_err("the application returned without answering the handshake"));
                }
            }
            Progress::Open(outbound) => {
                let (code, reason) = if result.is_ok() { (1000, "") } else { (1011, "the application failed") };
                // The client may have gone.
                let _unsent = outbound.push(Outbound::Close { code, reason: reason.to_owned() });
                outbound.finish();
            }
            Progress::Closed { .. } => {}
        }
        if let Err(error) = result
            && !is_clients_doing(py, &error)
            && self.gateway.event_loop.is_attached()
        {
            let mut subject = self.head.subject(&self.gateway.name);
            subject.method = "WEBSOCKET";
            log_failure(py, subject, &error);
        }
    }
}

fn simple_message(py: Python<'_>, kind: &str) -> PyResult<Py<PyAny>> {
    let message = PyDict::new(py);
    message.set_item(intern!(py, "type"), kind)?;
    Ok(message.into_any().unbind())
}

fn received(py: Python<'_>, text: Option<&str>, bytes: Option<&[u8]>) -> PyResult<Py<PyAny>> {
    let message = PyDict::new(py);
    message.set_item(intern!(py, "type"), intern!(py, "websocket.receive"))?;
    if let Some(text) = text {
        message.set_item(intern!(py, "text"), text)?;
    }
    if let Some(bytes) = bytes {
        message.set_item(intern!(py, "bytes"), PyBytes::new(py, bytes))?;
    }
    Ok(message.into_any().unbind())
}

fn disconnected(py: Python<'_>, code: u16, reason: &str) -> PyResult<Py<PyAny>> {
    let message = PyDict::new(py);
    message.set_item(intern!(py, "type"), intern!(py, "websocket.disconnect"))?;
    message.set_item(intern!(py, "code"), code)?;
    message.set_item(intern!(py, "reason"), reason)?;
    Ok(message.into_any().unbind())
}
