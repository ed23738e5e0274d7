//! Where a WSGI request body comes from: a pipe that is still being filled, bytes in memory, a temporary
//! file, or a Python iterator.
//!
//! Kept apart from [`crate::request::input`] so that the file-like object does not care which it is.
//!
//! # Threads
//! [`BodySource::next_chunk`] blocks; it is called with the interpreter detached.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures::executor::block_on;
use futures::future::poll_fn;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::error::BodyError;
use crate::pipe::{PipeReader, Reading};
use crate::response::start_response::body_bytes;

/// How much of a temporary file is read at once.
const FILE_CHUNK: usize = 64 * 1024;

/// The body of one request.
#[derive(Debug)]
pub enum BodySource {
    /// No body, or nothing left of it.
    Empty,
    /// All of it is here.
    Bytes(Bytes),
    /// All of it is in a temporary file, read from its current position.
    File(File),
    /// It is still coming in.
    Pipe(PipeReader<Bytes>),
    /// Whatever a Python iterator of `bytes` gives.
    Iterator(Py<PyAny>),
}

impl BodySource {
    /// The next non-empty chunk, `None` at the end. Blocks until there is one.
    ///
    /// # Errors
    /// Why the body broke off. It stays broken: every later call fails too.
    pub fn next_chunk(&mut self) -> Result<Option<Bytes>, BodyError> {
        match self {
            Self::Empty => Ok(None),
            Self::Bytes(_) => Ok(self.take_bytes()),
            Self::File(file) => read_file(file),
            Self::Iterator(iterator) => Python::attach(|py| ask(iterator.bind(py))),
            Self::Pipe(reader) => loop {
                match block_on(poll_fn(|context| reader.poll_next(context))) {
                    Some(Ok(chunk)) if chunk.is_empty() => {}
                    other => return other.transpose(),
                }
            },
        }
    }

    /// What knows how a body that still comes in is read.
    pub fn reading(&self) -> Option<Arc<dyn Reading>> {
        match self {
            Self::Pipe(reader) => Some(reader.reading_handle()),
            _ => None,
        }
    }

    /// Blocks until `wanted` bytes have come, as many as a pipe holds, or the end: fewer wakes than one for each chunk.
    pub fn wait_for(&self, wanted: usize) {
        if let Self::Pipe(reader) = self {
            // What went wrong, reading says.
            let _failed = block_on(poll_fn(|context| reader.poll_filled(context, wanted)));
        }
    }

    /// The next chunk if it is here already; `None` says that [`BodySource::next_chunk`] must be asked.
    pub fn ready_chunk(&mut self) -> Option<Bytes> {
        match self {
            Self::Bytes(_) => self.take_bytes(),
            Self::Pipe(reader) => match reader.poll_next(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Some(Ok(chunk))) if !chunk.is_empty() => Some(chunk),
                _ => None,
            },
            Self::Empty | Self::File(_) | Self::Iterator(_) => None,
        }
    }

    /// Whether nothing is left, as far as can be told without blocking.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Bytes(bytes) => bytes.is_empty(),
            Self::File(_) | Self::Iterator(_) => false,
            Self::Pipe(reader) => reader.is_finished(),
        }
    }

    /// Why the body broke off, if it did.
    pub fn failure(&self) -> Option<BodyError> {
        match self {
            Self::Pipe(reader) => reader.failure(),
            Self::Empty | Self::Bytes(_) | Self::File(_) | Self::Iterator(_) => None,
        }
    }

    fn take_bytes(&mut self) -> Option<Bytes> {
        match std::mem::replace(self, Self::Empty) {
            Self::Bytes(bytes) if !bytes.is_empty() => Some(bytes),
            _ => None,
        }
    }
}

/// The bytes of a Python object, not copied: it lives for as long as they do. Where the last of them is dropped without the
/// interpreter, the object goes when somebody next has it.
pub fn shared(bytes: &Bound<'_, PyBytes>) -> Bytes {
    Bytes::from_owner(PyBackedBytes::from(bytes.clone()))
}

/// The next piece that is not empty.
fn ask(iterator: &Bound<'_, PyAny>) -> Result<Option<Bytes>, BodyError> {
    let failed = |error: PyErr| BodyError::Storage(error.to_string());
    for chunk in iterator.try_iter().map_err(failed)? {
        let chunk = body_bytes(&chunk.map_err(failed)?).map_err(failed)?;
        if !chunk.is_empty() {
            return Ok(Some(chunk));
        }
    }
    Ok(None)
}

fn read_file(file: &mut File) -> Result<Option<Bytes>, BodyError> {
    let mut chunk = vec![0; FILE_CHUNK];
    let length = file.read(&mut chunk).map_err(|error| BodyError::Storage(error.to_string()))?;
    chunk.truncate(length);
    Ok((length > 0).then(|| Bytes::from(chunk)))
}
