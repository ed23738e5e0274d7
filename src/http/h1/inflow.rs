//! A request body on its way from the connection to whoever reads it.
//!
//! Kept apart from the connection, which has the socket: here is what the bytes are, where they go, and how long the client may
//! take. A body that breaks off is an error for its reader, with the reason.
//!
//! Spec: RFC 9112 6.3 (8: ended early), 7.1; RFC 9110 10.1.1 (`Expect`), 15.5.9.

use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use rsgi_bridge::error::{BodyError, Disconnected};
use rsgi_bridge::pipe::{PipeWriter, pipe};
use tokio::time::Instant;

use crate::request::body::RawBody;
use crate::wire::{BodyReader, DataRate, Head, Limits, Piece};

/// How much of a body waits between the socket and its reader.
const BUFFER: usize = 64 << 10;

/// See the top of this file.
#[derive(Debug)]
pub(super) struct Inflow {
    writer: PipeWriter<Bytes>,
    reader: BodyReader,
    data_rate: DataRate,
    /// The client waits to be told that it may send.
    expects: bool,
}

/// What became of a body when bytes of it came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fed {
    /// There is more to come, or no room for it.
    More,
    /// It is complete.
    Ended,
    /// It broke off: nothing that follows can be read.
    Broken,
}

impl Inflow {
    /// The body that follows `head`, of which `bytes` have come. What is here as a whole needs no way.
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

    /// Hands on what of the body is in `bytes`: as much as there is room for, or all of it.
    pub(super) fn feed(&mut self, bytes: &mut BytesMut, all: bool) -> Fed {
        while all || self.writer.has_room() {
            match self.reader.next(bytes) {
                // Whoever is not there any more does not miss it.
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

    /// Ready when the client is to be told that it may send, once.
    pub(super) fn poll_invited(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.expects && matches!(self.writer.poll_wanted(cx), Poll::Ready(Ok(()))) {
            self.expects = false;
            return Poll::Ready(());
        }
        Poll::Pending
    }

    /// It is too late to tell the client that it may send.
    pub(super) fn answered(&mut self) {
        self.expects = false;
    }

    /// Ready when there is room for more.
    ///
    /// # Errors
    /// When nobody reads any more.
    pub(super) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Disconnected>> {
        self.writer.poll_ready(cx)
    }

    /// So many bytes came.
    pub(super) fn moved(&mut self, bytes: usize) {
        self.data_rate.moved(bytes);
    }

    /// Until when the next bytes are waited for.
    pub(super) fn deadline(&mut self) -> Option<Instant> {
        if self.expects { None } else { self.data_rate.wait() }
    }

    /// Nothing more comes, since the client has ended.
    pub(super) fn end_early(&self) {
        self.writer.fail(BodyError::Malformed("the request body ended early".into()));
    }

    /// Nothing more is waited for.
    pub(super) fn give_up(&self) {
        self.writer.fail(BodyError::TooSlow("the request body came too slowly".into()));
    }
}
