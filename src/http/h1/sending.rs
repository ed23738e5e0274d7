//! A response body on its way to the client, and how the client finds its end.
//!
//! Spec: RFC 9112 6.

use crate::response::app_response::ResponseBody;

/// How the client finds the end of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is no body.
    Bodiless,
    /// This many bytes are missing.
    Length(u64),
    Chunked,
    /// The body ends when the connection closes.
    Close,
}

/// A body that is being sent.
#[derive(Debug)]
pub(super) struct Sending {
    pub(super) body: ResponseBody,
    pub(super) framing: Framing,
}

impl Sending {
    /// Notes that the client has closed its side.
    pub(super) fn half_closed(&mut self) {
        self.body.half_closed();
    }
}
