//! The ASGI gateway: one HTTP request as `receive` and `send` of one application task.
//!
//! Kept apart from the event loop, which runs tasks and knows no messages.
//!
//! Spec: ASGI HTTP 2.5 ("Request", "Response Start", "Response Body", "Disconnected client").

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};
use rsgi_bridge::awaitable::{Awaitable, Sent};
use rsgi_bridge::error::{Disconnected, is_clients_doing};
use rsgi_bridge::length::{Admitted, BodyLength};
use rsgi_bridge::pipe::{PipeReader, PipeWriter, pipe};
use rsgi_bridge::report::{log_failure, log_length};
use rsgi_bridge::response_head::{ResponseHead, short};
use rsgi_bridge::scope::{ScopeKind, ScopeTemplate};
use rsgi_bridge::start_response::Ended;
use tokio::sync::oneshot;

use super::Call;
use super::message::{typed, unexpected};
use super::probe::Witness;
use crate::body::{Leftover, Recorder};
use crate::error::RequestError;
use crate::event_loop::coroutine::{AppCoroutine, Conversation};
use crate::event_loop::{EventLoop, LoopEvent};
use crate::head::RequestHead;
use crate::outbox::{Outbox, Responder};
use crate::response::AppResponse;
use crate::settings::Settings;

/// A body up to this length that has arrived with its head is read before the application is called, so that `receive()` need
/// not wait. In bytes.
const SMALL_BODY: u64 = 64 * 1024;

/// One ASGI application.
#[derive(Debug)]
pub struct AsgiGateway {
    /// Its name.
    pub name: Arc<str>,
    /// The callable.
    pub app: Py<PyAny>,
    /// The loop that runs it.
    pub event_loop: Arc<EventLoop>,
    /// What its scopes have in common.
    pub scopes: ScopeTemplate,
    /// The lifespan's `state`; `None` when the application has no lifespan.
    pub state: Mutex<Option<Py<PyDict>>>,
    /// Takes the answers back.
    pub outbox: Arc<Outbox>,
    request_buffer: usize,
    /// Bytes of an answer that wait for the client.
    pub response_buffer: usize,
}

impl AsgiGateway {
    /// A gateway to `app`, whose tasks run in `event_loop`.
    pub fn new(
        name: Arc<str>,
        app: Py<PyAny>,
        event_loop: Arc<EventLoop>,
        scopes: ScopeTemplate,
        outbox: Arc<Outbox>,
        settings: &Settings,
    ) -> Self {
        Self {
            name,
            app,
            event_loop,
            scopes,
            state: Mutex::new(None),
            outbox,
            request_buffer: settings.request_buffer,
            response_buffer: settings.response_buffer,
        }
    }

    /// The scope of one request or WebSocket.
    ///
    /// # Errors
    /// When Python is out of memory.
    pub fn scope<'py>(&self, py: Python<'py>, head: &RequestHead, kind: ScopeKind<'_>) -> PyResult<Bound<'py, PyDict>> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = state.as_ref().map(|state| state.bind(py).clone());
        super::scope(py, &self.scopes, head, kind, state.as_ref())
    }
}

/// What is kept of a request that another application may get, too.
#[derive(Debug)]
pub struct Asked {
    /// Keeps the body.
    pub recorder: Recorder,
    /// Sees what a router writes into the scope.
    pub witness: Arc<Witness>,
}

/// Calls the application as a task of the loop. When it is `asked` first, what is left of the body is enough for a second one.
///
/// # Cancel safety
/// When the future is dropped the application sees `http.disconnect`.
pub async fn call(gateway: &Arc<AsgiGateway>, call: Call<'_>, asked: Option<Asked>) -> (AppResponse, Option<Leftover>) {
    let Call { head, mut body, .. } = call;
    let (recorder, witness) = asked.map(|asked| (asked.recorder, asked.witness)).unzip();
    let small = head.content_length().is_some_and(|length| length <= SMALL_BODY) && !head.expects_continue();
    let (request, leftover) = if body.is_end() {
        (RequestMessages::Whole(Bytes::new()), Some(Leftover::Untouched(body)))
    } else {
        let first = if small && recorder.is_none() { body.collect_ready().await } else { Ok(None) };
        match first {
            Err(error) => return (AppResponse::Error(error.into()), None),
            Ok(Some(whole)) if body.is_end() => (RequestMessages::Whole(whole), None),
            Ok(first) => {
                let (reader, leftover) = body.pump(gateway.request_buffer, head.expects_continue(), first, recorder);
                (RequestMessages::Coming(reader), Some(leftover))
            }
        }
    };
    let (responder, response) = oneshot::channel();
    let gone = Gone::default();
    let start = HttpStart { gateway: Arc::clone(gateway), head, request, responder, gone: Arc::clone(&gone), witness };
    let _told = TellOnDrop(gone);
    gateway.event_loop.submit(LoopEvent::Http(Box::new(start)));
    let lost = |_| AppResponse::Error(RequestError::application_failed());
    (response.await.unwrap_or_else(lost), leftover)
}

/// That the client has left before there was a response.
pub(super) type Gone = Arc<GoneState>;

/// See [`Gone`].
#[derive(Debug, Default)]
pub(super) struct GoneState {
    gone: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl GoneState {
    fn tell(&self) {
        self.gone.store(true, Ordering::Release);
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn poll(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        if self.gone.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        *waker = Some(context.waker().clone());
        Poll::Pending
    }
}

/// When the service's future ends, the client got its response head or has left; the body's pipe tells the rest.
pub(super) struct TellOnDrop(pub Gone);

impl Drop for TellOnDrop {
    fn drop(&mut self) {
        self.0.tell();
    }
}

/// One request on its way to the loop's thread.
#[derive(Debug)]
pub struct HttpStart {
    gateway: Arc<AsgiGateway>,
    head: RequestHead,
    request: RequestMessages,
    responder: Responder,
    gone: Gone,
    witness: Option<Arc<Witness>>,
}

impl HttpStart {
    /// Builds scope, `receive` and `send`, and starts the task. Runs on the loop's thread.
    pub fn start(self, py: Python<'_>) {
        let Self { gateway, head, request, responder, gone, witness } = self;
        let scope = gateway.scope(py, &head, ScopeKind::Http);
        if let (Some(witness), Ok(scope)) = (&witness, &scope) {
            witness.watch(scope);
        }
        let exchange = HttpExchange {
            state: Mutex::new(State { request, response: ResponseMessages::new(&gateway, responder) }),
            gone,
            head,
            witness,
            gateway: Arc::clone(&gateway),
        };
        let started = scope.and_then(|scope| {
            let exchange = Bound::new(py, exchange)?;
            let conversation = Conversation::Http(exchange.clone().unbind());
            AppCoroutine::call(&gateway.event_loop, gateway.app.bind(py), &scope, exchange.as_any(), conversation)
        });
        if let Err(error) = started {
            error.write_unraisable(py, None);
        }
    }
}

/// The request body as messages.
#[derive(Debug)]
enum RequestMessages {
    Whole(Bytes),
    Coming(PipeReader<Bytes>),
    Delivered,
}

/// How far the response has come.
#[derive(Debug)]
enum Progress {
    Unstarted,
    Started(ResponseHead),
    Streaming {
        writer: PipeWriter<Bytes>,
        length: BodyLength,
    },
    /// Whatever the application sends is left out: HEAD, 204, 304, or more than its `Content-Length`.
    Discarding,
    Ended,
}

#[derive(Debug)]
struct State {
    request: RequestMessages,
    response: ResponseMessages,
}

/// The messages of one response, of a request or of a WebSocket that is denied.
#[derive(Debug)]
pub(super) struct ResponseMessages {
    progress: Progress,
    responder: Option<Responder>,
    outbox: Arc<Outbox>,
    capacity: usize,
}

/// `receive` and `send` of one request.
#[pyclass(frozen, module = "rsgi")]
#[derive(Debug)]
pub struct HttpExchange {
    state: Mutex<State>,
    gone: Gone,
    head: RequestHead,
    witness: Option<Arc<Witness>>,
    gateway: Arc<AsgiGateway>,
}

#[pymethods]
impl HttpExchange {
    /// The next message of the request.
    fn receive(slf: &Bound<'_, Self>) -> Awaitable {
        let py = slf.py();
        if let Poll::Ready(message) = slf.get().poll_receive(py, &mut Context::from_waker(Waker::noop())) {
            return Awaitable::finished(message);
        }
        let exchange = slf.clone().unbind();
        let handle = Arc::clone(&slf.get().gateway.event_loop);
        Awaitable::waiting(handle, Box::new(move |py, context| exchange.get().poll_receive(py, context)))
    }

    /// Takes a message of the response.
    fn send(slf: &Bound<'_, Self>, message: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        let this = slf.get();
        if this.take_message(py, message)? == Room::Yes {
            return Sent::instance(py);
        }
        let exchange = slf.clone().unbind();
        let handle = Arc::clone(&this.gateway.event_loop);
        let poll = move |py: Python<'_>, context: &mut Context<'_>| exchange.get().poll_room(py, context);
        Ok(Py::new(py, Awaitable::waiting(handle, Box::new(poll)))?.into_any())
    }
}

/// Whether the next chunk may follow at once.
#[derive(PartialEq, Eq)]
pub(super) enum Room {
    /// It may.
    Yes,
    /// The client is slow.
    No,
}

impl HttpExchange {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn poll_receive(&self, py: Python<'_>, context: &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>> {
        let mut state = self.lock();
        match std::mem::replace(&mut state.request, RequestMessages::Delivered) {
            RequestMessages::Whole(body) => Poll::Ready(request_message(py, &body, false)),
            RequestMessages::Coming(reader) => {
                let next = match reader.poll_next(context) {
                    Poll::Pending => {
                        state.request = RequestMessages::Coming(reader);
                        return Poll::Pending;
                    }
                    Poll::Ready(next) => next,
                };
                match next {
                    Some(Ok(chunk)) => {
                        let more = !reader.is_finished();
                        if more {
                            state.request = RequestMessages::Coming(reader);
                        }
                        Poll::Ready(request_message(py, &chunk, more))
                    }
                    None => Poll::Ready(request_message(py, &Bytes::new(), false)),
                    Some(Err(_)) => {
                        // Kept, so that the failure is still known when the application has ended.
                        state.request = RequestMessages::Coming(reader);
                        Poll::Ready(disconnect_message(py))
                    }
                }
            }
            RequestMessages::Delivered => {
                state.response.poll_over(context, &self.gone).map(|()| disconnect_message(py))
            }
        }
    }

    fn poll_room(&self, py: Python<'_>, context: &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>> {
        self.lock().response.poll_room(context).map_ok(|()| py.None())
    }

    fn take_message(&self, py: Python<'_>, message: &Bound<'_, PyAny>) -> PyResult<Room> {
        let (message, kind) = typed(message)?;
        match kind.to_str()? {
            "http.response.start" => self.start_response(py, message),
            "http.response.body" => self.send_body(py, message),
            other => Err(unexpected(other, "'http.response.start' or 'http.response.body'")),
        }
    }

    fn start_response(&self, py: Python<'_>, message: &Bound<'_, PyDict>) -> PyResult<Room> {
        let head = response_head(py, message)?;
        self.lock().response.start(head, &self.gone).map(|()| Room::Yes)
    }

    fn send_body(&self, py: Python<'_>, message: &Bound<'_, PyDict>) -> PyResult<Room> {
        let (body, more) = body_part(py, message)?;
        if let Some(witness) = &self.witness {
            witness.read(py);
        }
        let (room, ended) = self.lock().response.take_body(body, more, self.head.is_head(), &self.gone)?;
        if ended != Ended::Whole {
            log_length(py, self.head.subject(&self.gateway.name), ended);
        }
        Ok(room)
    }

    /// The application has returned or raised: whatever is open is ended, and what went wrong is said once.
    pub fn ended(&self, py: Python<'_>, result: PyResult<()>) {
        if let Some(witness) = &self.witness {
            witness.read(py);
        }
        let mut state = self.lock();
        let body_failed = match std::mem::replace(&mut state.request, RequestMessages::Delivered) {
            RequestMessages::Coming(reader) => reader.failure().is_some(),
            RequestMessages::Whole(_) | RequestMessages::Delivered => false,
        };
        let error = state.response.end(py, result, body_failed, &self.gone);
        drop(state);
        if let Some(error) = error {
            log_failure(py, self.head.subject(&self.gateway.name), &error);
        }
    }
}

/// The head that a message starts the response with.
pub(super) fn response_head(py: Python<'_>, message: &Bound<'_, PyDict>) -> PyResult<ResponseHead> {
    let status = message
        .get_item(intern!(py, "status"))?
        .ok_or_else(|| PyValueError::new_err("the message that starts the response has no 'status'"))?;
    let headers = message.get_item(intern!(py, "headers"))?;
    ResponseHead::from_asgi(&status, headers.as_ref())
}

/// The piece of the body that a message brings, and whether more will come.
pub(super) fn body_part(py: Python<'_>, message: &Bound<'_, PyDict>) -> PyResult<(Bytes, bool)> {
    let body = match message.get_item(intern!(py, "body"))? {
        None => Bytes::new(),
        Some(body) => bytes_of("body", &body)?,
    };
    let more = match message.get_item(intern!(py, "more_body"))? {
        None => false,
        Some(more) => more.is_truthy()?,
    };
    Ok((body, more))
}

impl ResponseMessages {
    /// A response of which nothing was said yet.
    pub(super) fn new(gateway: &AsgiGateway, responder: Responder) -> Self {
        Self {
            progress: Progress::Unstarted,
            responder: Some(responder),
            outbox: Arc::clone(&gateway.outbox),
            capacity: gateway.response_buffer,
        }
    }

    /// Takes the head; it leaves with the first piece of the body.
    ///
    /// # Errors
    /// When there is one already, and when the client has left.
    pub(super) fn start(&mut self, head: ResponseHead, gone: &GoneState) -> PyResult<()> {
        if !matches!(self.progress, Progress::Unstarted) {
            return Err(PyRuntimeError::new_err("'http.response.start' was sent twice"));
        }
        if gone.gone.load(Ordering::Acquire) {
            return Err(Disconnected.into());
        }
        self.progress = Progress::Started(head);
        Ok(())
    }

    /// Ready when the response is over or its client has left.
    pub(super) fn poll_over(&self, context: &mut Context<'_>, gone: &GoneState) -> Poll<()> {
        match &self.progress {
            Progress::Ended | Progress::Discarding => Poll::Ready(()),
            Progress::Streaming { writer, .. } => writer.poll_closed(context),
            Progress::Unstarted | Progress::Started(_) => gone.poll(context),
        }
    }

    /// Ready when the next piece of the body may be sent.
    pub(super) fn poll_room(&self, context: &mut Context<'_>) -> Poll<PyResult<()>> {
        let Progress::Streaming { writer, .. } = &self.progress else { return Poll::Ready(Ok(())) };
        writer.poll_ready(context).map_err(PyErr::from)
    }

    /// The application has returned or raised: whatever is open is ended. Gives what is to be said about it.
    pub(super) fn end(
        &mut self,
        py: Python<'_>,
        result: PyResult<()>,
        body_failed: bool,
        gone: &GoneState,
    ) -> Option<PyErr> {
        let progress = std::mem::replace(&mut self.progress, Progress::Ended);
        // Asked before the answer goes out: afterwards the request is over for the client too.
        let gone = gone.gone.load(Ordering::Acquire);
        let complete = matches!(progress, Progress::Ended | Progress::Discarding);
        if !complete {
            self.respond(AppResponse::Error(RequestError::application_failed()));
        }
        // A body that is dropped before its end is a cut connection.
        let (streaming, unheard) = match &progress {
            Progress::Streaming { writer, .. } => (true, writer.is_closed()),
            _ => (false, gone),
        };
        drop(progress);
        let client_left = body_failed || unheard;
        match result {
            Ok(()) if complete || client_left => None,
            Ok(()) => Some(PyRuntimeError::new_err(if streaming {
                "the application returned before it had sent its whole response"
            } else {
                "the application returned without sending a response"
            })),
            Err(error) if is_clients_doing(py, &error) => None,
            Err(_) if client_left && !complete => None,
            Err(error) => Some(error),
        }
    }

    /// Takes a piece of the body.
    ///
    /// # Errors
    /// When there is no head yet, and when the client has left.
    pub(super) fn take_body(
        &mut self,
        body: Bytes,
        more: bool,
        head_request: bool,
        gone: &GoneState,
    ) -> PyResult<(Room, Ended)> {
        match std::mem::replace(&mut self.progress, Progress::Ended) {
            Progress::Unstarted => {
                self.progress = Progress::Unstarted;
                Err(PyRuntimeError::new_err("'http.response.body' was sent before 'http.response.start'"))
            }
            // After the last body message whatever follows is ignored.
            Progress::Ended => Ok((Room::Yes, Ended::Whole)),
            Progress::Discarding => {
                if more {
                    self.progress = Progress::Discarding;
                }
                Ok((Room::Yes, Ended::Whole))
            }
            Progress::Started(_) if gone.gone.load(Ordering::Acquire) => Err(Disconnected.into()),
            Progress::Started(head) => self.first_body(head, body, more, head_request),
            Progress::Streaming { writer, length } => self.next_body(writer, length, body, more),
        }
    }

    fn first_body(
        &mut self,
        head: ResponseHead,
        body: Bytes,
        more: bool,
        head_request: bool,
    ) -> PyResult<(Room, Ended)> {
        if !head.allows_body(head_request) {
            // Only a body that is here in full tells its length, which the answer to HEAD may carry.
            let body = if more { Bytes::new() } else { body };
            let response = if more { self.without_body(head) } else { AppResponse::Whole(head, body) };
            self.respond(response);
            self.progress = if more { Progress::Discarding } else { Progress::Ended };
            return Ok((Room::Yes, Ended::Whole));
        }
        if !more && head.content_length.is_none_or(|declared| declared == body.len() as u64) {
            self.respond(AppResponse::Whole(head, body));
            return Ok((Room::Yes, Ended::Whole));
        }
        let length = BodyLength::new(head.content_length);
        let (writer, reader) = pipe(self.capacity);
        self.respond(AppResponse::Stream(head, reader));
        self.next_body(writer, length, body, more)
    }

    /// A head alone, for a stream whose bytes are left out: an empty pipe, so that no length is made up.
    fn without_body(&self, head: ResponseHead) -> AppResponse {
        let (writer, reader) = pipe(self.capacity);
        writer.finish();
        AppResponse::Stream(head, reader)
    }

    fn next_body(
        &mut self,
        writer: PipeWriter<Bytes>,
        mut length: BodyLength,
        body: Bytes,
        more: bool,
    ) -> PyResult<(Room, Ended)> {
        let (chunk, over) = match length.admit(body) {
            Admitted::Whole(chunk) => (chunk, false),
            Admitted::Clamped(chunk) => (chunk, true),
        };
        if !chunk.is_empty() {
            writer.push(chunk)?;
        }
        if over {
            writer.finish();
            self.progress = if more { Progress::Discarding } else { Progress::Ended };
            return Ok((Room::Yes, Ended::OverLength));
        }
        if more {
            let room = if writer.has_room() { Room::Yes } else { Room::No };
            self.progress = Progress::Streaming { writer, length };
            return Ok((room, Ended::Whole));
        }
        if length.missing() > 0 {
            // Dropped before its end: a body that is too short must not look whole.
            drop(writer);
            return Ok((Room::Yes, Ended::Missing(length.missing())));
        }
        writer.finish();
        Ok((Room::Yes, Ended::Whole))
    }

    fn respond(&mut self, response: AppResponse) {
        if let Some(responder) = self.responder.take() {
            self.outbox.send(responder, response);
        }
    }
}

/// The bytes under `key` of a message; `bytearray` and `memoryview` are taken too, as other servers do.
pub(super) fn bytes_of(key: &str, body: &Bound<'_, PyAny>) -> PyResult<Bytes> {
    if let Ok(bytes) = body.cast::<PyBytes>() {
        return Ok(Bytes::copy_from_slice(bytes.as_bytes()));
    }
    let wrong = || PyTypeError::new_err(format!("'{key}' must be bytes, not {}", short(body)));
    if body.is_instance_of::<PyString>() || body.hasattr("__index__")? {
        return Err(wrong());
    }
    let copied = body.py().get_type::<PyBytes>().call1((body,)).map_err(|_| wrong())?;
    Ok(Bytes::copy_from_slice(copied.cast::<PyBytes>().map_err(|_| wrong())?.as_bytes()))
}

fn request_message(py: Python<'_>, body: &Bytes, more: bool) -> PyResult<Py<PyAny>> {
    let message = PyDict::new(py);
    message.set_item(intern!(py, "type"), intern!(py, "http.request"))?;
    message.set_item(intern!(py, "body"), PyBytes::new(py, body))?;
    message.set_item(intern!(py, "more_body"), more)?;
    Ok(message.into_any().unbind())
}

fn disconnect_message(py: Python<'_>) -> PyResult<Py<PyAny>> {
    let message = PyDict::new(py);
    message.set_item(intern!(py, "type"), intern!(py, "http.disconnect"))?;
    Ok(message.into_any().unbind())
}
