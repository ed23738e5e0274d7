//! A filter between the connection and tungstenite. It notes that the client sends bytes, removes the mark of
//! compressed messages, and lets a close code pass that tungstenite does not know.
//!
//! tungstenite supports no extensions. It refuses the reserved bit (RSV1) that marks a compressed message, and would
//! reject compressed text because it is not UTF-8. So the filter clears the bit, passes compressed text on as a binary
//! message, and keeps a list of what each message was. tungstenite still handles framing, masking, fragments and
//! closing.
//!
//! tungstenite treats close code 1014 as a protocol error, because the code was registered after RFC 6455. The filter
//! turns such a close frame into a pong, and [`Seen::closed_with`] recognizes it.
//!
//! tungstenite answers each ping and keeps what it cannot send. A client that sends pings and reads nothing would fill the
//! memory, so the filter reads no more from it until something was sent.
//!
//! Spec: RFC 7692 6.2; RFC 6455 5.2, 5.5.1, 11.7 (the registry of close codes).

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const RESERVED_1: u8 = 0x40;
const OPCODE: u8 = 0x0F;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;
/// After this many pings, nothing more is read while the client reads nothing.
const MOST_PINGS: usize = 16;
/// The first bytes of a close frame: 2 of head, 4 of mask, 2 of code.
const CLOSE_HEAD: usize = 8;
/// 1014, Bad Gateway.
const BAD_GATEWAY: [u8; 2] = 1014_u16.to_be_bytes();

/// How a message was coded on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// Not compressed.
    Plain,
    /// Compressed text.
    DeflatedText,
    /// Compressed bytes.
    DeflatedBinary,
}

/// What the filter has seen.
#[derive(Debug, Default)]
pub struct Seen {
    heard: AtomicBool,
    bad_gateway: AtomicBool,
    /// Pongs of the client that tungstenite has read, but not yet returned.
    pongs: AtomicUsize,
    codings: Mutex<VecDeque<Coding>>,
}

impl Seen {
    /// Whether the client sent anything since the last call.
    pub fn heard(&self) -> bool {
        self.heard.swap(false, Ordering::AcqRel)
    }

    /// The reason, if this pong is really a close frame with code 1014. Call it once per pong, in order.
    pub fn closed_with<'a>(&self, pong: &'a [u8]) -> Option<&'a [u8]> {
        // A client's own pong may hold the same bytes and come before the close frame, so pongs are counted.
        let real = self.pongs.fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| count.checked_sub(1)).is_ok();
        pong.strip_prefix(&BAD_GATEWAY).filter(|_| !real && self.bad_gateway.load(Ordering::Acquire))
    }

    /// How the next message was coded. Call it once per message, in order.
    pub fn next_coding(&self) -> Coding {
        self.codings.lock().unwrap_or_else(PoisonError::into_inner).pop_front().unwrap_or(Coding::Plain)
    }
}

/// The connection behind the filter.
#[derive(Debug)]
pub struct FilteredStream<S> {
    io: S,
    seen: Arc<Seen>,
    /// Whether both sides agreed on compression.
    compressed: bool,
    scan: Scan,
    /// The start of a close frame whose code has not arrived.
    held: Vec<u8>,
    /// How many pings came since the connection last took bytes. `None` while it takes them.
    unanswered: Option<usize>,
}

impl<S> FilteredStream<S> {
    /// Filters `io`. `compressed` says whether both sides agreed on compression.
    pub fn new(io: S, seen: Arc<Seen>, compressed: bool) -> Self {
        Self { io, seen, compressed, scan: Scan::default(), held: Vec::new(), unanswered: None }
    }

    /// Changes the frames that tungstenite would refuse. Returns how many bytes of `fresh` tungstenite may have: all,
    /// except the start of a close frame.
    fn adapt(&mut self, fresh: &mut [u8]) -> usize {
        let (seen, compressed, unanswered) = (&self.seen, self.compressed, &mut self.unanswered);
        let mut codings = compressed.then(|| seen.codings.lock().unwrap_or_else(PoisonError::into_inner));
        self.scan.adapt(fresh, compressed, |found| match (found, &mut codings) {
            (FrameStart::BadGateway, _) => seen.bad_gateway.store(true, Ordering::Release),
            (FrameStart::Ping, _) => *unanswered = unanswered.map(|pings| pings.saturating_add(1)),
            (FrameStart::Pong, _) => _ = seen.pongs.fetch_add(1, Ordering::AcqRel),
            (FrameStart::Message(coding), Some(codings)) => codings.push_back(coding),
            (FrameStart::Message(_), None) => {}
        })
    }
}

/// What a frame starts, if the filter has to note it.
enum FrameStart {
    Message(Coding),
    Ping,
    Pong,
    /// A close frame with code 1014.
    BadGateway,
}

/// How far the current frame was read.
#[derive(Debug, Default)]
struct Scan {
    /// The bytes of its head: 2, and up to 8 for a long length.
    head: [u8; 10],
    known: usize,
    /// How many bytes of its mask and payload are still to come.
    left: u64,
}

impl Scan {
    /// Continues to read, and changes the first bytes of frames. Returns how many bytes it has read. The rest is the
    /// start of a close frame.
    fn adapt(&mut self, bytes: &mut [u8], compressed: bool, mut found: impl FnMut(FrameStart)) -> usize {
        let mut at = 0;
        while let Some(rest) = bytes.get_mut(at..).filter(|rest| !rest.is_empty()) {
            let passed = usize::try_from(self.left).unwrap_or(usize::MAX).min(rest.len());
            self.left -= passed as u64;
            at += passed;
            let Some((first, after)) = rest.split_at_mut(passed).1.split_first_mut() else { return at };
            if self.known == 0 {
                if *first & OPCODE == CLOSE {
                    match close_code(after) {
                        Code::Unknown => return at,
                        Code::Is(BAD_GATEWAY) => {
                            *first = (*first & !OPCODE) | PONG;
                            found(FrameStart::BadGateway);
                        }
                        Code::Is(_) | Code::None => {}
                    }
                } else if *first & OPCODE == PING {
                    found(FrameStart::Ping);
                } else if *first & OPCODE == PONG {
                    found(FrameStart::Pong);
                } else if compressed && let Some(coding) = take_mark(first) {
                    found(FrameStart::Message(coding));
                }
            }
            self.take_head_byte(*first);
            at += 1;
        }
        at
    }

    fn take_head_byte(&mut self, byte: u8) {
        if let Some(place) = self.head.get_mut(self.known) {
            *place = byte;
        }
        self.known += 1;
        let [_, second, long @ ..] = self.head;
        let length = match (second & 0x7F, long) {
            (126, [a, b, ..]) if self.known == 4 => u64::from(u16::from_be_bytes([a, b])),
            (127, long) if self.known == 10 => u64::from_be_bytes(long),
            (short, _) if self.known == 2 && short < 126 => u64::from(short),
            _ => return,
        };
        let mask = if second & 0x80 == 0 { 0 } else { 4 };
        self.left = length.saturating_add(mask);
        self.known = 0;
    }
}

/// The code of a close frame.
enum Code {
    Is([u8; 2]),
    None,
    /// It has not arrived.
    Unknown,
}

/// Reads the code from what follows the first byte of a close frame.
fn close_code(after: &[u8]) -> Code {
    match after {
        // A client masks all its frames. The code is the start of the payload, and a close frame has a short length.
        [0x82..=0xFD, m0, m1, _, _, c0, c1, ..] => Code::Is([m0 ^ c0, m1 ^ c1]),
        [] | [0x82..=0xFD, ..] => Code::Unknown,
        _ => Code::None,
    }
}

/// Looks at the first byte of a frame. If the frame starts a message, returns how the message is coded, and clears the
/// mark. Other frames keep their reserved bits, and tungstenite refuses them.
fn take_mark(byte: &mut u8) -> Option<Coding> {
    let marked = *byte & RESERVED_1 != 0;
    match *byte & OPCODE {
        TEXT if marked => {
            *byte = (*byte & !RESERVED_1 & !OPCODE) | BINARY;
            Some(Coding::DeflatedText)
        }
        BINARY if marked => {
            *byte &= !RESERVED_1;
            Some(Coding::DeflatedBinary)
        }
        TEXT | BINARY => Some(Coding::Plain),
        _ => None,
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FilteredStream<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let start = out.filled().len();
        // The write that is pending wakes the task. tungstenite then tries it again before it reads.
        if this.unanswered >= Some(MOST_PINGS) {
            return Poll::Pending;
        }
        if out.remaining() <= CLOSE_HEAD {
            return Poll::Ready(Err(io::Error::other("there is no room to read into")));
        }
        loop {
            let waiting = this.held.len();
            out.put_slice(&this.held);
            let read = Pin::new(&mut this.io).poll_read(context, out);
            if !matches!(read, Poll::Ready(Ok(()))) {
                out.set_filled(start);
                return read;
            }
            this.held.clear();
            let fresh = out.filled_mut().get_mut(start..).unwrap_or_default();
            if fresh.len() == waiting {
                // The end of the stream. An incomplete close frame is dropped.
                out.set_filled(start);
                return Poll::Ready(Ok(()));
            }
            this.seen.heard.store(true, Ordering::Release);
            let adapted = this.adapt(fresh);
            let fresh = out.filled().get(start + adapted..).unwrap_or_default();
            this.held.extend_from_slice(fresh);
            out.set_filled(start + adapted);
            if adapted > 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FilteredStream<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write(context, bytes);
        this.unanswered = if written.is_pending() { this.unanswered.or(Some(0)) } else { None };
        written
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
