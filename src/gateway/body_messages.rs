//! The messages that carry the body of a response: `http.response.body` and `http.response.pathsend`.
//!
//! Apart from `response_messages.rs`, which has what comes before and after the body.
//!
//! Spec: ASGI HTTP 2.5 "Response Body"; extension "Path Send".

use bytes::Bytes;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use rsgi_bridge::error::Disconnected;
use rsgi_bridge::pipe::{PipeWriter, pipe};
use rsgi_bridge::response::exchange::Ended;
use rsgi_bridge::response::length::{Admitted, BodyLength};
use rsgi_bridge::response::response_head::ResponseHead;
use rsgi_bridge::response::sink::FileBody;

use super::disconnect::DisconnectState;
use super::file_message;
use super::response_messages::{Capacity, ResponseMessages, ResponseProgress};
use crate::response::app_response::AppResponse;

impl ResponseMessages {
    /// Takes a part of the body.
    ///
    /// # Errors
    /// When there is no head yet, or when the client has left.
    pub(super) fn take_body(
        &mut self,
        body: Bytes,
        more: bool,
        head_request: bool,
        disconnect: &DisconnectState,
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
            ResponseProgress::Started(_) if disconnect.has_left() => Err(Disconnected.into()),
            ResponseProgress::Started(head) => self.first_body(head, body, more, head_request),
            ResponseProgress::Streaming { writer, length } => self.next_body(writer, length, body, more),
        }
    }

    /// Takes a file as the whole body.
    ///
    /// # Errors
    /// When there is no head yet, when the length does not match, when a body has begun, or when the client has left.
    pub(super) fn take_file(
        &mut self,
        body: FileBody,
        head_request: bool,
        disconnect: &DisconnectState,
    ) -> PyResult<()> {
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
            ResponseProgress::Started(_) if disconnect.has_left() => Err(Disconnected.into()),
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
        mut head: ResponseHead,
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
    ) -> PyResult<(Capacity, Ended)> {
        let (chunk, over) = match length.admit(body) {
            Admitted::Whole(chunk) => (chunk, false),
            Admitted::Clamped(chunk) => (chunk, true),
        };
        let capacity = if chunk.is_empty() { writer.room() } else { writer.push(chunk)? };
        if over {
            writer.finish();
            self.progress = if more { ResponseProgress::Discarding } else { ResponseProgress::Ended };
            return Ok((Capacity::More, Ended::OverLength));
        }
        if more {
            self.progress = ResponseProgress::Streaming { writer, length };
            return Ok((capacity, Ended::Whole));
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
}

fn other_length(declared: u64, length: u64) -> PyErr {
    PyValueError::new_err(format!("Content-Length is {declared}, but the file has {length} bytes"))
}
