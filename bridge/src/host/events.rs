//! The response of a bridged call: events go from the pool's thread to the host's loop, which turns them into messages
//! for `send`.
//!
//! Spec: ASGI HTTP 2.5 "Response Start", "Response Body"; extension `http.response.pathsend`.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

use crate::error::Disconnected;
use crate::pipe::{Capacity, PipeReader, PipeWriter, Weight};
use crate::pool::JobHandle;
use crate::response::overflow::{More, Outlet, Overflow};
use crate::response::response_head::ResponseHead;
use crate::response::sink::{FileBody, Pieces, ResponseSink};
use crate::response::stored::{Storable, Stored};

/// How much of a file is read at once, in bytes.
const FILE_CHUNK: u64 = 64 * 1024;

/// The rest of a response, for the coroutine.
#[derive(Debug)]
pub enum ResponseEvent {
    /// More events will come.
    Coming(PipeReader<Event>),
    /// The response was sent. Now this exception must be raised.
    Raises(PyErr),
    /// The response has ended, or nobody wants it.
    Over,
}

impl ResponseEvent {
    /// The next messages of the application `app`, as a list. `None` at the end.
    ///
    /// # Errors
    /// The exception of the application, or `RuntimeError` if the response broke off for another reason.
    pub fn poll_messages(&mut self, py: Python<'_>, app: &str, context: &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>> {
        let next = match std::mem::replace(self, Self::Over) {
            Self::Over => return Poll::Ready(Ok(py.None())),
            Self::Raises(error) => return Poll::Ready(Err(error)),
            Self::Coming(events) => {
                let next = events.poll_next(context);
                if !matches!(next, Poll::Ready(None | Some(Err(_)))) {
                    *self = Self::Coming(events);
                }
                ready!(next)
            }
        };
        let event = match next {
            None => return Poll::Ready(Ok(py.None())),
            Some(Ok(event)) => event,
            Some(Err(_)) => {
                let text = format!("the response of the WSGI application `{app}` broke off");
                return Poll::Ready(Err(PyRuntimeError::new_err(text)));
            }
        };
        Poll::Ready(self.messages(py, event).map(|messages| messages.into_any().unbind()))
    }

    fn messages<'py>(&mut self, py: Python<'py>, event: Event) -> PyResult<Bound<'py, PyList>> {
        match event {
            Event::Start(head) => PyList::new(py, [start_message(py, &head)?]),
            Event::Chunk(chunk) => PyList::new(py, [body_message(py, &chunk, true)?]),
            Event::Stored(stored) => PyList::new(py, [Bound::new(py, StoredBody(Mutex::new(stored)))?]),
            Event::Complete(head, body, raised) => {
                self.end(raised);
                PyList::new(py, [start_message(py, &head)?, body_message(py, &body, false)?])
            }
            Event::Path(head, path, raised) => {
                self.end(raised);
                PyList::new(py, [start_message(py, &head)?, path_message(py, &path)?])
            }
            Event::End(raised) => {
                self.end(raised);
                PyList::new(py, [body_message(py, &Bytes::new(), false)?])
            }
            Event::Failed(error) => {
                self.end(None);
                Err(error)
            }
        }
    }

    fn end(&mut self, raised: Option<PyErr>) {
        *self = raised.map_or(Self::Over, Self::Raises);
    }
}

fn start_message<'py>(py: Python<'py>, head: &ResponseHead) -> PyResult<Bound<'py, PyDict>> {
    let headers = PyList::empty(py);
    for (name, value) in head.fields.iter() {
        headers.append((PyBytes::new(py, name.as_str().as_bytes()), PyBytes::new(py, value.as_bytes())))?;
    }
    let message = PyDict::new(py);
    message.set_item(intern!(py, "type"), intern!(py, "http.response.start"))?;
    message.set_item(intern!(py, "status"), head.status.as_u16())?;
    message.set_item(intern!(py, "headers"), headers)?;
    Ok(message)
}

fn body_message<'py>(py: Python<'py>, body: &Bytes, more: bool) -> PyResult<Bound<'py, PyDict>> {
    let message = PyDict::new(py);
    message.set_item(intern!(py, "type"), intern!(py, "http.response.body"))?;
    message.set_item(intern!(py, "body"), PyBytes::new(py, body))?;
    message.set_item(intern!(py, "more_body"), more)?;
    Ok(message)
}

fn path_message<'py>(py: Python<'py>, path: &std::path::Path) -> PyResult<Bound<'py, PyDict>> {
    let message = PyDict::new(py);
    message.set_item(intern!(py, "type"), intern!(py, "http.response.pathsend"))?;
    message.set_item(intern!(py, "path"), path.as_os_str())?;
    Ok(message)
}

/// A part of a response on its way to the loop.
#[derive(Debug)]
pub enum Event {
    /// The whole response, and an exception that the host must see after it.
    Complete(ResponseHead, Bytes, Option<PyErr>),
    /// The head, and the path of the file with the body.
    Path(ResponseHead, PathBuf, Option<PyErr>),
    /// The head. The body follows.
    Start(ResponseHead),
    /// A piece of the body.
    Chunk(Bytes),
    /// A piece of the body that was written to a file, because the host is slow.
    Stored(Stored),
    /// The body is complete.
    End(Option<PyErr>),
    /// The application raised an exception.
    Failed(PyErr),
}

impl Weight for Event {
    fn weight(&self) -> usize {
        match self {
            Self::Complete(_, chunk, _) | Self::Chunk(chunk) => chunk.len(),
            Self::Path(..) | Self::Start(_) | Self::Stored(_) | Self::End(_) | Self::Failed(_) => 0,
        }
    }
}

impl Storable for Event {
    fn bytes(&self) -> Option<&Bytes> {
        if let Self::Chunk(chunk) = self { Some(chunk) } else { None }
    }

    fn into_stored(self) -> Result<Stored, Self> {
        if let Self::Stored(stored) = self { Ok(stored) } else { Err(self) }
    }

    fn from_stored(stored: Stored) -> Self {
        Self::Stored(stored)
    }
}

/// A part of a response body in a file.
#[pyclass(frozen, module = "rsgi._rsgi")]
#[derive(Debug)]
pub struct StoredBody(Mutex<Stored>);

#[pymethods]
impl StoredBody {
    /// The message with the next piece; `None` at the end. It blocks, so do not call it on the thread of an event loop.
    fn read<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let piece = py.detach(|| lock(&self.0).next_piece(FILE_CHUNK));
        match piece {
            Ok(Some(piece)) => body_message(py, &piece, true).map(Some),
            Ok(None) => Ok(None),
            // Not an `OSError`, because that would mean that the client has gone.
            Err(error) => Err(PyRuntimeError::new_err(format!("what was stored of the response is lost: {error}"))),
        }
    }
}

/// Where the events of a call go, until the call has ended.
pub type Events = Arc<Mutex<Option<PipeWriter<Event>>>>;

impl Outlet<Event> for Events {
    fn with<R>(&self, act: impl FnOnce(&PipeWriter<Event>) -> R) -> Result<R, Disconnected> {
        lock(self).as_ref().map(act).ok_or(Disconnected)
    }
}

/// Sends the response of a call to the coroutine. The job reports how a failed call ends, because it has the exception.
pub struct EventSink {
    /// Where the events go.
    pub events: Events,
    /// The handle of the call in the pool.
    pub job_handle: JobHandle,
    /// Stores what the host is too slow to take.
    pub overflow: Overflow,
    /// Whether the host supports `http.response.pathsend`.
    pub sends_files: bool,
    /// The exception that the host must see after the response.
    pub replaced: Option<PyErr>,
    /// Whether the host must see it.
    pub reraises: bool,
}

impl EventSink {
    fn push(&self, event: Event) {
        if let Some(events) = &*lock(&self.events) {
            // Fails if the client has gone.
            let _gone = events.push(event);
        }
    }

    fn last(&self, event: Event) {
        if let Some(events) = lock(&self.events).take() {
            self.job_handle.responded();
            // Fails if the client has gone.
            let _gone = events.push(event);
            events.finish();
        }
    }
}

impl ResponseSink for EventSink {
    fn complete(&mut self, head: ResponseHead, body: Bytes) {
        let raised = self.replaced.take();
        self.last(Event::Complete(head, body, raised));
    }

    fn file(&mut self, head: ResponseHead, mut body: FileBody) -> std::io::Result<()> {
        if let Some(path) = whole_file(&body).filter(|_| self.sends_files) {
            let raised = self.replaced.take();
            self.last(Event::Path(head, path, raised));
            return Ok(());
        }
        self.start(head);
        while let Some(piece) = body.next_piece(FILE_CHUNK)? {
            let written =
                self.write(piece).and_then(|capacity| if capacity == Capacity::Full { self.wait() } else { Ok(()) });
            written.map_err(|_| std::io::ErrorKind::BrokenPipe)?;
        }
        self.finish();
        Ok(())
    }

    fn start(&mut self, head: ResponseHead) {
        self.push(Event::Start(head));
    }

    fn write(&mut self, chunk: Bytes) -> Result<Capacity, Disconnected> {
        let events = lock(&self.events);
        let events = events.as_ref().ok_or(Disconnected)?;
        events.push(Event::Chunk(chunk))
    }

    fn is_gone(&self) -> bool {
        lock(&self.events).as_ref().is_some_and(PipeWriter::is_closed)
    }

    fn wait(&mut self) -> Result<(), Disconnected> {
        self.overflow.make_room(&self.events, &self.job_handle, More::Comes)
    }

    fn finish(&mut self) {
        let raised = self.replaced.take();
        self.last(Event::End(raised));
    }

    fn abort(&mut self) {}

    fn fail(&mut self) {}

    fn replaced(&mut self, error: PyErr) {
        self.replaced = Some(error).filter(|_| self.reraises);
    }
}

/// The path of a file that is sent whole, if the path still leads to that file. `http.response.pathsend` cannot send a
/// part of a file.
fn whole_file(body: &FileBody) -> Option<PathBuf> {
    let path = body.path.as_ref().filter(|path| path.is_absolute())?;
    let (open, named) = (body.file.metadata().ok()?, std::fs::metadata(path).ok()?);
    let same = (open.dev(), open.ino()) == (named.dev(), named.ino());
    (same && body.offset == 0 && body.length == open.len()).then(|| path.clone())
}

/// Locks a mutex, and ignores poisoning: a panic cannot leave this data in a wrong state.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
