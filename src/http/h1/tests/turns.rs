//! Tests that a connection with much to send lets others run.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::harness::{BIG, ResponseDropped, serve};
use crate::wire::Limits;

/// The most that may be sent at once: a few times as much as is sent without a pause.
const MOST: usize = 512 << 10;

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

/// Lets all tasks that are ready run once. tokio's `yield_now` may let them run more often.
async fn others_run() {
    let mut waited = false;
    let others = poll_fn(|cx| {
        cx.waker().wake_by_ref();
        if std::mem::replace(&mut waited, true) { Poll::Ready(()) } else { Poll::Pending }
    });
    others.await;
}

#[tokio::test]
async fn a_fast_client_does_not_keep_the_others_waiting() {
    let taken = Arc::<AtomicUsize>::default();
    let client = FastClient { request: b"GET /pieces HTTP/1.1\r\nHost: h\r\n\r\n", taken: Arc::clone(&taken) };
    let _served = serve(client, Limits::default(), ResponseDropped::default());
    // A task of its own, because the runtime polls the test itself more rarely.
    let watched = tokio::spawn(async move {
        let mut before = 0;
        for _ in 0..1000 {
            others_run().await;
            let now = taken.load(Ordering::Relaxed);
            assert!(now - before <= MOST, "{} bytes at once", now - before);
            before = now;
        }
        assert!(before >= BIG, "only {before} bytes");
    });
    watched.await.unwrap();
}
