//! The first bytes of a connection in the clear: HTTP/2 begins with a line that no HTTP/1 request is.
//!
//! Apart from the guard because it is over before the guard begins, which then gets the bytes that were read.
//!
//! Spec: RFC 9113 3.3, 3.4.

use std::io;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt};

/// What a client that knows that we speak HTTP/2 sends first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How much is read at once; most heads fit.
pub(super) const FIRST_READ: usize = 4 << 10;

/// Reads into `bytes` until it is clear how the connection begins, and says whether it is HTTP/2.
///
/// # Errors
/// When the connection fails.
///
/// # Cancel safety
/// What was read is in `bytes`.
pub async fn read_opening<S: AsyncRead + Unpin>(io: &mut S, bytes: &mut BytesMut) -> io::Result<bool> {
    bytes.reserve(FIRST_READ);
    loop {
        // Nothing more: what there is may be an HTTP/1 request that was cut short, and is answered as such.
        let ended = io.read_buf(bytes).await? == 0;
        let compared = bytes.len().min(PREFACE.len());
        let alike = bytes.get(..compared) == PREFACE.get(..compared);
        if !alike || ended || compared == PREFACE.len() {
            return Ok(alike && compared == PREFACE.len());
        }
    }
}
