//! The buffer that all connections of a thread read into. So a connection that waits needs none of its own.
//!
//! Apart because HTTP/1 and WebSocket use the same one.

use std::cell::RefCell;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Its size in bytes: how much is read at once if it is not known what comes.
pub const READ_BUFFER: usize = 16 << 10;

/// If more bytes than this are kept, the buffer itself is kept, and the thread gets a new one. That costs less than a
/// copy.
const MOST_COPIED: usize = 4 << 10;

thread_local! {
    static SHARED: RefCell<BytesMut> = RefCell::default();
}

/// Passes the buffer to `read`, empty, and with room for [`READ_BUFFER`] bytes. `read` copies what it wants to keep, or
/// calls [`keep_rest`].
///
/// # Panics
/// When it is called within `read`.
pub fn with_read_buffer<T>(read: impl FnOnce(&mut BytesMut) -> T) -> T {
    SHARED.with_borrow_mut(|buffer| {
        buffer.clear();
        buffer.reserve(READ_BUFFER);
        read(buffer)
    })
}

/// Reads `io` once, to the end of `buffer`. Returns how many bytes have come; 0 means that no more will.
pub fn poll_fill(
    io: &mut (impl AsyncRead + Unpin),
    context: &mut Context<'_>,
    buffer: &mut BytesMut,
) -> Poll<io::Result<usize>> {
    pin!(io.read_buf(buffer)).poll(context)
}

/// Adds what is in the buffer behind its first `taken` bytes to `kept`. After that, the buffer may be empty.
pub fn keep_rest(buffer: &mut BytesMut, taken: usize, kept: &mut BytesMut) {
    let rest = buffer.get(taken..).unwrap_or_default();
    if kept.is_empty() && rest.len() > MOST_COPIED {
        *kept = std::mem::take(buffer);
        kept.advance(taken);
    } else if !rest.is_empty() {
        kept.extend_from_slice(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_stays_as_it_is_when_the_buffer_is_used_again() {
        for length in [0, 1, MOST_COPIED, MOST_COPIED + 1, READ_BUFFER - 4] {
            let mut kept = BytesMut::new();
            let whole = b"head".iter().copied().chain((0..length).map(|place| place.to_le_bytes()[0]));
            let whole: Vec<u8> = whole.collect();
            with_read_buffer(|buffer| {
                buffer.extend_from_slice(&whole);
                keep_rest(buffer, 4, &mut kept);
            });
            with_read_buffer(|buffer| {
                assert!(buffer.is_empty());
                assert!(buffer.capacity() >= READ_BUFFER);
                buffer.extend_from_slice(&[b'x'; READ_BUFFER]);
            });
            assert_eq!(kept, whole[4..]);
            let before = kept.len();
            with_read_buffer(|buffer| {
                buffer.extend_from_slice(&whole);
                keep_rest(buffer, 0, &mut kept);
            });
            assert_eq!(kept[before..], whole);
        }
    }
}
