//! `http.response.zerocopysend`: the application has an open file, and rsgi sends a part of it.
//!
//! Unlike `pathsend` (`file_message.rs`), a response can mix several of these messages with body messages, in order.
//! While a thread sends a part, that thread has the pipe of the response, and `send` waits for it.
//!
//! Spec: ASGI extension "Zero Copy Send".

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict};
use rsgi_bridge::error::{Disconnected, short};
use rsgi_bridge::pipe::PipeWriter;
use rsgi_bridge::response::length::BodyLength;
use rsgi_bridge::response::sink::FileBody;

use super::disconnect::DisconnectState;
use super::file_message::{opened, send};
use super::message::says;
use super::response_messages::{Capacity, ResponseMessages, ResponseProgress};

/// The part of the file that a message names, and whether more will come.
///
/// # Errors
/// When there is no such descriptor, when it is not a regular file, or when a number is invalid.
pub(super) fn piece(py: Python<'_>, message: &Bound<'_, PyDict>) -> PyResult<(FileBody, bool)> {
    let file = message
        .get_item(intern!(py, "file"))?
        .ok_or_else(|| PyValueError::new_err("'http.response.zerocopysend' has no 'file'"))?;
    let descriptor = descriptor_of(&file)?;
    let offset = number(message, "offset")?;
    let os = py.import("os")?;
    // Raises the right error if the descriptor is not open, or has no position.
    let position: u64 = os.call_method1("lseek", (descriptor, 0, os.getattr("SEEK_CUR")?))?.extract()?;
    // Open the file again, because the application may close its descriptor in the meantime. This also keeps both
    // positions independent.
    let path = PathBuf::from(format!("/proc/self/fd/{descriptor}"));
    let (file, metadata) = py
        .detach(|| opened(&path))
        .map_err(|error| PyValueError::new_err(format!("'file' (descriptor {descriptor}) cannot be sent: {error}")))?;
    let start = offset.unwrap_or(position);
    let rest = metadata.len().saturating_sub(start);
    let length = number(message, "count")?.map_or(rest, |count| count.min(rest));
    if offset.is_none() {
        // Set the position, as `os.sendfile` does.
        os.call_method1("lseek", (descriptor, start + length, os.getattr("SEEK_SET")?))?;
    }
    Ok((FileBody { file, offset: start, length, path: None, stamp: None }, says(message, intern!(py, "more_body"))?))
}

fn descriptor_of(file: &Bound<'_, PyAny>) -> PyResult<i32> {
    let wrong =
        || PyTypeError::new_err(format!("'file' must be a file descriptor or have a fileno(), not {}", short(file)));
    if file.is_instance_of::<PyBool>() {
        return Err(wrong());
    }
    if let Ok(descriptor) = file.extract() {
        return Ok(descriptor);
    }
    let fileno = file.getattr_opt(intern!(file.py(), "fileno"))?.ok_or_else(wrong)?;
    fileno.call0()?.extract()
}

fn number(message: &Bound<'_, PyDict>, key: &str) -> PyResult<Option<u64>> {
    let given = message.get_item(key)?.filter(|given| !given.is_none());
    let wrong = |given: &Bound<'_, PyAny>| {
        PyValueError::new_err(format!("'{key}' must be a number of bytes, 0 or more, not {}", short(given)))
    };
    given.map(|given| given.extract().map_err(|_| wrong(&given))).transpose()
}

/// The response while a thread sends a part of a file.
#[derive(Debug)]
pub(super) struct Pumping {
    length: BodyLength,
    more: bool,
    sent: Arc<Mutex<Sent>>,
}

/// What the thread reports.
#[derive(Debug, Default)]
struct Sent {
    result: Option<io::Result<PipeWriter<Bytes>>>,
    waker: Option<Waker>,
}

impl Pumping {
    fn start(mut body: FileBody, writer: PipeWriter<Bytes>, length: BodyLength, more: bool) -> io::Result<Self> {
        let sent = Arc::new(Mutex::new(Sent::default()));
        let told = Arc::clone(&sent);
        std::thread::Builder::new().name("rsgi-file".into()).spawn(move || {
            // On an error the writer is dropped, so the pipe fails. The response must not look complete.
            let result = send(&mut body, &writer).map(|()| writer);
            let waker = {
                let mut sent = told.lock().unwrap_or_else(PoisonError::into_inner);
                sent.result = Some(result);
                sent.waker.take()
            };
            if let Some(waker) = waker {
                waker.wake();
            }
        })?;
        Ok(Self { length, more, sent })
    }

    fn poll(&self, context: &mut Context<'_>) -> Poll<io::Result<PipeWriter<Bytes>>> {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let result = sent.result.take();
        if result.is_none() {
            sent.waker = Some(context.waker().clone());
        }
        result.map_or(Poll::Pending, Poll::Ready)
    }
}

impl ResponseMessages {
    /// Takes a part of a file as the next part of the body.
    ///
    /// # Errors
    /// When there is no head yet, when the part exceeds the declared length, when the previous part is still being
    /// sent, or when the client has left.
    pub(super) fn take_piece(
        &mut self,
        body: FileBody,
        more: bool,
        head_request: bool,
        disconnect: &DisconnectState,
    ) -> PyResult<Capacity> {
        if !more && self.is_held() && self.trailers.is_none() {
            return self.take_file(body, head_request, disconnect).map(|()| Capacity::More);
        }
        if self.is_held()
            || matches!(
                self.progress,
                ResponseProgress::Unstarted | ResponseProgress::Discarding | ResponseProgress::Ended
            )
        {
            // Sends the head. A response without a body needs no more.
            self.take_body(Bytes::new(), true, head_request, disconnect)?;
        }
        match std::mem::replace(&mut self.progress, ResponseProgress::Ended) {
            ResponseProgress::Streaming { writer, length } => self.pump(body, writer, length, more),
            ResponseProgress::Discarding if more => {
                self.progress = ResponseProgress::Discarding;
                Ok(Capacity::More)
            }
            ResponseProgress::Left => {
                self.progress = ResponseProgress::Left;
                Ok(Capacity::More)
            }
            ResponseProgress::Discarding | ResponseProgress::Ended => Ok(Capacity::More),
            other => {
                self.progress = other;
                Err(PyRuntimeError::new_err(
                    "the piece of a file before this one is still being sent; await its `send`",
                ))
            }
        }
    }

    fn pump(
        &mut self,
        body: FileBody,
        writer: PipeWriter<Bytes>,
        mut length: BodyLength,
        more: bool,
    ) -> PyResult<Capacity> {
        let missing = length.declared().map(|_| length.missing());
        let fits = missing.is_none_or(|missing| if more { body.length <= missing } else { body.length == missing });
        if !fits {
            let error = format!(
                "Content-Length leaves {} bytes of the body, but the piece of the file has {}",
                length.missing(),
                body.length
            );
            self.progress = ResponseProgress::Streaming { writer, length };
            return Err(PyValueError::new_err(error));
        }
        length.count(body.length);
        self.progress = ResponseProgress::Pumping(Pumping::start(body, writer, length, more)?);
        Ok(Capacity::Full)
    }

    /// Completes when the part of the file was sent.
    pub(super) fn poll_pumped(&mut self, context: &mut Context<'_>) -> Poll<PyResult<()>> {
        let ResponseProgress::Pumping(pumping) = &self.progress else { return Poll::Ready(Ok(())) };
        let Poll::Ready(sent) = pumping.poll(context) else { return Poll::Pending };
        let (length, more) = (pumping.length, pumping.more);
        self.progress = ResponseProgress::Ended;
        match sent {
            Ok(writer) if more => self.progress = ResponseProgress::Streaming { writer, length },
            Ok(writer) => self.close_body(writer),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Poll::Ready(Err(Disconnected.into())),
            Err(error) => return Poll::Ready(Err(error.into())),
        }
        Poll::Ready(Ok(()))
    }
}
