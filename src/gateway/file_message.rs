//! `http.response.pathsend`: the application names a file, and rsgi sends it.
//!
//! This is the only message that opens a file. A file that cannot be sent is an error inside the application, before
//! any part of the response is sent.
//!
//! Spec: ASGI extension "Path Send".

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::executor::block_on;
use futures::future::poll_fn;
use pyo3::exceptions::{PyOSError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use rsgi_bridge::error::short;
use rsgi_bridge::pipe::PipeWriter;
use rsgi_bridge::response::sink::{FileBody, Pieces, of_known_length};

/// How much of a file is read at once, in bytes.
const PIECE: u64 = 64 * 1024;

/// Opens the file that a message names. A relative path is relative to the current folder, as with Python's `open`,
/// because frameworks pass on the path that they were given.
///
/// # Errors
/// `OSError` when the file cannot be opened; `ValueError` when it is not a regular file.
pub(super) fn open(py: Python<'_>, message: &Bound<'_, PyDict>) -> PyResult<FileBody> {
    let given = message
        .get_item(intern!(py, "path"))?
        .ok_or_else(|| PyValueError::new_err("'http.response.pathsend' has no 'path'"))?;
    if !given.is_instance_of::<PyString>() {
        return Err(PyTypeError::new_err(format!("'path' must be str, not {}", short(&given))));
    }
    let path: PathBuf = given.extract()?;
    let (file, length) = py.detach(|| whole(&path)).map_err(|error| os_error(py, &error, &path))?;
    Ok(FileBody { file, offset: 0, length, path: Some(path), stamp: None })
}

/// Opens the file at `path` and returns it with its length.
fn whole(path: &Path) -> io::Result<(File, u64)> {
    let (file, metadata) = opened(path)?;
    if !metadata.is_file() {
        return Err(not_regular());
    }
    let file = of_known_length(file)?;
    let length = file.metadata()?.len();
    Ok((file, length))
}

fn not_regular() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "no regular file")
}

/// Opens the file at `path` if it is a regular file.
///
/// # Errors
/// When it is not a regular file, or cannot be opened.
pub(super) fn opened(path: &Path) -> io::Result<(File, std::fs::Metadata)> {
    // Check the type before opening: opening a named pipe would wait for its writer.
    if !std::fs::metadata(path)?.is_file() {
        return Err(not_regular());
    }
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    Ok((file, metadata))
}

/// The exception that Python's `open` would raise, such as `FileNotFoundError`, with the path.
fn os_error(py: Python<'_>, error: &io::Error, path: &Path) -> PyErr {
    let Some(number) = error.raw_os_error() else {
        return PyValueError::new_err(format!("'path' is {error}: {}", path.display()));
    };
    let text = error.to_string();
    let raised = py.get_type::<PyOSError>().call1((number, text, path.as_os_str()));
    raised.map_or_else(|error| error, PyErr::from_value)
}

/// Sends a file through the pipe of a response whose head was already sent. This is rare, so it starts a thread.
///
/// # Errors
/// When the thread cannot be started.
pub(super) fn pump(mut body: FileBody, writer: PipeWriter<Bytes>) -> io::Result<()> {
    std::thread::Builder::new().name("rsgi-file".into()).spawn(move || {
        // If the file got shorter, the writer is dropped without `finish`. The pipe then fails and the connection is
        // cut, so that the response does not look complete.
        if send(&mut body, &writer).is_ok() {
            writer.finish();
        }
    })?;
    Ok(())
}

/// Sends a file through the pipe of a response. Blocks while it waits for the disk and the client.
///
/// # Errors
/// `BrokenPipe` when the client has left; other errors when the file cannot be read to its end.
pub(super) fn send(body: &mut FileBody, writer: &PipeWriter<Bytes>) -> io::Result<()> {
    let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
    while let Some(piece) = body.next_piece(PIECE)? {
        writer.push(piece).map_err(gone)?;
        block_on(poll_fn(|context| writer.poll_ready(context))).map_err(gone)?;
    }
    Ok(())
}
