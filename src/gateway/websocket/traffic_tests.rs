//! Tests that a client that only pings lets other connections run.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};

use rsgi_bridge::pipe::pipe;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::yield_now;

use super::super::frame_filter::FilteredStream;
use super::*;
use crate::request::upgrade::Upgraded;
use crate::wire::READ_BUFFER;

const PING: [u8; 6] = [0x89, 0x80, 0, 0, 0, 0];
const PINGS: usize = 20_000;

/// A client that has sent many pings. Counts those that were read.
struct PingingClient(Arc<AtomicUsize>);

impl AsyncRead for PingingClient {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let count = (out.remaining() / PING.len()).min(PINGS - self.0.load(Ordering::Relaxed));
        if count == 0 {
            return Poll::Pending;
        }
        out.put_slice(&PING.repeat(count));
        self.0.fetch_add(count, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for PingingClient {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
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
async fn pings_do_not_keep_others_waiting() {
    let (pings, seen) = (Arc::<AtomicUsize>::default(), Arc::<Seen>::default());
    let upgraded = Upgraded::Http1(Box::new(PingingClient(Arc::clone(&pings))));
    let io = FilteredStream::new(upgraded, Arc::clone(&seen), false);
    let mut stream = MessageStream::new(io, 1024);
    let ((inbound, _receive), (_send, outbound)) = (pipe(1024), pipe(1024));
    let (ping_interval, ping_timeout) = Default::default();
    let options = SocketOptions { message: 1024, ping_interval, ping_timeout, compression: None };
    tokio::spawn(async move {
        let pipes = (&inbound, outbound);
        SocketTraffic::new(&mut stream, pipes, Waker::noop().clone(), seen, options).run().await
    });
    let mut before = 0;
    for _ in 0..1000 {
        // The connection is polled once meanwhile.
        yield_now().await;
        let now = pings.load(Ordering::Relaxed);
        assert!((now - before) * PING.len() <= READ_BUFFER, "{} pings at once", now - before);
        before = now;
    }
    assert_eq!(before, PINGS);
}
