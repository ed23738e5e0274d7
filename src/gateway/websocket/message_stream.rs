//! The messages of one connection: tungstenite's codec over the filtered connection, for a single task.
//!
//! tokio-tungstenite's own stream serves two tasks, one for each direction, and pays for that with locks and wakers. It
//! also clears the free part of its read buffer each time before it tries to read. Here the connection is read into the
//! buffer that all connections of a thread share, and the codec is asked only when there are bytes for it. It takes them
//! in small steps, so its own buffer is small.
//!
//! Spec: RFC 6455 5.

use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::AsyncWrite;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::protocol::{Message, Role, WebSocketConfig, WebSocketContext};

use super::frame_filter::FilteredStream;
use crate::request::upgrade::Upgraded;
use crate::wire::{poll_fill, with_read_buffer};

/// How much the codec takes at once. It clears as much of its buffer each time.
const STEP: usize = 1024;

/// See the top of this file.
pub(super) struct MessageStream {
    io: FilteredStream<Upgraded>,
    codec: WebSocketContext,
    /// What was read, and the codec has not taken.
    unread: BytesMut,
    /// Whether the codec may find a message in what has been read.
    may_have_more: bool,
    /// Whether something was written, or must be answered, that the connection may not have taken.
    unflushed: bool,
}

/// What the codec can read now.
enum Arrived<'a, 'b> {
    Bytes(&'a mut &'b [u8]),
    /// The client has closed the connection.
    End,
    Failed(io::Error),
}

impl MessageStream {
    /// Messages over `io`, each of `largest` bytes at most.
    pub(super) fn new(io: FilteredStream<Upgraded>, largest: usize) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(STEP)
            .max_message_size(Some(largest))
            .max_frame_size(Some(largest));
        let codec = WebSocketContext::new(Role::Server, Some(config));
        Self { io, codec, unread: BytesMut::new(), may_have_more: false, unflushed: false }
    }

    /// The next message. After an error, there are no more.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Message, Error>> {
        if self.may_have_more || self.unflushed {
            let unread = std::mem::take(&mut self.unread);
            let mut rest = &*unread;
            let decoded = self.poll_decode(context, Arrived::Bytes(&mut rest));
            if !rest.is_empty() {
                let taken = unread.len() - rest.len();
                self.unread = unread;
                self.unread.advance(taken);
            }
            if decoded.is_ready() {
                return decoded;
            }
        }
        with_read_buffer(|buffer| {
            loop {
                buffer.clear();
                let arriving = ready!(poll_fill(&mut self.io, context, buffer));
                let mut rest = &buffer[..];
                let arrived = match arriving {
                    Ok(0) => Arrived::End,
                    Ok(_) => Arrived::Bytes(&mut rest),
                    Err(error) => Arrived::Failed(error),
                };
                let decoded = self.poll_decode(context, arrived);
                self.unread.extend_from_slice(rest);
                if decoded.is_ready() {
                    return decoded;
                }
            }
        })
    }

    fn poll_decode(&mut self, context: &mut Context<'_>, arrived: Arrived<'_, '_>) -> Poll<Result<Message, Error>> {
        let decoded = unblocked(self.codec.read(&mut PolledStream { io: &mut self.io, context, arrived }));
        self.may_have_more = decoded.is_ready();
        if let Poll::Ready(Ok(Message::Ping(_) | Message::Close(_))) = decoded {
            // The codec answers by itself.
            self.unflushed = true;
        }
        decoded
    }

    /// Takes a message for the client. If this is pending, the message was taken too, and [`Self::poll_flush`] must be
    /// ready before the next one.
    pub(super) fn poll_write(&mut self, context: &mut Context<'_>, message: Message) -> Poll<Result<(), Error>> {
        self.unflushed = true;
        self.poll_codec(context, |codec, stream| codec.write(stream, message))
    }

    /// Ready when the connection has taken everything.
    pub(super) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if !self.unflushed {
            return Poll::Ready(Ok(()));
        }
        let flushed = self.poll_codec(context, |codec, stream| codec.flush(stream));
        self.unflushed = flushed.is_pending();
        flushed
    }

    /// Ready when the last frames were sent and the connection is closed in order.
    pub(super) fn poll_close(&mut self, context: &mut Context<'_>) -> Poll<()> {
        // The client may have gone.
        let _flushed = ready!(self.poll_codec(context, |codec, stream| codec.close(stream, None)));
        Pin::new(&mut self.io).poll_shutdown(context).map(drop)
    }

    fn poll_codec(
        &mut self,
        context: &mut Context<'_>,
        act: impl FnOnce(&mut WebSocketContext, &mut PolledStream<'_, '_, '_>) -> Result<(), Error>,
    ) -> Poll<Result<(), Error>> {
        let mut nothing = &[][..];
        let arrived = Arrived::Bytes(&mut nothing);
        match unblocked(act(&mut self.codec, &mut PolledStream { io: &mut self.io, context, arrived })) {
            // The close frames were exchanged and sent.
            Poll::Ready(Err(Error::ConnectionClosed)) => Poll::Ready(Ok(())),
            polled => polled,
        }
    }
}

fn unblocked<T>(result: Result<T, Error>) -> Poll<Result<T, Error>> {
    match result {
        Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
        result => Poll::Ready(result),
    }
}

/// What the codec sees of the connection during one poll.
struct PolledStream<'a, 'b, 'c> {
    io: &'a mut FilteredStream<Upgraded>,
    context: &'a mut Context<'c>,
    arrived: Arrived<'a, 'b>,
}

impl Read for PolledStream<'_, '_, '_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match &mut self.arrived {
            Arrived::Bytes([]) => Err(io::ErrorKind::WouldBlock.into()),
            Arrived::Bytes(bytes) => bytes.read(out),
            Arrived::End => Ok(0),
            Arrived::Failed(error) => Err(std::mem::replace(error, io::ErrorKind::ConnectionReset.into())),
        }
    }
}

impl Write for PolledStream<'_, '_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        done(Pin::new(&mut *self.io).poll_write(self.context, bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        done(Pin::new(&mut *self.io).poll_flush(self.context))
    }
}

fn done<T>(polled: Poll<io::Result<T>>) -> io::Result<T> {
    match polled {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}
