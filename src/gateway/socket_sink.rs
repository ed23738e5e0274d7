//! Sends the response of a WSGI call to its connection, through the response queue and a pipe.
//!
//! `wsgi.rs` brings the call to its thread. This file is the way back.

use std::sync::Arc;

use bytes::Bytes;
use rsgi_bridge::error::Disconnected;
use rsgi_bridge::pipe::{Capacity, PipeWriter, pipe};
use rsgi_bridge::pool::JobHandle;
use rsgi_bridge::response::overflow::{More, Overflow};
use rsgi_bridge::response::response_head::ResponseHead;
use rsgi_bridge::response::sink::{FileBody, ResponseSink};
use rsgi_bridge::response::stored::{Kept, Piece, keep};

use crate::request::error::RequestError;
use crate::response::app_response::AppResponse;
use crate::runtime::calls::{AppCalls, CallKey};
use crate::runtime::response_queue::{Responder, ResponseQueue};

/// What the responses of one application need on their way back.
#[derive(Debug)]
pub struct SinkContext {
    /// Wakes their connections.
    pub response_queue: Arc<ResponseQueue>,
    /// The calls that they answer.
    pub calls: Arc<AppCalls>,
    /// How many bytes of a body may be in memory.
    pub capacity: usize,
    /// How many bytes of a body may go to a file.
    pub spool: u64,
}

/// Sends the response of one call to its connection.
pub struct SocketSink {
    context: Arc<SinkContext>,
    responder: Option<Responder>,
    writer: Option<PipeWriter<Piece>>,
    /// How many bytes of the declared `Content-Length` are not yet in the pipe.
    missing: Option<u64>,
    /// Takes the bytes that exceed the capacity.
    overflow: Overflow,
    head_request: bool,
    job_handle: JobHandle,
    call: CallKey,
}

impl SocketSink {
    /// A sink for the response to `call`.
    pub fn new(
        context: &Arc<SinkContext>,
        responder: Responder,
        head_request: bool,
        job_handle: JobHandle,
        call: CallKey,
    ) -> Self {
        let (context, responder, overflow) = (Arc::clone(context), Some(responder), Overflow::new(context.spool));
        Self { context, responder, writer: None, missing: None, overflow, head_request, job_handle, call }
    }

    /// A response whose body is larger than the buffer. It goes to a file if too many such bodies are in memory
    /// already.
    fn large(&self, mut head: ResponseHead, body: Bytes) -> AppResponse {
        let length = body.len() as u64;
        match keep(body, self.context.spool) {
            Kept::InMemory(body) => AppResponse::Whole(head, body),
            Kept::Stored(stored) => {
                if head.content_length.is_none() {
                    head.set_length(length);
                }
                let (writer, reader) = pipe(self.context.capacity);
                // We hold the reader, so the pipe is open and the push cannot fail.
                let _open = writer.push(Piece::Stored(stored));
                writer.finish();
                AppResponse::Spooled(head, reader)
            }
        }
    }

    fn respond(&mut self, response: AppResponse) {
        if let Some(responder) = self.responder.take() {
            self.context.response_queue.send(responder, response);
        }
    }
}

impl ResponseSink for SocketSink {
    fn complete(&mut self, head: ResponseHead, body: Bytes) {
        self.job_handle.responded();
        let large = body.len() > self.context.capacity && head.allows_body(self.head_request);
        let response = if large { self.large(head, body) } else { AppResponse::Whole(head, body) };
        self.respond(response);
    }

    fn file(&mut self, head: ResponseHead, body: FileBody) -> std::io::Result<()> {
        self.job_handle.responded();
        self.respond(AppResponse::File(head, body));
        Ok(())
    }

    fn start(&mut self, head: ResponseHead) {
        let (writer, reader) = pipe(self.context.capacity);
        self.missing = head.content_length;
        let job_handle = self.job_handle.clone();
        writer.on_abandoned(move || _ = job_handle.leave());
        if head.content_length.is_none() {
            self.context.calls.streams(self.call, writer.hang_up_handle());
        }
        self.writer = Some(writer);
        self.respond(AppResponse::Spooled(head, reader));
    }

    fn write(&mut self, chunk: Bytes) -> Result<Capacity, Disconnected> {
        let writer = self.writer.as_ref().ok_or(Disconnected)?;
        if let Some(missing) = &mut self.missing {
            *missing = missing.saturating_sub(chunk.len() as u64);
            if *missing == 0 {
                self.job_handle.responded();
            }
        }
        writer.push(Piece::Bytes(chunk))
    }

    fn is_gone(&self) -> bool {
        let stream = || self.writer.as_ref().is_some_and(PipeWriter::is_closed);
        self.job_handle.is_orphaned() || self.responder.as_ref().map_or_else(stream, Responder::is_closed)
    }

    fn wait(&mut self) -> Result<(), Disconnected> {
        let writer = self.writer.as_ref().ok_or(Disconnected)?;
        let more = if self.missing == Some(0) { More::Ends } else { More::Comes };
        self.overflow.make_room(writer, &self.job_handle, more)
    }

    fn finish(&mut self) {
        if let Some(writer) = self.writer.take() {
            self.job_handle.responded();
            writer.finish();
        }
    }

    fn abort(&mut self) {
        // The writer is dropped without `finish`, so the pipe fails and the connection is cut.
        self.writer = None;
    }

    fn fail(&mut self) {
        self.respond(AppResponse::Error(RequestError::application_failed()));
    }
}
