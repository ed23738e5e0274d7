//! Keeps a whole request body: in memory or, if it is large, in a temporary file.

use bytes::BytesMut;
use rsgi_bridge::error::BodyError;
use rsgi_bridge::request::source::BodySource;
use tokio::fs::File;
use tokio::io::{AsyncSeekExt, AsyncWriteExt};

/// How large a body may become in memory before it is written to a temporary file, in bytes.
const SPOOL_MEMORY: usize = 1024 * 1024;

/// The buffer for writes to the temporary file, in bytes.
const SPOOL_BUFFER: usize = 256 * 1024;

/// Bytes in memory, or in a temporary file if there are many.
#[derive(Debug, Default)]
pub(super) struct Spool {
    memory: BytesMut,
    file: Option<File>,
    pub(super) length: u64,
}

impl Spool {
    /// Adds `chunk` at the end.
    pub(super) async fn push(&mut self, chunk: &[u8]) -> Result<(), BodyError> {
        self.length += chunk.len() as u64;
        if let Some(file) = &mut self.file {
            return file.write_all(chunk).await.map_err(storage);
        }
        self.memory.extend_from_slice(chunk);
        if self.memory.len() > SPOOL_MEMORY {
            let file = tokio::task::spawn_blocking(tempfile::tempfile).await;
            let file = file.map_err(std::io::Error::other).and_then(|file| file).map_err(storage)?;
            let mut file = File::from_std(file);
            file.set_max_buf_size(SPOOL_BUFFER);
            file.write_all(&self.memory).await.map_err(storage)?;
            self.memory = BytesMut::new();
            self.file = Some(file);
        }
        Ok(())
    }

    /// Everything that was added, from the beginning.
    pub(super) async fn into_source(self) -> Result<BodySource, BodyError> {
        let Some(mut file) = self.file else {
            return Ok(if self.memory.is_empty() {
                BodySource::Empty
            } else {
                BodySource::Bytes(self.memory.freeze())
            });
        };
        file.flush().await.map_err(storage)?;
        file.rewind().await.map_err(storage)?;
        Ok(BodySource::File(file.into_std().await))
    }
}

fn storage(error: std::io::Error) -> BodyError {
    BodyError::Storage(error.to_string())
}
