//! Brings a request body from the connection to its reader.
//!
//! The connection has the socket. This decides what the bytes are, where they go, and how slow the client may be. If a
//! body breaks off, its reader gets an error with the reason.
//!
//! Spec: RFC 9112 6.3 (8: ended early), 7.1; RFC 9110 10.1.1 (`Expect`), 15.5.9.

use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use rsgi_bridge::error::{BodyError, Disconnected};
use rsgi_bridge::pipe::{PipeWriter, pipe};
use tokio::time::Instant;

use crate::request::body::RawBody;
use crate::wire::{BodyReader, DataRate, Head, Limits, Piece};

/// How many bytes of a body may wait between the socket and its reader.
const BUFFER: usize = 64 << 10;

/// See the top of this file.
#[derive(Debug)]
pub(super) struct Inflow {
    writer: PipeWriter<Bytes>,
    reader: BodyReader,
    data_rate: DataRate,
    /// The client waits for `100 Continue`.
    expects: bool,
}

/// The state of a body after bytes were passed on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fed {
    /// More will come, or there is no room for it.
    More,
    /// The body is complete.
    Ended,
    /// The body broke off. Nothing after it can be read.
    Broken,
}

impl Inflow {
    /// The body after `head`, of which `bytes` have arrived. A body that is complete already needs no pipe.
    pub(super) fn begin(head: &Head, bytes: &mut BytesMut, limits: &Limits) -> (RawBody, Option<Box<Self>>) {
        let mut reader = BodyReader::new(head.body, limits);
        if reader.is_end() {
            return (RawBody::Empty, None);
        }
        if head.body.fits(bytes.len())
            && let Piece::Data(whole) = reader.next(bytes)
        {
            return (RawBody::Whole(Some(whole)), None);
        }
        let (writer, body) = pipe(BUFFER);
        let inflow = Self { writer, reader, data_rate: DataRate::new(limits), expects: head.expects_continue };
        (RawBody::Http1(body), Some(Box::new(inflow)))
    }

    /// Passes on the part of the body that is in `bytes`: as much as there is room for, or all of it.
    pub(super) fn feed(&mut self, bytes: &mut BytesMut, all: bool) -> Fed {
        while all || self.writer.has_room() {
            match self.reader.next(bytes) {
                // Fails if nobody reads the body any more, which does not matter.
                Piece::Data(data) => drop(self.writer.push(data)),
                Piece::More => return Fed::More,
                Piece::End => {}
                Piece::Broken(reason) => {
                    self.writer.fail(BodyError::Malformed(reason.into()));
                    return Fed::Broken;
                }
            }
            if self.reader.is_end() {
                self.writer.finish();
                return Fed::Ended;
            }
        }
        Fed::More
    }

    /// Ready when `100 Continue` must be sent, once.
    pub(super) fn poll_invited(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.expects && matches!(self.writer.poll_wanted(cx), Poll::Ready(Ok(()))) {
            self.expects = false;
            return Poll::Ready(());
        }
        Poll::Pending
    }

    /// The response has begun, so it is too late for `100 Continue`.
    pub(super) fn response_began(&mut self) {
        self.expects = false;
    }

    /// Ready when there is room for more.
    ///
    /// # Errors
    /// When nobody reads the body any more.
    pub(super) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Disconnected>> {
        self.writer.poll_ready(cx)
    }

    /// Notes that `bytes` have arrived.
    pub(super) fn moved(&mut self, bytes: usize) {
        self.data_rate.moved(bytes);
    }

    /// When the next bytes must have arrived.
    pub(super) fn deadline(&mut self) -> Option<Instant> {
        if self.expects { None } else { self.data_rate.wait() }
    }

    /// Breaks off the body, because the client has closed its side.
    pub(super) fn end_early(&self) {
        self.writer.fail(BodyError::Malformed("the request body ended early".into()));
    }

    /// Breaks off the body, because it comes too slowly.
    pub(super) fn give_up(&self) {
        self.writer.fail(BodyError::TooSlow("the request body came too slowly".into()));
    }
}
