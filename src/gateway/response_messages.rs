//! The messages of one response: what an ASGI application may send and in which order, and what happens with it.
//!
//! HTTP requests use this, and WebSockets that are denied with a response, which have the same messages with other
//! names.
//!
//! Spec: ASGI HTTP 2.5 "Response Start", "Response Body", "Disconnected client"; extension "Path Send".

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};
use rsgi_bridge::error::{Disconnected, is_clients_doing, short};
use rsgi_bridge::pipe::{PipeWriter, pipe};
use rsgi_bridge::response::exchange::Ended;
use rsgi_bridge::response::length::{Admitted, BodyLength};
use rsgi_bridge::response::response_head::ResponseHead;
use rsgi_bridge::response::sink::FileBody;

use super::file_message;
use super::message::says;
use super::trailers::Promised;
use super::zero_copy::Pumping;
use crate::request::error::RequestError;
use crate::response::app_response::AppResponse;
use crate::runtime::calls::{CallHandle, RunningCall};
use crate::runtime::response_queue::{Responder, ResponseQueue};

/// Notes that the client has left before there was a response.
pub(super) type DisconnectFlag = Arc<DisconnectState>;

/// See [`DisconnectFlag`].
#[derive(Debug, Default)]
pub(super) struct DisconnectState {
    gone: AtomicBool,
    /// The client may have left. If the application asks, it is told that the client has left, and that stays so.
    doubted: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl DisconnectState {
    fn tell(&self) {
        self.gone.store(true, Ordering::Release);
        self.wake();
    }

    /// Whether nobody waits for the response. A client that only may have left still waits.
    pub(super) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// Notes that the client may have left.
    pub(super) fn doubt(&self) {
        self.doubted.store(true, Ordering::Release);
        self.wake();
    }

    fn wake(&self) {
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn poll(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        if self.doubted.load(Ordering::Acquire) {
            self.gone.store(true, Ordering::Release);
        }
        if self.gone.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        *waker = Some(context.waker().clone());
        Poll::Pending
    }
}

impl AsRef<Self> for DisconnectState {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// Dropped with the service's future: the client has then got the response head, or has left. After that, the pipe of
/// the body shows whether the client leaves.
pub(super) struct NotifyOnDrop<T: AsRef<DisconnectState> + ?Sized>(pub Arc<T>);

impl<T: AsRef<DisconnectState> + ?Sized> Drop for NotifyOnDrop<T> {
    fn drop(&mut self) {
        (*self.0).as_ref().tell();
    }
}

/// How far the response is.
#[derive(Debug)]
pub(super) enum ResponseProgress {
    Unstarted,
    Started(Box<ResponseHead>),
    Streaming {
        writer: PipeWriter<Bytes>,
        length: BodyLength,
    },
    /// A thread sends a part of a file.
    Pumping(Pumping),
    /// The body is complete, and trailers were promised.
    Trailing(PipeWriter<Bytes>),
    /// The rest of the body is discarded: for HEAD, 204 and 304, and if there is more than `Content-Length`.
    Discarding,
    Ended,
    /// The client left before it had everything, and `send` has raised. Further messages are ignored.
    Left,
}

/// What to do when the application has returned or raised.
#[derive(Debug)]
pub(super) enum AfterCall {
    /// Nothing.
    Told,
    /// The client left before it had everything.
    ClientLeft,
    /// Log this error.
    Failed(PyErr),
}

impl AfterCall {
    /// The error to log, if there is one.
    pub(super) fn failure(self) -> Option<PyErr> {
        match self {
            Self::Failed(error) => Some(error),
            Self::Told | Self::ClientLeft => None,
        }
    }
}

/// The messages of one response, for a request or for a WebSocket that is denied.
#[derive(Debug)]
pub(super) struct ResponseMessages {
    pub(super) progress: ResponseProgress,
    responder: Option<Responder>,
    response_queue: Arc<ResponseQueue>,
    capacity: usize,
    /// `None` after the application has ended.
    call: Option<RunningCall>,
    pub(super) trailers: Option<Box<Promised>>,
}

pub(super) use rsgi_bridge::response::sink::Capacity;

/// The head in the message that starts a response. `trailers` says whether trailers will follow the body.
pub(super) fn response_head(
    py: Python<'_>,
    message: &Bound<'_, PyDict>,
    trailers: bool,
) -> PyResult<Box<ResponseHead>> {
    let status = message
        .get_item(intern!(py, "status"))?
        .ok_or_else(|| PyValueError::new_err("the message that starts the response has no 'status'"))?;
    let headers = message.get_item(intern!(py, "headers"))?;
    ResponseHead::from_asgi(&status, headers.as_ref(), trailers)
}

/// The part of the body in a message, and whether more will come.
pub(super) fn body_part(py: Python<'_>, message: &Bound<'_, PyDict>) -> PyResult<(Bytes, bool)> {
    let body = match message.get_item(intern!(py, "body"))? {
        None => Bytes::new(),
        Some(body) => bytes_of("body", &body)?,
    };
    Ok((body, says(message, intern!(py, "more_body"))?))
}

impl ResponseMessages {
    /// A response that has not begun. At most `capacity` bytes of it wait for the client. `call` ends with the
    /// response.
    pub(super) fn new(
        responder: Responder,
        response_queue: Arc<ResponseQueue>,
        capacity: usize,
        call: Option<RunningCall>,
    ) -> Self {
        Self {
            progress: ResponseProgress::Unstarted,
            responder: Some(responder),
            response_queue,
            capacity,
            call,
            trailers: None,
        }
    }

    /// Whether it is the response of `call`.
    pub(super) fn is_of(&self, call: &CallHandle) -> bool {
        self.call.as_ref().is_some_and(|own| own.is(call))
    }

    /// Whether there is a head that was not sent yet.
    pub(super) fn is_held(&self) -> bool {
        matches!(self.progress, ResponseProgress::Started(_))
    }

    /// Whether further parts of the body are discarded.
    pub(super) fn is_discarding(&self) -> bool {
        matches!(self.progress, ResponseProgress::Discarding)
    }

    /// Takes the head. It is sent together with the first part of the body.
    ///
    /// # Errors
    /// When there is a head already, or when the client has left.
    pub(super) fn start(&mut self, head: Box<ResponseHead>, gone: &DisconnectState) -> PyResult<()> {
        if !matches!(self.progress, ResponseProgress::Unstarted) {
            return Err(PyRuntimeError::new_err("'http.response.start' was sent twice"));
        }
        if gone.gone.load(Ordering::Acquire) {
            return Err(Disconnected.into());
        }
        self.progress = ResponseProgress::Started(head);
        Ok(())
    }

    /// Completes when the response is complete or the client has left.
    pub(super) fn poll_over(&self, context: &mut Context<'_>, gone: &DisconnectState) -> Poll<()> {
        match &self.progress {
            ResponseProgress::Ended | ResponseProgress::Discarding | ResponseProgress::Left => Poll::Ready(()),
            ResponseProgress::Streaming { writer, .. } | ResponseProgress::Trailing(writer) => {
                writer.poll_closed(context)
            }
            ResponseProgress::Unstarted | ResponseProgress::Started(_) => gone.poll(context),
            // The `send` that waits for the part notices it first.
            ResponseProgress::Pumping(_) => Poll::Pending,
        }
    }

    /// Completes when the next part of the body may be sent.
    pub(super) fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<PyResult<()>> {
        if matches!(self.progress, ResponseProgress::Pumping(_)) {
            return self.poll_pumped(context);
        }
        let ResponseProgress::Streaming { writer, .. } = &self.progress else { return Poll::Ready(Ok(())) };
        writer.poll_ready(context).map_err(PyErr::from)
    }

    /// The application has returned or raised. Ends what is open.
    pub(super) fn end(
        &mut self,
        py: Python<'_>,
        result: PyResult<()>,
        body_failed: bool,
        gone: &DisconnectState,
    ) -> AfterCall {
        let _over = self.call.take();
        let progress = std::mem::replace(&mut self.progress, ResponseProgress::Ended);
        // Check this before sending, because after that the request has ended for the client in any case.
        let gone = gone.gone.load(Ordering::Acquire);
        let left = matches!(progress, ResponseProgress::Left);
        let complete = left || matches!(progress, ResponseProgress::Ended | ResponseProgress::Discarding);
        if !complete {
            self.respond(AppResponse::Error(RequestError::application_failed()));
        }
        // Dropping the body before its end cuts the connection.
        let (streaming, unheard) = match &progress {
            ResponseProgress::Streaming { writer, .. } | ResponseProgress::Trailing(writer) => {
                (true, writer.is_closed())
            }
            _ => (false, gone),
        };
        drop(progress);
        let client_left = body_failed || unheard;
        match result {
            Ok(()) if left => AfterCall::ClientLeft,
            Ok(()) if complete => AfterCall::Told,
            Ok(()) if client_left => AfterCall::ClientLeft,
            Ok(()) => AfterCall::Failed(PyRuntimeError::new_err(if streaming {
                "the application returned before it had sent its whole response"
            } else {
                "the application returned without sending a response"
            })),
            Err(error) if is_clients_doing(py, &error) => AfterCall::ClientLeft,
            Err(_) if client_left && !complete => AfterCall::ClientLeft,
            Err(error) => AfterCall::Failed(error),
        }
    }

    /// Takes a part of the body.
    ///
    /// # Errors
    /// When there is no head yet, or when the client has left.
    pub(super) fn take_body(
        &mut self,
        body: Bytes,
        more: bool,
        head_request: bool,
        gone: &DisconnectState,
    ) -> PyResult<(Capacity, Ended)> {
        match std::mem::replace(&mut self.progress, ResponseProgress::Ended) {
            ResponseProgress::Unstarted => {
                self.progress = ResponseProgress::Unstarted;
                Err(PyRuntimeError::new_err("'http.response.body' was sent before 'http.response.start'"))
            }
            // Messages after the last body message are ignored.
            ResponseProgress::Ended => Ok((Capacity::More, Ended::Whole)),
            ignoring @ (ResponseProgress::Trailing(_) | ResponseProgress::Left) => {
                self.progress = ignoring;
                Ok((Capacity::More, Ended::Whole))
            }
            pumping @ ResponseProgress::Pumping(_) => {
                self.progress = pumping;
                Err(PyRuntimeError::new_err("a piece of a file is still being sent; await its `send`"))
            }
            ResponseProgress::Discarding => {
                if more {
                    self.progress = ResponseProgress::Discarding;
                }
                Ok((Capacity::More, Ended::Whole))
            }
            ResponseProgress::Started(_) if gone.gone.load(Ordering::Acquire) => Err(Disconnected.into()),
            ResponseProgress::Started(head) => self.first_body(head, body, more, head_request),
            ResponseProgress::Streaming { writer, length } => self.next_body(writer, length, body, more),
        }
    }

    /// Takes a file as the whole body.
    ///
    /// # Errors
    /// When there is no head yet, when the length does not match, when a body has begun, or when the client has left.
    pub(super) fn take_file(&mut self, body: FileBody, head_request: bool, gone: &DisconnectState) -> PyResult<()> {
        match std::mem::replace(&mut self.progress, ResponseProgress::Ended) {
            ResponseProgress::Unstarted => {
                self.progress = ResponseProgress::Unstarted;
                Err(PyRuntimeError::new_err("'http.response.pathsend' was sent before 'http.response.start'"))
            }
            ResponseProgress::Ended | ResponseProgress::Discarding => Ok(()),
            ResponseProgress::Left => {
                self.progress = ResponseProgress::Left;
                Ok(())
            }
            started @ (ResponseProgress::Started(_)
            | ResponseProgress::Streaming { .. }
            | ResponseProgress::Trailing(_))
                if self.trailers.is_some() =>
            {
                self.progress = started;
                Err(PyRuntimeError::new_err("a body that trailers follow must come in 'http.response.body' messages"))
            }
            ResponseProgress::Started(_) if gone.gone.load(Ordering::Acquire) => Err(Disconnected.into()),
            ResponseProgress::Started(mut head) => {
                match head.content_length {
                    Some(declared) if declared != body.length => {
                        self.progress = ResponseProgress::Started(head);
                        return Err(other_length(declared, body.length));
                    }
                    None if head.allows_body(false) => head.set_length(body.length),
                    _ => {}
                }
                let whole = head.allows_body(head_request);
                self.respond(if whole {
                    AppResponse::File(head, body)
                } else {
                    AppResponse::Whole(head, Bytes::new())
                });
                Ok(())
            }
            ResponseProgress::Streaming { writer, length } if length.is_untouched() => {
                if let Some(declared) = length.declared().filter(|declared| *declared != body.length) {
                    self.progress = ResponseProgress::Streaming { writer, length };
                    return Err(other_length(declared, body.length));
                }
                file_message::pump(body, writer).map_err(PyErr::from)
            }
            streaming @ (ResponseProgress::Streaming { .. }
            | ResponseProgress::Trailing(_)
            | ResponseProgress::Pumping(_)) => {
                self.progress = streaming;
                Err(PyRuntimeError::new_err("'http.response.pathsend' was sent after 'http.response.body'"))
            }
        }
    }

    fn first_body(
        &mut self,
        mut head: Box<ResponseHead>,
        body: Bytes,
        more: bool,
        head_request: bool,
    ) -> PyResult<(Capacity, Ended)> {
        if !head.allows_body(head_request) {
            let response = if more {
                self.without_body(head)
            } else {
                let nothing = head.admit(body, head_request);
                AppResponse::Whole(head, nothing)
            };
            self.respond(response);
            self.progress = if more { ResponseProgress::Discarding } else { ResponseProgress::Ended };
            return Ok((Capacity::More, Ended::Whole));
        }
        if !more && self.trailers.is_none() && head.content_length.is_none_or(|declared| declared == body.len() as u64)
        {
            self.respond(AppResponse::Whole(head, body));
            return Ok((Capacity::More, Ended::Whole));
        }
        let length = BodyLength::new(head.content_length);
        let (writer, reader) = pipe(self.capacity);
        if let (None, Some(call)) = (head.content_length, &self.call) {
            call.streams(writer.hang_up_handle());
        }
        self.respond(match &self.trailers {
            None => AppResponse::Stream(head, reader),
            Some(trailers) => AppResponse::Trailed(head, reader, trailers.slot()),
        });
        self.next_body(writer, length, body, more)
    }

    /// A head for a stream whose body is discarded. The empty pipe prevents a made-up `Content-Length`.
    fn without_body(&self, head: Box<ResponseHead>) -> AppResponse {
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
    ) -> PyResult<(Capacity, Ended)> {
        let (chunk, over) = match length.admit(body) {
            Admitted::Whole(chunk) => (chunk, false),
            Admitted::Clamped(chunk) => (chunk, true),
        };
        if !chunk.is_empty() {
            writer.push(chunk)?;
        }
        if over {
            writer.finish();
            self.progress = if more { ResponseProgress::Discarding } else { ResponseProgress::Ended };
            return Ok((Capacity::More, Ended::OverLength));
        }
        if more {
            let room = if writer.has_room() { Capacity::More } else { Capacity::Full };
            self.progress = ResponseProgress::Streaming { writer, length };
            return Ok((room, Ended::Whole));
        }
        if length.missing() > 0 {
            // The body is too short, so the writer is dropped without `finish`. The response must not look complete.
            drop(writer);
            return Ok((Capacity::More, Ended::Missing(length.missing())));
        }
        self.close_body(writer);
        Ok((Capacity::More, Ended::Whole))
    }

    /// The body is complete.
    pub(super) fn close_body(&mut self, writer: PipeWriter<Bytes>) {
        if self.trailers.is_some() {
            self.progress = ResponseProgress::Trailing(writer);
        } else {
            writer.finish();
        }
    }

    fn respond(&mut self, response: AppResponse) {
        if let Some(responder) = self.responder.take() {
            self.response_queue.send(responder, response);
        }
    }
}

fn other_length(declared: u64, length: u64) -> PyErr {
    PyValueError::new_err(format!("Content-Length is {declared}, but the file has {length} bytes"))
}

/// The bytes under `key` of a message. Like other servers, this accepts `bytearray` and `memoryview` too.
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
