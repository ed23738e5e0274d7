//! What is on its way to the client.
//!
//! Kept apart from what makes it because a client may take it a byte at a time. Small pieces are copied together, large ones wait
//! as they are; when all is out nothing is kept.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::AsyncWrite;

/// Up to so many bytes, a copy is cheaper than a slice of its own.
const SMALL: usize = 4 << 10;
/// So many slices go out at once.
const SLICES: usize = 16;

/// Bytes in their order.
#[derive(Debug, Default)]
pub(super) struct Output {
    pieces: VecDeque<Bytes>,
    /// What comes after them.
    tail: BytesMut,
    length: usize,
    /// What was written may lie in the stream's own buffer.
    unflushed: bool,
}

impl Output {
    /// How many bytes wait.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// Whether everything is out.
    pub(super) fn is_out(&self) -> bool {
        self.length == 0 && !self.unflushed
    }

    /// Adds bytes, which are copied.
    pub(super) fn copy(&mut self, bytes: &[u8]) {
        self.length += bytes.len();
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

    /// Writes `head`, and leaves here what is not taken at once. Nothing else may wait.
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

    /// Writes what the stream takes at once. Gives how many bytes that were; 0 when everything is out.
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
