//! Where the response of one WSGI call goes.
//!
//! Kept apart because the server sends it to a socket and the bridge to another server's `send`; the call is the same.

use std::fs::File;

use bytes::Bytes;

use crate::error::Disconnected;
use crate::response_head::ResponseHead;

/// A piece of an open file, to be sent without passing through Python.
#[derive(Debug)]
pub struct FileBody {
    /// Opened for this response alone.
    pub file: File,
    /// Where to start, in bytes.
    pub offset: u64,
    /// How many bytes to send.
    pub length: u64,
}

/// Takes one response: either one of the whole ones, or `start`, any number of `write`s, and an end.
pub trait ResponseSink: Send {
    /// A response that is complete. `body` may be longer or shorter than declared only where the caller checked it.
    fn complete(&mut self, head: ResponseHead, body: Bytes);

    /// A response whose body is a file; gives back what it got when it cannot send files.
    ///
    /// # Errors
    /// The arguments, unsent.
    #[expect(clippy::result_large_err, reason = "the arguments go back to the caller once in a response")]
    fn file(&mut self, head: ResponseHead, body: FileBody) -> Result<(), (ResponseHead, FileBody)>;

    /// The head of a response whose body follows in pieces.
    fn start(&mut self, head: ResponseHead);

    /// One non-empty piece. Blocks, with the interpreter detached, while the client is slow.
    ///
    /// # Errors
    /// [`Disconnected`] when the client has gone.
    fn write(&mut self, chunk: Bytes) -> Result<(), Disconnected>;

    /// The pieces are complete.
    fn finish(&mut self);

    /// The body breaks off: the client must not take it for a whole one.
    fn abort(&mut self);

    /// The application failed before anything was sent.
    fn fail(&mut self);
}
