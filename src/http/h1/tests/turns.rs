//! Tests that a connection with much to send lets others run.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::yield_now;

use super::harness::{BIG, ResponseDropped, serve};
use crate::wire::Limits;

/// The most that may be sent at once.
const MOST: usize = 256 << 10;

/// A client that sends one request, and takes everything at once.
struct FastClient {
    request: &'static [u8],
    taken: Arc<AtomicUsize>,
}

impl AsyncRead for FastClient {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.request.is_empty() {
            return Poll::Pending;
        }
        out.put_slice(std::mem::take(&mut self.request));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for FastClient {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.taken.fetch_add(bytes.len(), Ordering::Relaxed);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn a_fast_client_does_not_keep_the_others_waiting() {
    let taken = Arc::<AtomicUsize>::default();
    let client = FastClient { request: b"GET /pieces HTTP/1.1\r\nHost: h\r\n\r\n", taken: Arc::clone(&taken) };
    let _served = serve(client, Limits::default(), ResponseDropped::default());
    let mut before = 0;
    for _ in 0..1000 {
        // The connection is polled once meanwhile.
        yield_now().await;
        let now = taken.load(Ordering::Relaxed);
        assert!(now - before <= MOST, "{} bytes at once", now - before);
        before = now;
    }
    assert!(before >= BIG, "only {before} bytes");
}
