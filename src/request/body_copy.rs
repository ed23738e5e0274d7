//! A limited copy of a body, made while the body is streamed.
//!
//! Request and response bodies are copied in the same way, on the thread that has the bytes. Nothing waits for the
//! copy.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};

/// See the top of this file.
#[derive(Debug)]
pub struct BodyCopy {
    limit: usize,
    copied: Mutex<Copied>,
}

#[derive(Debug, Default)]
struct Copied {
    bytes: BytesMut,
    /// How many bytes there were, including those that are not kept.
    size: u64,
    /// The body has ended.
    ended: bool,
}

/// The copy of a body.
#[derive(Debug, Clone, Default)]
pub struct CopiedBody {
    /// The first bytes, up to the limit.
    pub bytes: Bytes,
    /// How many bytes there were.
    pub size: u64,
    /// Whether the body has ended.
    pub ended: bool,
}

impl CopiedBody {
    /// Whether the whole body was kept.
    pub fn is_complete(&self) -> bool {
        self.ended && self.size == self.bytes.len() as u64
    }
}

impl BodyCopy {
    /// Keeps at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, copied: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Copied> {
        self.copied.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the next bytes.
    pub fn push(&self, chunk: &[u8]) {
        let mut copied = self.lock();
        let room = self.limit.saturating_sub(copied.bytes.len());
        copied.size += chunk.len() as u64;
        copied.bytes.extend_from_slice(chunk.get(..room).unwrap_or(chunk));
    }

    /// Notes that the body has ended.
    pub fn end(&self) {
        self.lock().ended = true;
    }

    /// How many bytes there were so far.
    pub fn size(&self) -> u64 {
        self.lock().size
    }

    /// Takes the copy.
    pub fn take(&self) -> CopiedBody {
        let Copied { bytes, size, ended } = std::mem::take(&mut *self.lock());
        CopiedBody { bytes: bytes.freeze(), size, ended }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_the_limit_is_counted_and_not_kept() {
        let copy = BodyCopy::new(5);
        for chunk in ["abc", "", "def", "ghi"] {
            copy.push(chunk.as_bytes());
        }
        copy.end();
        let body = copy.take();
        assert_eq!((&*body.bytes, body.size, body.ended), (&b"abcde"[..], 9, true));
        assert!(!body.is_complete());
    }

    #[test]
    fn a_body_whose_end_was_not_seen_is_not_complete() {
        let copy = BodyCopy::new(5);
        copy.push(b"abcde");
        assert!(!copy.take().is_complete());
        copy.push(b"abcde");
        copy.end();
        assert!(copy.take().is_complete());
    }
}
