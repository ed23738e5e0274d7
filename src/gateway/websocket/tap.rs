//! What stands between the connection and tungstenite: it notes that the client lives, and takes the mark off compressed
//! messages.
//!
//! Apart because tungstenite knows no extension: it refuses the reserved bit that marks a compressed message, and would
//! take compressed text for text that is no UTF-8. So the bit is cleared, such a message is passed on as a binary one, and a
//! list beside it says what each message was. Framing, masking, fragments and closing stay tungstenite's.
//!
//! Spec: RFC 7692 6.2; RFC 6455 5.2.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const RESERVED_1: u8 = 0x40;
const OPCODE: u8 = 0x0F;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;

/// How a message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// As tungstenite gives it.
    Plain,
    /// Compressed text.
    DeflatedText,
    /// Compressed bytes.
    DeflatedBinary,
}

/// What the tap has seen.
#[derive(Debug, Default)]
pub struct Seen {
    heard: AtomicBool,
    codings: Mutex<VecDeque<Coding>>,
}

impl Seen {
    /// Whether anything came since this was asked last.
    pub fn heard(&self) -> bool {
        self.heard.swap(false, Ordering::AcqRel)
    }

    /// How the next message came. Once per message, in their order.
    pub fn next_coding(&self) -> Coding {
        self.codings.lock().unwrap_or_else(PoisonError::into_inner).pop_front().unwrap_or(Coding::Plain)
    }
}

/// The connection with a tap on it.
#[derive(Debug)]
pub struct Tapped<S> {
    io: S,
    seen: Arc<Seen>,
    /// Only where compression was agreed on.
    scan: Option<Scan>,
}

impl<S> Tapped<S> {
    /// Taps `io`; `compressed` where compression was agreed on.
    pub fn new(io: S, seen: Arc<Seen>, compressed: bool) -> Self {
        Self { io, seen, scan: compressed.then(Scan::default) }
    }
}

/// How far the frame at hand was read.
#[derive(Debug, Default)]
struct Scan {
    /// The bytes of its head; at most 2 and the 8 of a long length.
    head: [u8; 10],
    known: usize,
    /// The bytes of its mask and payload that are to come.
    left: u64,
}

impl Scan {
    /// Reads on, and takes marks off. Gives what messages begin here.
    fn unmark(&mut self, mut bytes: &mut [u8], mut begun: impl FnMut(Coding)) {
        while !bytes.is_empty() {
            let passed = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
            self.left -= passed as u64;
            bytes = bytes.split_at_mut(passed).1;
            let Some((byte, rest)) = bytes.split_first_mut() else { return };
            bytes = rest;
            if self.known == 0
                && let Some(coding) = take_mark(byte)
            {
                begun(coding);
            }
            self.take_head_byte(*byte);
        }
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

/// The first byte of a frame: if a message begins with it, how that is coded. Other frames keep their reserved bits,
/// which tungstenite refuses.
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

impl<S: AsyncRead + Unpin> AsyncRead for Tapped<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let start = out.filled().len();
        ready!(Pin::new(&mut this.io).poll_read(context, out))?;
        let fresh = out.filled_mut().get_mut(start..).unwrap_or_default();
        if !fresh.is_empty() {
            this.seen.heard.store(true, Ordering::Release);
        }
        if let Some(scan) = &mut this.scan {
            let mut codings = this.seen.codings.lock().unwrap_or_else(PoisonError::into_inner);
            scan.unmark(fresh, |coding| codings.push_back(coding));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tapped<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first];
        match payload.len() {
            length @ 0..126 => frame.push(0x80 | u8::try_from(length).unwrap()),
            length @ 126..65536 => {
                frame.push(0xFE);
                frame.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            length => {
                frame.push(0xFF);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend(*b"mask");
        frame.extend(payload);
        frame
    }

    #[test]
    fn marks_are_taken_off_wherever_the_bytes_are_divided() {
        // Payloads full of bytes that look like marked frames.
        let long = vec![0xC1; 70_000];
        let frames: &[(u8, u8, &[u8])] = &[
            (0x81, 0x81, b"plain"),
            (0xC1, 0x82, &[0xC1; 200]),
            (0xC2, 0x82, b""),
            (0x41, 0x02, &long),
            (0x89, 0x89, b"ping between"),
            (0xC9, 0xC9, b"a ping may not be marked"),
            (0xC0, 0xC0, b"nor may a later fragment"),
            (0x80, 0x80, b"end"),
            (0xE1, 0xA2, b"other reserved bits stay"),
        ];
        let sent: Vec<u8> = frames.iter().flat_map(|(first, _, payload)| frame(*first, payload)).collect();
        let expected: Vec<u8> = frames.iter().flat_map(|(_, first, payload)| frame(*first, payload)).collect();
        for size in [1, 2, 3, 7, 4096, sent.len()] {
            let (mut bytes, mut codings, mut scan) = (sent.clone(), Vec::new(), Scan::default());
            for piece in bytes.chunks_mut(size) {
                scan.unmark(piece, |coding| codings.push(coding));
            }
            assert!(bytes == expected, "in pieces of {size}");
            let text = Coding::DeflatedText;
            assert_eq!(codings, [Coding::Plain, text, Coding::DeflatedBinary, text, text], "in pieces of {size}");
        }
    }
}
