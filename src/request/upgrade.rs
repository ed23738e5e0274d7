//! A connection, or a stream of one, that switches to another protocol.
//!
//! The code that switches does not know the connection. HTTP/1 gives up the whole connection after its 101 was sent.
//! HTTP/2 gives up one stream, which hyper has.
//!
//! Spec: RFC 9110 7.8; RFC 8441 5.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use http::Request;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

use crate::request::parts::RequestParts;

/// What can be read and written.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl std::fmt::Debug for dyn Stream {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Stream")
    }
}

/// Where an HTTP/1 connection goes after its 101 was sent.
pub type Handover = oneshot::Sender<Box<dyn Stream>>;

/// The receiver of a [`Handover`].
type ComingStream = oneshot::Receiver<Box<dyn Stream>>;

/// The receiver, as an extension of the request.
#[derive(Clone, Debug)]
struct TakenStream(Arc<Mutex<Option<ComingStream>>>);

/// Gives the request what it needs to turn its connection into something else.
pub fn offer(parts: &mut RequestParts) -> Handover {
    let (handover, taken) = oneshot::channel();
    parts.extensions.insert(TakenStream(Arc::new(Mutex::new(Some(taken)))));
    handover
}

/// Whether an HTTP/1 request asks to turn its connection into something else, and may.
pub fn is_offered(parts: &RequestParts) -> bool {
    parts.extensions.get::<TakenStream>().is_some()
}

/// The coming upgrade of a request.
#[derive(Debug)]
pub enum Upgrade {
    /// Of a whole connection.
    Http1(Option<ComingStream>),
    /// Of one stream.
    Http2(OnUpgrade),
}

impl Upgrade {
    /// That of this request, once.
    pub fn of(parts: &mut RequestParts) -> Self {
        if let Some(TakenStream(taken)) = parts.extensions.remove() {
            return Self::Http1(taken.lock().unwrap_or_else(PoisonError::into_inner).take());
        }
        // hyper only takes a whole request here.
        let mut carrier = Request::new(());
        *carrier.extensions_mut() = std::mem::take(&mut parts.extensions);
        Self::Http2(hyper::upgrade::on(carrier))
    }

    /// Waits until the response was sent. `None` if the client left before.
    pub async fn upgraded(self) -> Option<Upgraded> {
        match self {
            Self::Http1(taken) => taken?.await.ok().map(Upgraded::Http1),
            Self::Http2(upgrade) => upgrade.await.ok().map(|stream| Upgraded::Http2(TokioIo::new(stream))),
        }
    }
}

/// What was HTTP before.
pub enum Upgraded {
    /// A whole connection.
    Http1(Box<dyn Stream>),
    /// A stream.
    Http2(TokioIo<hyper::upgrade::Upgraded>),
}

impl Upgraded {
    fn stream(&mut self) -> Pin<&mut dyn Stream> {
        match self {
            Self::Http1(stream) => Pin::new(&mut **stream),
            Self::Http2(stream) => Pin::new(stream),
        }
    }
}

impl AsyncRead for Upgraded {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_read(cx, out)
    }
}

impl AsyncWrite for Upgraded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.stream().poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Http1(stream) => stream.is_write_vectored(),
            Self::Http2(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(cx)
    }
}
