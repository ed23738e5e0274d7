//! A copy of what an application read of a request body, so that a second application can read it from the beginning.

use bytes::Bytes;
use rsgi_bridge::error::BodyError;
use rsgi_bridge::request::source::BodySource;

use super::spool::Spool;

/// Keeps what the first application has read of a body, up to a limit.
#[derive(Debug)]
pub struct Recorder {
    spool: Spool,
    limit: u64,
    overflowed: bool,
}

impl Recorder {
    /// Keeps at most `limit` bytes. If there are more, the body cannot be read again.
    pub fn new(limit: u64) -> Self {
        Self { spool: Spool::default(), limit, overflowed: false }
    }

    /// Adds `chunk`. Gives up the copy if it would exceed the limit.
    pub(super) async fn push(&mut self, chunk: &Bytes) -> Result<(), BodyError> {
        if self.overflowed || self.spool.length + chunk.len() as u64 > self.limit {
            self.overflowed = true;
            self.spool = Spool::default();
            return Ok(());
        }
        self.spool.push(chunk).await
    }

    /// The whole copy, unless it was given up.
    pub(super) async fn into_source(self) -> Result<Option<BodySource>, BodyError> {
        if self.overflowed { Ok(None) } else { self.spool.into_source().await.map(Some) }
    }
}
