//! What the fuzz targets of this folder do: the reader of HTTP/1, the filter of HTTP/2 frames, and header blocks.
//!
//! Beside the parsers, because they are private. `fuzzing.rs` of the crate lists all targets.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use tokio::io::{AsyncRead, ReadBuf};

use super::frames::FrameGuard;
use super::hpack::fuzzing::check_blocks;

/// The places at which an input is cut, and the input without them. The first byte says how many cuts follow it, each a
/// byte: the length of a piece.
pub fn cuts(data: &[u8]) -> (Vec<usize>, &[u8]) {
    let Some((&count, rest)) = data.split_first() else { return (Vec::new(), data) };
    let (steps, bytes) = rest.split_at(usize::from(count % 8).min(rest.len()));
    let mut at = 0;
    let cut = |step: &u8| {
        at += usize::from(*step);
        at
    };
    (steps.iter().map(cut).collect(), bytes)
}

/// A stream that brings its bytes in pieces, and then ends.
#[derive(Debug)]
pub struct Pieces<'a> {
    bytes: &'a [u8],
    cuts: &'a [usize],
    at: usize,
}

impl<'a> Pieces<'a> {
    /// The bytes, cut at these places.
    pub fn new(bytes: &'a [u8], cuts: &'a [usize]) -> Self {
        Self { bytes, cuts, at: 0 }
    }
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let end = self.cuts.iter().copied().find(|cut| *cut > self.at).unwrap_or(usize::MAX).min(self.bytes.len());
        let end = end.min(self.at + out.remaining());
        out.put_slice(&self.bytes[self.at..end]);
        self.at = end;
        Poll::Ready(Ok(()))
    }
}

/// Whether a task was woken.
#[derive(Debug, Default)]
struct WakeRecord(AtomicBool);

impl Wake for WakeRecord {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Everything that a stream brings until it ends or fails, and whether it failed.
///
/// # Panics
/// When it waits without having woken its task: the bytes are there.
pub fn all_of<S: AsyncRead + Unpin>(mut stream: S) -> (Vec<u8>, bool) {
    let woken = Arc::new(WakeRecord::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut context = Context::from_waker(&waker);
    let (mut all, mut room) = (Vec::new(), [0; 1024]);
    loop {
        let mut out = ReadBuf::new(&mut room);
        match Pin::new(&mut stream).poll_read(&mut context, &mut out) {
            Poll::Ready(Ok(())) if out.filled().is_empty() => return (all, false),
            Poll::Ready(Ok(())) => all.extend_from_slice(out.filled()),
            Poll::Ready(Err(_)) => return (all, true),
            // It gives other connections their turn.
            Poll::Pending => assert!(woken.0.swap(false, Ordering::Relaxed), "a stream that is always ready waits"),
        }
    }
}

/// Bytes of a connection, in pieces: the strict reader and the slow one must read the same.
///
/// # Panics
/// When they do not.
pub fn http1(data: &[u8]) {
    let (cuts, bytes) = cuts(data);
    super::comparison::compare(bytes, &cuts);
}

/// Frames behind the preface: hyper gets the same, however they are divided, and never less than came before a frame
/// that ends the connection.
///
/// # Panics
/// When that is not so.
pub fn http2(data: &[u8]) {
    let (cuts, frames) = cuts(data);
    let bytes = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", frames].concat();
    let whole = all_of(FrameGuard::new(Pieces::new(&bytes, &[])));
    let divided = all_of(FrameGuard::new(Pieces::new(&bytes, &cuts)));
    assert_eq!(divided, whole, "{} cut at {cuts:?}", bytes.escape_ascii());
    let every: Vec<usize> = (0..bytes.len()).collect();
    assert_eq!(all_of(FrameGuard::new(Pieces::new(&bytes, &every))), whole, "{} byte by byte", bytes.escape_ascii());
    assert!(whole.1 || whole.0.len() >= bytes.len(), "{} is shortened", bytes.escape_ascii());
}

/// Header blocks: any bytes, and those that a slow encoder makes of a list of fields.
///
/// # Panics
/// When the reader finds something else.
pub fn hpack(data: &[u8]) {
    check_blocks(data);
}
