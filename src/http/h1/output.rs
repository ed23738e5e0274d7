//! Bytes that wait to be sent to the client.
//!
//! A client may read them as slowly as one byte at a time. Small pieces are copied into one buffer, large ones are kept
//! as they are. When everything was sent, no memory is kept.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::AsyncWrite;

/// Up to this many bytes, a copy is cheaper than a separate slice.
const SMALL: usize = 4 << 10;
/// The buffer of small pieces grows by this many bytes at most, beyond what it needs.
const MOST_GROWTH: usize = 64 << 10;
/// The most slices of one write.
const SLICES: usize = 16;

/// Bytes in their order.
#[derive(Debug, Default)]
pub(super) struct Output {
    pieces: VecDeque<Bytes>,
    /// Bytes after `pieces`.
    tail: BytesMut,
    length: usize,
    /// Whether written bytes may still be in the buffer of the stream.
    unflushed: bool,
}

impl Output {
    /// How many bytes wait.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// Whether everything was sent.
    pub(super) fn is_out(&self) -> bool {
        self.length == 0 && !self.unflushed
    }

    /// Adds a copy of `bytes`.
    pub(super) fn copy(&mut self, bytes: &[u8]) {
        self.length += bytes.len();
        if self.tail.capacity() - self.tail.len() < bytes.len() {
            // A buffer that only doubles copies the whole of a body that comes in small pieces once more.
            self.tail.reserve(bytes.len().max((self.tail.len() * 3).min(MOST_GROWTH)));
        }
        self.tail.extend_from_slice(bytes);
    }

    /// Adds bytes.
    pub(super) fn push(&mut self, bytes: Bytes) {
        if bytes.len() <= SMALL {
            return self.copy(&bytes);
        }
        self.seal();
        self.length += bytes.len();
        self.pieces.push_back(bytes);
    }

    fn seal(&mut self) {
        if !self.tail.is_empty() {
            self.pieces.push_back(self.tail.split().freeze());
        }
    }

    /// Writes `head` at once, and keeps the part that the stream does not take. Nothing else may wait.
    pub(super) fn begin<S: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut S,
        head: &[u8],
    ) -> io::Result<usize> {
        self.unflushed = true;
        let written = match Pin::new(io).poll_write(cx, head) {
            Poll::Ready(written) => written?,
            Poll::Pending => 0,
        };
        self.copy(head.get(written..).unwrap_or_default());
        Ok(written)
    }

    /// Writes what the stream takes at once. Returns how many bytes; 0 when everything was sent.
    pub(super) fn poll_write<S>(&mut self, cx: &mut Context<'_>, io: &mut S) -> Poll<io::Result<usize>>
    where
        S: AsyncWrite + Unpin,
    {
        if self.length == 0 {
            ready!(Pin::new(io).poll_flush(cx))?;
            *self = Self::default();
            return Poll::Ready(Ok(0));
        }
        self.seal();
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
            *slice = IoSlice::new(piece);
            count += 1;
        }
        let slices = slices.get(..count).unwrap_or_default();
        let written = ready!(Pin::new(io).poll_write_vectored(cx, slices))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.unflushed = true;
        self.advance(written);
        Poll::Ready(Ok(written))
    }

    fn advance(&mut self, mut written: usize) {
        self.length = self.length.saturating_sub(written);
        while let Some(first) = self.pieces.front_mut() {
            if written < first.len() {
                first.advance(written);
                return;
            }
            written -= first.len();
            self.pieces.pop_front();
        }
    }
}
