//! The messages of one response: what an ASGI application may send and in which order, and what happens with it.
//!
//! HTTP requests use this, and WebSockets that are denied with a response, which have the same messages with other
//! names.
//!
//! `body_messages.rs` has the messages with the body.
//!
//! Spec: ASGI HTTP 2.5 "Response Start", "Disconnected client".

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};
use rsgi_bridge::error::{Disconnected, is_clients_doing, short};
use rsgi_bridge::pipe::PipeWriter;
use rsgi_bridge::response::length::BodyLength;
use rsgi_bridge::response::response_head::ResponseHead;

use super::disconnect::DisconnectState;
use super::message::says;
use super::trailers::Promised;
use super::zero_copy::Pumping;
use crate::request::error::RequestError;
use crate::response::app_response::AppResponse;
use crate::runtime::calls::{CallHandle, RunningCall};
use crate::runtime::response_queue::{Responder, ResponseQueue};

/// How far the response is.
#[derive(Debug)]
pub(super) enum ResponseProgress {
    Unstarted,
    Started(ResponseHead),
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
    pub(super) capacity: usize,
    /// `None` after the application has ended.
    pub(super) call: Option<RunningCall>,
    pub(super) trailers: Option<Box<Promised>>,
}

pub(super) use rsgi_bridge::pipe::Capacity;

/// The head in the message that starts a response. `trailers` says whether trailers will follow the body.
pub(super) fn response_head(py: Python<'_>, message: &Bound<'_, PyDict>, trailers: bool) -> PyResult<ResponseHead> {
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
    pub(super) fn start(&mut self, head: ResponseHead, disconnect: &DisconnectState) -> PyResult<()> {
        if !matches!(self.progress, ResponseProgress::Unstarted) {
            return Err(PyRuntimeError::new_err("'http.response.start' was sent twice"));
        }
        if disconnect.has_left() {
            return Err(Disconnected.into());
        }
        self.progress = ResponseProgress::Started(head);
        Ok(())
    }

    /// Completes when the response is complete or the client has left.
    pub(super) fn poll_over(&self, context: &mut Context<'_>, disconnect: &DisconnectState) -> Poll<()> {
        match &self.progress {
            ResponseProgress::Ended | ResponseProgress::Discarding | ResponseProgress::Left => Poll::Ready(()),
            ResponseProgress::Streaming { writer, .. } | ResponseProgress::Trailing(writer) => {
                writer.poll_closed(context)
            }
            ResponseProgress::Unstarted | ResponseProgress::Started(_) => disconnect.poll(context),
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
        disconnect: &DisconnectState,
    ) -> AfterCall {
        let _over = self.call.take();
        let progress = std::mem::replace(&mut self.progress, ResponseProgress::Ended);
        // Check this before sending, because after that the request has ended for the client in any case.
        let has_left = disconnect.has_left();
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
            _ => (false, has_left),
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

    /// Sends the response to the connection, once.
    pub(super) fn respond(&mut self, response: AppResponse) {
        if let Some(responder) = self.responder.take() {
            self.response_queue.send(responder, response);
        }
    }
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
