//! Where a WSGI request body comes from: a pipe that is being filled, bytes in memory, a temporary file, or a Python
//! iterator.
//!
//! [`crate::request::input`] uses it without knowing which.
//!
//! # Threads
//! [`BodySource::next_chunk`] blocks. Call it without the GIL.

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
    /// There is no body, or nothing left of it.
    Empty,
    /// The whole body, in memory.
    Bytes(Bytes),
    /// The whole body, in a temporary file, from its current position on.
    File(File),
    /// A body that is still being received.
    Pipe(PipeReader<Bytes>),
    /// A Python iterator of `bytes`.
    Iterator(Py<PyAny>),
}

impl BodySource {
    /// The next chunk, which is not empty. `None` at the end. Blocks until there is one.
    ///
    /// # Errors
    /// Why the body broke off. All later calls fail too.
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

    /// A handle that observes the reader of a body that is being received.
    pub fn reading(&self) -> Option<Arc<dyn Reading>> {
        match self {
            Self::Pipe(reader) => Some(reader.reading_handle()),
            _ => None,
        }
    }

    /// Blocks until `wanted` bytes have arrived, the pipe is full, or the body has ended. This needs fewer wakes than
    /// one per chunk.
    pub fn wait_for(&self, wanted: usize) {
        if let Self::Pipe(reader) = self {
            // If this fails, the next read returns the error.
            let _failed = block_on(poll_fn(|context| reader.poll_filled(context, wanted)));
        }
    }

    /// The next chunk, if it has arrived already. If not, `None`: call [`BodySource::next_chunk`].
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

    /// Whether nothing is left, as far as this is known without blocking.
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

/// The bytes of a Python object without a copy. They keep the object alive. If the last of them is dropped without the
/// GIL, the object is freed when a thread next takes the GIL.
pub fn shared(bytes: &Bound<'_, PyBytes>) -> Bytes {
    Bytes::from_owner(PyBackedBytes::from(bytes.clone()))
}

/// The next item that is not empty.
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
