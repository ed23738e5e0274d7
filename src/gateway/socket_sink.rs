//! Where the response of a WSGI call goes: to its connection, through the response queue and a pipe.
//!
//! Kept apart from the gateway, which brings the call to its thread: this is the way back.

use std::sync::Arc;

use bytes::Bytes;
use rsgi_bridge::error::Disconnected;
use rsgi_bridge::pipe::{PipeWriter, pipe};
use rsgi_bridge::pool::JobHandle;
use rsgi_bridge::response::overflow::{More, Overflow};
use rsgi_bridge::response::response_head::ResponseHead;
use rsgi_bridge::response::sink::{Capacity, FileBody, ResponseSink};
use rsgi_bridge::response::stored::{Kept, Piece, keep};

use crate::request::error::RequestError;
use crate::response::app_response::AppResponse;
use crate::runtime::calls::CallHandle;
use crate::runtime::response_queue::{Responder, ResponseQueue};

/// Sends the response of one call to its connection.
pub struct SocketSink {
    responder: Option<Responder>,
    response_queue: Arc<ResponseQueue>,
    writer: Option<PipeWriter<Piece>>,
    /// How much of the declared length the client has not got.
    missing: Option<u64>,
    capacity: usize,
    /// How much of the body may be in a file.
    spool: u64,
    /// What goes over the capacity.
    overflow: Overflow,
    head_request: bool,
    job_handle: JobHandle,
    call: CallHandle,
}

impl SocketSink {
    /// A sink for the answer to one request. `(capacity, spool)` is how much of it may be in memory, and in a file.
    pub fn new(
        (responder, response_queue): (Responder, Arc<ResponseQueue>),
        (capacity, spool): (usize, u64),
        head_request: bool,
        job_handle: JobHandle,
        call: CallHandle,
    ) -> Self {
        let (responder, overflow) = (Some(responder), Overflow::new(spool));
        Self {
            responder,
            response_queue,
            writer: None,
            missing: None,
            capacity,
            spool,
            overflow,
            head_request,
            job_handle,
            call,
        }
    }

    /// The answer with a body that is larger than the buffer, and does not wait in memory if too many do.
    fn large(&self, mut head: Box<ResponseHead>, body: Bytes) -> AppResponse {
        let length = body.len() as u64;
        match keep(body, self.spool) {
            Kept::InMemory(body) => AppResponse::Whole(head, body),
            Kept::Stored(stored) => {
                if head.content_length.is_none() {
                    head.set_length(length);
                }
                let (writer, reader) = pipe(self.capacity);
                // The reader is in our hands: it cannot have gone.
                let _open = writer.push(Piece::Stored(stored));
                writer.finish();
                AppResponse::Spooled(head, reader)
            }
        }
    }

    fn respond(&mut self, response: AppResponse) {
        if let Some(responder) = self.responder.take() {
            self.response_queue.send(responder, response);
        }
    }
}

impl ResponseSink for SocketSink {
    fn complete(&mut self, head: Box<ResponseHead>, body: Bytes) {
        self.job_handle.answered();
        let large = body.len() > self.capacity && head.allows_body(self.head_request);
        let response = if large { self.large(head, body) } else { AppResponse::Whole(head, body) };
        self.respond(response);
    }

    fn file(&mut self, head: Box<ResponseHead>, body: FileBody) -> std::io::Result<()> {
        self.job_handle.answered();
        self.respond(AppResponse::File(head, body));
        Ok(())
    }

    fn start(&mut self, head: Box<ResponseHead>) {
        let (writer, reader) = pipe(self.capacity);
        self.missing = head.content_length;
        let job_handle = self.job_handle.clone();
        writer.on_abandoned(move || _ = job_handle.leave());
        if head.content_length.is_none() {
            self.call.streams(writer.hang_up_handle());
        }
        self.writer = Some(writer);
        self.respond(AppResponse::Spooled(head, reader));
    }

    fn write(&mut self, chunk: Bytes) -> Result<Capacity, Disconnected> {
        let writer = self.writer.as_ref().ok_or(Disconnected)?;
        if let Some(missing) = &mut self.missing {
            *missing = missing.saturating_sub(chunk.len() as u64);
            if *missing == 0 {
                self.job_handle.answered();
            }
        }
        writer.push(Piece::Bytes(chunk))?;
        Ok(if writer.has_room() { Capacity::More } else { Capacity::Full })
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
            self.job_handle.answered();
            writer.finish();
        }
    }

    fn abort(&mut self) {
        // Dropped before its end, the pipe fails.
        self.writer = None;
    }

    fn fail(&mut self) {
        self.respond(AppResponse::Error(RequestError::application_failed()));
    }
}
