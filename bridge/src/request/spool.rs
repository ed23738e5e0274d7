//! Collects a whole request body before the application is called: in memory, and when it gets large, in a temporary
//! file.
//!
//! The server has its own code for this, which writes on tokio's threads. Here the coroutine of the host server decides
//! when to write to the file, so that its loop does not wait for a disk.

use std::fs::File;
use std::io::{Seek, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::request::source::{BodySource, shared};

/// How large a body may become in memory before it is written to a file, and how much is written at once then, in
/// bytes.
const MEMORY: usize = 1024 * 1024;

/// A body that is being collected.
#[pyclass(frozen, module = "rsgi._rsgi")]
#[derive(Debug, Default)]
pub struct BodySpool(Mutex<SpoolState>);

#[derive(Debug, Default)]
struct SpoolState {
    memory: BytesMut,
    file: Option<File>,
    length: u64,
}

#[pymethods]
impl BodySpool {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    /// Adds a piece. If it returns `True`, call `flush` before the next piece.
    fn add(&self, chunk: &[u8]) -> bool {
        let mut state = self.lock();
        state.memory.extend_from_slice(chunk);
        state.length += chunk.len() as u64;
        state.memory.len() > MEMORY
    }

    /// Writes what is in memory to the file. It blocks, so do not call it on the thread of an event loop.
    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        Ok(py.detach(|| self.lock().flush())?)
    }

    /// The number of bytes so far.
    #[getter]
    fn length(&self) -> u64 {
        self.lock().length
    }
}

impl BodySpool {
    fn lock(&self) -> MutexGuard<'_, SpoolState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the whole body and its length. The spool is empty afterwards.
    ///
    /// # Errors
    /// When the temporary file fails.
    pub fn take(&self) -> std::io::Result<(BodySource, u64)> {
        let mut state = std::mem::take(&mut *self.lock());
        if state.file.is_some() {
            state.flush()?;
        }
        Ok(match state.file {
            Some(mut file) => {
                file.rewind()?;
                (BodySource::File(file), state.length)
            }
            None if state.memory.is_empty() => (BodySource::Empty, 0),
            None => (BodySource::Bytes(state.memory.freeze()), state.length),
        })
    }
}

impl SpoolState {
    fn flush(&mut self) -> std::io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile()?),
        };
        file.write_all(&self.memory)?;
        self.memory.clear();
        Ok(())
    }
}

/// A complete body.
#[derive(FromPyObject)]
pub enum WholeBody<'py> {
    /// In one piece.
    Bytes(Bound<'py, PyBytes>),
    /// In a spool.
    Spool(Bound<'py, BodySpool>),
}

impl WholeBody<'_> {
    /// Takes the body and its length in bytes. A spool is empty afterwards.
    ///
    /// # Errors
    /// When the temporary file fails.
    pub fn source(&self) -> PyResult<(BodySource, u64)> {
        Ok(match self {
            Self::Bytes(bytes) if bytes.as_bytes().is_empty() => (BodySource::Empty, 0),
            Self::Bytes(bytes) => {
                let bytes = shared(bytes);
                let length = bytes.len() as u64;
                (BodySource::Bytes(bytes), length)
            }
            Self::Spool(spool) => spool.get().take()?,
        })
    }
}
