//! The buffer that all connections of a thread read into. So a connection that waits needs none of its own.
//!
//! Apart because HTTP/1 and WebSocket use the same one.

use std::cell::RefCell;

/// Its size in bytes: how much is read at once if it is not known what comes.
pub const READ_BUFFER: usize = 16 << 10;

thread_local! {
    static SHARED: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BUFFER].into_boxed_slice());
}

/// Passes the buffer to `read`. What `read` keeps of it, it must copy.
///
/// # Panics
/// When it is called within `read`.
pub fn with_read_buffer<T>(read: impl FnOnce(&mut [u8]) -> T) -> T {
    SHARED.with_borrow_mut(|buffer| read(buffer))
}
