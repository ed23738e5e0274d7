//! Compresses and decompresses messages, with limits on time and memory.
//!
//! All connections share one thread, so both directions work in steps and yield between them. The state is created with
//! the first compressed message. A connection without compressed messages needs no memory for it.
//!
//! Spec: RFC 7692 7.2.

use std::sync::{Mutex, PoisonError};

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::yield_now;

use super::offer::Agreed;

/// Shorter messages are not compressed, in bytes.
const SMALLEST: usize = 64;
/// The length of a step in bytes. One takes well below a millisecond.
const STEP: usize = 64 * 1024;
/// The sender leaves out these bytes at the end of each message.
const TAIL: &[u8] = &[0x00, 0x00, 0xFF, 0xFF];
/// Fast rather than small, because the driving thread compresses.
const LEVEL: u32 = 3;

/// How many connections may keep their compressor, so that a message can refer to earlier ones. Each compressor takes
/// about 300 KiB. On further connections each message is compressed alone, which the RFC always allows.
static MEMORIES: Semaphore = Semaphore::const_new(128);

/// Unused compressors with the largest window, for messages that are compressed alone.
static SPARE: Mutex<Vec<Compress>> = Mutex::new(Vec::new());
const MOST_SPARE: usize = 4;

/// Compresses the messages of one connection.
#[derive(Debug)]
pub struct Deflater {
    bits: u8,
    may_remember: bool,
    kept: Option<(Compress, SemaphorePermit<'static>)>,
}

impl Deflater {
    /// A compressor for the agreed parameters.
    pub fn new(agreed: Agreed) -> Self {
        Self { bits: agreed.deflate_bits(), may_remember: !agreed.server_stands_alone, kept: None }
    }

    /// Whether a message of `length` bytes is worth compressing.
    pub fn wants(length: usize) -> bool {
        length >= SMALLEST
    }

    /// Compresses a message.
    ///
    /// # Cancel safety
    /// None: a dropped future may leave the compressor in the middle of a message. The connection must then close.
    pub async fn deflate(&mut self, message: &[u8]) -> Vec<u8> {
        if self.may_remember && self.kept.is_none() {
            self.kept = MEMORIES.try_acquire().ok().map(|permit| (compressor(self.bits), permit));
        }
        if let Some((compress, _)) = &mut self.kept {
            return deflate_with(compress, message).await;
        }
        let mut compress = if self.bits == 15 { spare().pop() } else { None }.unwrap_or_else(|| compressor(self.bits));
        let deflated = deflate_with(&mut compress, message).await;
        if self.bits == 15 {
            compress.reset();
            let mut spare = spare();
            if spare.len() < MOST_SPARE {
                spare.push(compress);
            }
        }
        deflated
    }
}

fn spare() -> std::sync::MutexGuard<'static, Vec<Compress>> {
    SPARE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn compressor(bits: u8) -> Compress {
    Compress::new_with_window_bits(Compression::new(LEVEL), false, bits)
}

async fn deflate_with(compress: &mut Compress, message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() / 4 + 64);
    let mut steps = message.chunks(STEP).peekable();
    while let Some(step) = steps.next() {
        let flush = if steps.peek().is_some() { FlushCompress::None } else { FlushCompress::Sync };
        let began = compress.total_in();
        loop {
            let taken = usize::try_from(compress.total_in() - began).unwrap_or(usize::MAX);
            let rest = step.get(taken..).unwrap_or_default();
            // The only possible error is a stream that has ended, and none has.
            let _status = compress.compress_vec(rest, &mut out, flush);
            // If the output buffer is not full, the input is used up.
            if out.len() < out.capacity() {
                break;
            }
            out.reserve(STEP / 4);
        }
        if steps.peek().is_some() {
            yield_now().await;
        }
    }
    out.truncate(out.len().saturating_sub(TAIL.len()));
    out
}

/// Why a message could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// It exceeds the limit.
    TooLarge,
    /// It is not valid DEFLATE data.
    Corrupt,
}

/// Decompresses the messages of one connection.
#[derive(Debug)]
pub struct Inflater {
    bits: u8,
    remembers: bool,
    kept: Option<Decompress>,
}

impl Inflater {
    /// A decompressor for the agreed parameters.
    pub fn new(agreed: Agreed) -> Self {
        Self { bits: agreed.inflate_bits(), remembers: !agreed.client_stands_alone, kept: None }
    }

    /// Decompresses a message. The result may have at most `limit` bytes.
    ///
    /// # Errors
    /// When the message is too large or corrupt. The connection must then close.
    pub async fn inflate(&mut self, message: &[u8], limit: usize) -> Result<Vec<u8>, Unreadable> {
        let kept = self.kept.take();
        let mut decompress = kept.unwrap_or_else(|| Decompress::new_with_window_bits(false, self.bits));
        let mut out = Vec::with_capacity(message.len().saturating_mul(2).min(limit));
        let mut step = Vec::with_capacity(message.len().saturating_mul(4).clamp(512, STEP));
        for part in [message, TAIL] {
            inflate_part(&mut decompress, part, &mut step, &mut out, limit).await?;
        }
        if self.remembers {
            self.kept = Some(decompress);
        }
        Ok(out)
    }
}

async fn inflate_part(
    decompress: &mut Decompress,
    mut part: &[u8],
    step: &mut Vec<u8>,
    out: &mut Vec<u8>,
    limit: usize,
) -> Result<(), Unreadable> {
    loop {
        step.clear();
        let before = decompress.total_in();
        let status = decompress.decompress_vec(part, step, FlushDecompress::Sync).map_err(|_| Unreadable::Corrupt)?;
        let taken = usize::try_from(decompress.total_in() - before).unwrap_or(usize::MAX);
        part = part.get(taken..).unwrap_or_default();
        if out.len() + step.len() > limit {
            return Err(Unreadable::TooLarge);
        }
        out.extend_from_slice(step);
        if status == Status::StreamEnd {
            // This was a final block. What follows is a new stream (RFC 7692 7.2.3.4).
            decompress.reset(false);
        } else if taken == 0 && step.is_empty() && !part.is_empty() {
            return Err(Unreadable::Corrupt);
        }
        if part.is_empty() && step.len() < step.capacity() {
            return Ok(());
        }
        yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;

    fn agreed(parameters: &str) -> Agreed {
        let offer = format!("permessage-deflate{parameters}");
        super::super::offer::agree(&[("sec-websocket-extensions", offer.as_str())].into_iter().collect()).unwrap()
    }

    /// Bytes that do not compress.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1_u32;
        std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        })
        .take(length)
        .collect()
    }

    #[test]
    fn what_is_compressed_is_read_again() {
        for parameters in ["", "; server_no_context_takeover", "; server_max_window_bits=9"] {
            let terms = agreed(parameters);
            let mut deflater = Deflater::new(terms);
            let bits = terms.deflate_bits();
            let mut inflater = Inflater { bits, remembers: !terms.server_stands_alone, kept: None };
            for message in [noise(1), noise(64), b"abc".repeat(100), noise(300_000), b"x".repeat(1_000_000), noise(9)] {
                let bytes = block_on(deflater.deflate(&message));
                assert!(!bytes.ends_with(TAIL));
                assert!(block_on(inflater.inflate(&bytes, message.len())) == Ok(message), "{parameters}");
            }
        }
    }

    #[test]
    fn a_message_refers_to_those_before_it_unless_it_stands_alone() {
        let message = noise(1000);
        let sizes = |parameters| {
            let mut deflater = Deflater::new(agreed(parameters));
            (block_on(deflater.deflate(&message)).len(), block_on(deflater.deflate(&message)).len())
        };
        let (first, second) = sizes("");
        assert!(second < first / 10, "{first} then {second}");
        let (first, second) = sizes("; server_no_context_takeover");
        assert_eq!(first, second);
    }

    #[test]
    fn the_limit_holds_before_the_memory_is_taken() {
        let bomb = block_on(Deflater::new(agreed("")).deflate(&vec![0; 10_000_000]));
        assert!(bomb.len() < 100_000);
        let mut inflater = Inflater::new(agreed(""));
        assert_eq!(block_on(inflater.inflate(&bomb, 9_999_999)), Err(Unreadable::TooLarge));
        let mut inflater = Inflater::new(agreed(""));
        assert_eq!(block_on(inflater.inflate(&bomb, 10_000_000)).map(|message| message.len()), Ok(10_000_000));
    }

    #[test]
    fn what_is_no_deflate_data_is_corrupt() {
        let mut inflater = Inflater::new(agreed(""));
        assert_eq!(block_on(inflater.inflate(&[0xFF; 10], 1000)), Err(Unreadable::Corrupt));
    }

    #[test]
    fn the_examples_of_the_specification() {
        // RFC 7692 7.2.3: "Hello" compressed, again with the first as context, uncompressed, as a final block, in two
        // blocks.
        let mut inflater = Inflater::new(agreed(""));
        for bytes in [
            &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..],
            &[0xf2, 0x00, 0x11, 0x00, 0x00],
            &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
            &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
            &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00],
        ] {
            assert_eq!(block_on(inflater.inflate(bytes, 5)).as_deref(), Ok(&b"Hello"[..]), "{bytes:x?}");
        }
        assert_eq!(block_on(inflater.inflate(&[0x00], 5)).as_deref(), Ok(&b""[..]));
    }
}
