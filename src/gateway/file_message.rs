//! `http.response.pathsend`: an application names a file, and the server sends it.
//!
//! Kept apart from the other messages because here, and only here, a message opens something. A file that cannot be sent is
//! an error inside the application, before any of the answer is out.
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

/// Opens the file that a message names. A relative path is taken from the current folder, as `open` takes it: frameworks hand on
/// the path that they were given.
///
/// # Errors
/// `OSError` when it cannot be opened; `ValueError` when it is no regular file.
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

/// The file at `path`, and how much can be read from it.
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

/// The file at `path`, if it is a regular one.
///
/// # Errors
/// When it is none, or cannot be opened.
pub(super) fn opened(path: &Path) -> io::Result<(File, std::fs::Metadata)> {
    // Not opened before it is known to be a file: a pipe would wait for its writer.
    if !std::fs::metadata(path)?.is_file() {
        return Err(not_regular());
    }
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    Ok((file, metadata))
}

/// As Python's own `open` raises it: `FileNotFoundError` and the like, with the path.
fn os_error(py: Python<'_>, error: &io::Error, path: &Path) -> PyErr {
    let Some(number) = error.raw_os_error() else {
        return PyValueError::new_err(format!("'path' is {error}: {}", path.display()));
    };
    let text = error.to_string();
    let raised = py.get_type::<PyOSError>().call1((number, text, path.as_os_str()));
    raised.map_or_else(|error| error, PyErr::from_value)
}

/// Sends a file through the pipe of a response whose head is out already, from a thread of its own: this is rare.
///
/// # Errors
/// When no thread can be had.
pub(super) fn pump(mut body: FileBody, writer: PipeWriter<Bytes>) -> io::Result<()> {
    std::thread::Builder::new().name("rsgi-file".into()).spawn(move || {
        // Dropped before its end the pipe fails, and the connection is cut: a file that got shorter must not look whole.
        if send(&mut body, &writer).is_ok() {
            writer.finish();
        }
    })?;
    Ok(())
}

/// Sends a file through the pipe of a response. Blocks for the disk and the client.
///
/// # Errors
/// `BrokenPipe` when the client has left; any other when the file cannot be read to its end.
pub(super) fn send(body: &mut FileBody, writer: &PipeWriter<Bytes>) -> io::Result<()> {
    let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
    while let Some(piece) = body.next_piece(PIECE)? {
        writer.push(piece).map_err(gone)?;
        block_on(poll_fn(|context| writer.poll_ready(context))).map_err(gone)?;
    }
    Ok(())
}
