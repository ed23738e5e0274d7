//! Reads the first bytes of a connection without TLS, to tell HTTP/2 from HTTP/1. HTTP/2 begins with a line that is not
//! a valid HTTP/1 request.
//!
//! This runs before [`super::FrameGuard`] or the HTTP/1 parser, which then get the bytes that were read.
//!
//! Spec: RFC 9113 3.3, 3.4.

use std::io;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt};

/// What a client sends first if it knows that the server speaks HTTP/2.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How much is read at once. Most heads fit.
pub(super) const FIRST_READ: usize = 4 << 10;

/// Reads into `bytes` until it is clear how the connection begins. Returns whether it is HTTP/2.
///
/// # Errors
/// When the connection fails.
///
/// # Cancel safety
/// The bytes that were read are in `bytes`.
pub async fn read_opening<S: AsyncRead + Unpin>(io: &mut S, bytes: &mut BytesMut) -> io::Result<bool> {
    bytes.reserve(FIRST_READ);
    loop {
        // At the end of the stream, the bytes may be a truncated HTTP/1 request. The HTTP/1 parser answers it.
        let ended = io.read_buf(bytes).await? == 0;
        let compared = bytes.len().min(PREFACE.len());
        let alike = bytes.get(..compared) == PREFACE.get(..compared);
        if !alike || ended || compared == PREFACE.len() {
            return Ok(alike && compared == PREFACE.len());
        }
    }
}
