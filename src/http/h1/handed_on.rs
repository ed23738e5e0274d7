//! A connection that has switched to another protocol. It returns the bytes after the last request first, then those
//! from the socket.
//!
//! It outlives the HTTP/1 connection, and closes in the same way.
//!
//! Spec: RFC 9110 7.8; RFC 9112 9.6.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::net::replayed::Replayed;
use crate::wire::{Closing, Timer};

/// See the top of this file.
#[derive(Debug)]
pub(super) struct HandedOn<S> {
    stream: Replayed<S>,
    timer: Timer,
    closing: Closing,
}

impl<S> HandedOn<S> {
    /// Returns `bytes` before what is read from `io`.
    pub(super) fn new(io: S, bytes: BytesMut, timer: Timer) -> Self {
        Self { stream: Replayed { bytes, io }, timer, closing: Closing::Open }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for HandedOn<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, out)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for HandedOn<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if matches!(this.closing, Closing::Open) {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
            this.closing = Closing::after_ours(true);
        }
        this.closing.poll(cx, &mut this.stream, &mut this.timer)
    }
}
