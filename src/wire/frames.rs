//! Filters the frames of an HTTP/2 connection, so that hyper refuses what it would otherwise repair in silence.
//!
//! hyper checks framing, header compression and flow control strictly. But it drops two things before we see them: the
//! fragment of a path (`/a#b`), and pseudo-fields among trailers. So [`FrameGuard`] reads the header blocks too (see
//! `hpack`). To have a block refused, it adds one field to the block. In a request, that field makes the server answer
//! 400 (see [`refused_path`]). Among trailers, it makes hyper reset the stream. All other bytes pass unchanged.
//!
//! Spec: RFC 9113 4.1, 4.3, 6.2, 6.10, 8.1, 8.1.1.

use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::hpack::{Broken, DynamicTable};

/// The length of the preface that a client sends first.
const PREFACE: usize = 24;
const HEAD: usize = 9;
/// The longest frame that hyper accepts. The server's settings allow no other.
const LONGEST: usize = 16 * 1024;
/// How many bytes of an unfinished header block are kept. hyper gives up earlier.
const LONGEST_BLOCK: usize = 1 << 20;
/// After so many frames, the connection lets others run. hyper goes on as long as there are bytes.
const MOST_AT_ONCE: usize = 512;

/// The lower 31 bits of a stream identifier. The highest bit is reserved.
const STREAM: u32 = 0x7FFF_FFFF;

const HEADERS: u8 = 0x1;
const CONTINUATION: u8 = 0x9;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

/// The added field. No client has a reason to send it. Its value is the refused path, in hexadecimal digits.
pub const REFUSED_PATH: &str = "x-rsgi-refused-path";
/// The most bytes of the path that the field contains.
const LONGEST_PATH: usize = 512;
/// A field that makes an HTTP/2 message malformed.
const MALFORMED: &str = "connection";

/// The path of a request that must be refused because of its fragment.
pub fn refused_path(digits: &[u8]) -> Vec<u8> {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.chunks(2).filter_map(byte).collect()
}

/// A connection whose header blocks are read before hyper gets them.
#[derive(Debug)]
pub struct FrameGuard<S> {
    io: S,
    frames: Frames,
    /// Bytes that were read and that hyper does not have yet.
    held: BytesMut,
    /// How many bytes of `held` hyper may have.
    granted: usize,
}

impl<S> FrameGuard<S> {
    /// Filters `io`, from its first byte on.
    pub fn new(io: S) -> Self {
        Self { io, frames: Frames::default(), held: BytesMut::new(), granted: 0 }
    }

    /// Reads the frames in `held`. If `refused` is given, `held` begins with that frame.
    fn examine(&mut self, mut refused: Option<Refused>) {
        loop {
            if let Some(refused) = refused.take() {
                self.grow(refused);
            }
            let fresh = self.held.get(self.granted..).unwrap_or_default();
            let admitted;
            (admitted, refused) = self.frames.admit(fresh);
            self.granted += admitted;
            if refused.is_none() {
                return;
            }
        }
    }

    /// Adds one field to the first frame that hyper may not have yet. After that, hyper may have this frame.
    fn grow(&mut self, Refused { frame, end, more }: Refused) {
        let mut rest = self.held.split_off(self.granted);
        let length = u32::try_from(frame - HEAD + more.len()).unwrap_or(u32::MAX).to_be_bytes();
        if let (Some(place), Some(length)) = (rest.get_mut(..3), length.get(1..)) {
            place.copy_from_slice(length);
        }
        let behind = rest.split_off(end);
        self.held.unsplit(rest);
        self.held.extend_from_slice(&more);
        self.held.unsplit(behind);
        self.granted += frame + more.len();
    }

    fn hand_over(&mut self, out: &mut ReadBuf<'_>) {
        let count = self.granted.min(out.remaining());
        out.put_slice(self.held.get(..count).unwrap_or_default());
        self.held.advance(count);
        self.granted -= count;
        if self.held.is_empty() {
            self.held = BytesMut::new();
        }
    }

    /// Reads the bytes of `out` from `start` on. Leaves those in `out` that hyper may have now.
    fn take(&mut self, out: &mut ReadBuf<'_>, start: usize) {
        let fresh = out.filled().get(start..).unwrap_or_default();
        if !self.held.is_empty() {
            self.held.extend_from_slice(fresh);
            out.set_filled(start);
            self.examine(None);
            return;
        }
        let (admitted, refused) = self.frames.admit(fresh);
        self.held.extend_from_slice(fresh.get(admitted..).unwrap_or_default());
        out.set_filled(start + admitted);
        if refused.is_some() {
            self.examine(refused);
        }
    }
}

/// A frame that ends a header block which must be refused.
#[derive(Debug)]
struct Refused {
    /// The length of the frame.
    frame: usize,
    /// Where the header block ends in the frame.
    end: usize,
    /// The field to add.
    more: Vec<u8>,
}

/// How far the frames of a connection were read.
#[derive(Debug)]
struct Frames {
    /// How many of the next bytes pass without being read.
    left: usize,
    /// The highest stream identifier so far.
    latest: u32,
    /// A header block that continues in the next frame.
    open: Option<Block>,
    table: DynamicTable,
    /// A frame came that makes hyper close the connection. Nothing is read after it.
    over: bool,
    /// How many frames hyper got since the connection let others run.
    count: usize,
}

#[derive(Debug)]
struct Block {
    trailers: bool,
    bytes: Vec<u8>,
}

impl Default for Frames {
    fn default() -> Self {
        Self { left: PREFACE, latest: 0, open: None, table: DynamicTable::default(), over: false, count: 0 }
    }
}

impl Frames {
    /// How many of `bytes` hyper may have. The caller keeps the other bytes and passes them again, with those that
    /// follow. If a frame is returned, the other bytes begin with it, and it must be refused.
    fn admit(&mut self, bytes: &[u8]) -> (usize, Option<Refused>) {
        let mut admitted = 0;
        loop {
            let passed = self.left.min(bytes.len() - admitted);
            self.left -= passed;
            admitted += passed;
            let rest = bytes.get(admitted..).unwrap_or_default();
            let Some(head) = FrameHead::read(rest).filter(|_| !self.over) else { return (admitted, None) };
            let frame = HEAD + head.length;
            self.count += 1;
            if head.has_block() && head.length <= LONGEST {
                let Some(payload) = rest.get(HEAD..frame) else { return (admitted, None) };
                match self.block_frame(&head, payload) {
                    Ok(None) => {}
                    Ok(Some(refused)) if refused.fits() => return (admitted, Some(refused)),
                    // There is no room for the field in this frame. hyper must not get the frame.
                    Ok(Some(_)) => {
                        self.over = true;
                        return (admitted, None);
                    }
                    Err(Broken) => self.over = true,
                }
            } else if head.has_block() {
                self.over = true;
            }
            self.left = frame;
        }
    }

    /// Reads a frame of a header block. If the frame ends a block that must be refused, returns how.
    fn block_frame(&mut self, head: &FrameHead, payload: &[u8]) -> Result<Option<Refused>, Broken> {
        let range = head.fragment(payload).ok_or(Broken)?;
        let end = HEAD + range.end;
        let fragment = payload.get(range).ok_or(Broken)?;
        let ends = head.flags & END_HEADERS != 0;
        let (trailers, said) = match (self.open.take(), head.kind) {
            (None, HEADERS) => {
                let trailers = head.stream <= self.latest;
                self.latest = self.latest.max(head.stream);
                if !ends {
                    self.open = Some(Block { trailers, bytes: fragment.to_vec() });
                    return Ok(None);
                }
                (trailers, self.table.read(fragment)?)
            }
            (Some(mut block), CONTINUATION) => {
                block.bytes.extend_from_slice(fragment);
                if block.bytes.len() > LONGEST_BLOCK {
                    return Err(Broken);
                }
                if !ends {
                    self.open = Some(block);
                    return Ok(None);
                }
                (block.trailers, self.table.read(&block.bytes)?)
            }
            _ => return Err(Broken),
        };
        let more = match said.fragment {
            _ if trailers => said.pseudo.then(|| field(MALFORMED, "")),
            Some(path) => Some(field(REFUSED_PATH, &hexadecimal(&path))),
            None => None,
        };
        Ok(more.map(|more| Refused { frame: HEAD + payload.len(), end, more }))
    }
}

impl Refused {
    fn fits(&self) -> bool {
        self.frame - HEAD + self.more.len() <= LONGEST
    }
}

fn hexadecimal(path: &[u8]) -> String {
    let digits = path.iter().take(LONGEST_PATH).flat_map(|byte| [byte >> 4, byte & 0xF]);
    digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect()
}

/// A literal field that does not enter the table.
fn field(name: &str, value: &str) -> Vec<u8> {
    let mut field = vec![0];
    for text in [name, value] {
        push_length(&mut field, text.len());
        field.extend_from_slice(text.as_bytes());
    }
    field
}

/// The header of a frame.
struct FrameHead {
    length: usize,
    kind: u8,
    flags: u8,
    stream: u32,
}

impl FrameHead {
    fn read(bytes: &[u8]) -> Option<Self> {
        let (length, rest) = bytes.get(..HEAD)?.split_first_chunk::<3>()?;
        let (&[kind, flags], stream) = rest.split_first_chunk::<2>()?;
        let number = |bytes: &[u8]| bytes.iter().fold(0_u32, |number, &byte| number << 8 | u32::from(byte));
        let length = usize::try_from(number(length)).ok()?;
        Some(Self { length, kind, flags, stream: number(stream) & STREAM })
    }

    fn has_block(&self) -> bool {
        matches!(self.kind, HEADERS | CONTINUATION)
    }

    /// Which part of the payload belongs to the header block.
    fn fragment(&self, payload: &[u8]) -> Option<Range<usize>> {
        let has = |flag| self.kind == HEADERS && self.flags & flag != 0;
        let (start, padding) = if has(PADDED) { (1, usize::from(*payload.first()?)) } else { (0, 0) };
        let start = if has(PRIORITY) { start + 5 } else { start };
        let end = payload.len().checked_sub(padding)?;
        (start <= end).then_some(start..end)
    }
}

/// Writes the length of a text without Huffman coding.
fn push_length(payload: &mut Vec<u8>, length: usize) {
    let Some(mut rest) = length.checked_sub(0x7F) else {
        payload.push(u8::try_from(length).unwrap_or(0x7F));
        return;
    };
    payload.push(0x7F);
    while rest >= 0x80 {
        payload.push(0x80 | u8::try_from(rest & 0x7F).unwrap_or_default());
        rest >>= 7;
    }
    payload.push(u8::try_from(rest).unwrap_or_default());
}

impl<S: AsyncRead + Unpin> AsyncRead for FrameGuard<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.frames.count >= MOST_AT_ONCE {
            this.frames.count = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let start = out.filled().len();
        while out.remaining() > 0 && out.filled().len() == start {
            if this.granted > 0 {
                this.hand_over(out);
                break;
            }
            if this.frames.over && this.frames.left == 0 {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "that was no HTTP/2")));
            }
            ready!(Pin::new(&mut this.io).poll_read(cx, out))?;
            if out.filled().len() > start {
                this.take(out, start);
            } else if this.held.is_empty() {
                break;
            } else {
                // The connection ended in the middle of a frame. hyper handles that.
                this.granted = this.held.len();
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FrameGuard<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
        [&[0, length[0], length[1], kind, flags, 0, 0, 0, stream], payload].concat()
    }

    /// What hyper gets if `sent` comes in pieces of `size` bytes.
    fn through(sent: &[u8], size: usize) -> Vec<u8> {
        let mut guard = FrameGuard::new(());
        let mut passed = Vec::new();
        for piece in sent.chunks(size) {
            let mut bytes = vec![0; size];
            let mut out = ReadBuf::new(&mut bytes);
            out.put_slice(piece);
            guard.take(&mut out, 0);
            passed.extend_from_slice(out.filled());
            while guard.granted > 0 {
                let mut bytes = vec![0; 7];
                let mut out = ReadBuf::new(&mut bytes);
                guard.hand_over(&mut out);
                passed.extend_from_slice(out.filled());
            }
        }
        passed
    }

    #[test]
    fn only_what_is_refused_is_changed_wherever_the_bytes_are_divided() {
        let path = "/a#b?x=1";
        let (bad, pseudo) = (field(":path", path), field(":path", "/"));
        let padded = |more: &[u8]| [&[2, 0, 0, 0, 0, 9], bad.as_slice(), more, &[0, 0]].concat();
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        let refused = field(REFUSED_PATH, "2f6123623f783d31");
        let malformed = field("connection", "");
        let same = |frame: Vec<u8>| (frame.clone(), frame);
        // Each frame as it is sent, and as hyper gets it.
        let frames = [
            same(preface),
            same(frame(4, 0, 0, b"123456")),
            same(frame(HEADERS, 4, 1, &pseudo)),
            same(frame(0, 0, 1, &[1; 300])),
            same(frame(HEADERS, 5, 1, &field("x", "y"))),
            (frame(HEADERS, 5, 3, &bad), frame(HEADERS, 5, 3, &[bad.as_slice(), &refused].concat())),
            (frame(HEADERS, 0x2C, 5, &padded(b"")), frame(HEADERS, 0x2C, 5, &padded(&refused))),
            (frame(HEADERS, 5, 5, &pseudo), frame(HEADERS, 5, 5, &[pseudo.as_slice(), &malformed].concat())),
            same(frame(HEADERS, 1, 7, &bad[..5])),
            same(frame(CONTINUATION, 0, 7, &bad[5..9])),
            (
                frame(CONTINUATION, 4, 7, &bad[9..]),
                frame(CONTINUATION, 4, 7, &[&bad[9..], refused.as_slice()].concat()),
            ),
            same(frame(0, 1, 9, b"")),
        ];
        let sent: Vec<u8> = frames.iter().flat_map(|(sent, _)| sent.clone()).collect();
        let expected: Vec<u8> = frames.iter().flat_map(|(_, expected)| expected.clone()).collect();
        for size in (1..60).chain([sent.len()]) {
            assert!(through(&sent, size) == expected, "in pieces of {size}");
        }
    }

    #[test]
    fn a_long_path_is_told_up_to_its_limit() {
        let sent = |length| {
            let path = field(":path", &format!("/#{}", "x".repeat(length)));
            [vec![0; PREFACE], frame(HEADERS, 5, 1, &path)].concat()
        };
        let told = |length| through(&sent(length), 4096).len() - sent(length).len();
        assert_eq!(told(5000), field(REFUSED_PATH, &"x".repeat(2 * LONGEST_PATH)).len());
        // There is no room in the frame, so hyper does not get it.
        assert_eq!(through(&sent(LONGEST - 100), 4096).len(), PREFACE);
    }

    #[test]
    fn after_many_frames_others_run() {
        let sent = [vec![0; PREFACE], frame(6, 0, 0, &[0; 8]).repeat(10 * MOST_AT_ONCE)].concat();
        let (mut guard, mut bytes, mut passed, mut pauses) = (FrameGuard::new(sent.as_slice()), [0; 4096], 0, 0);
        while passed < sent.len() {
            let mut out = ReadBuf::new(&mut bytes);
            let read = Pin::new(&mut guard).poll_read(&mut Context::from_waker(std::task::Waker::noop()), &mut out);
            pauses += usize::from(read.is_pending());
            passed += out.filled().len();
        }
        assert!((5..=10).contains(&pauses), "{pauses} pauses");
    }

    #[test]
    fn after_what_hyper_does_not_survive_nothing_more_is_read() {
        let sent = [vec![0; PREFACE], frame(HEADERS, 5, 1, &[0x80]), frame(HEADERS, 5, 3, &[0x84])].concat();
        assert_eq!(through(&sent, sent.len()).len(), PREFACE + HEAD + 1);
        let (mut frames, long) = (Frames::default(), [0, 0x40, 1, HEADERS, 4, 0, 0, 0, 1]);
        frames.admit(&[[0; PREFACE].as_slice(), &long].concat());
        assert!(frames.over);
    }
}
