//! The state of the response of one WSGI call: what was sent, and what may follow.
//!
//! `start_response`, `write` and the iteration share it, because an application may use any of them at any time, for
//! example `write` while its iterable runs.
//!
//! Spec: PEP 3333 "The `start_response()` Callable", "Buffering and Streaming", "Error Handling".

use std::io::ErrorKind::BrokenPipe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use bytes::Bytes;
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::error::{Disconnected, short};
use crate::pipe::Capacity;
use crate::process::Process;
use crate::response::file_wrapper::FileWrapper;
use crate::response::length::{Admitted, BodyLength};
use crate::response::response_head::ResponseHead;
use crate::response::sink::{FileBody, ResponseSink};

/// A larger piece of a body, in bytes, is sent without the GIL, because it may have to be written to a file.
const LARGE: usize = 256 * 1024;

/// The state of the response.
enum Progress {
    /// `start_response` was not called yet.
    Unstarted,
    /// `start_response` was called, and nothing was sent yet. The head can still be replaced.
    Started(ResponseHead),
    /// The head was sent.
    Streaming { length: BodyLength, body_allowed: bool },
    /// Nothing more can be sent.
    Ended,
}

/// What to do after a piece of the body.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum Next {
    /// Send the next piece.
    Continue,
    /// The response must not have a body. Stop iterating.
    Enough,
    /// The application sent more than it declared. Stop iterating.
    OverLength,
}

/// Whether the body had its declared length.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum Ended {
    /// The whole body was sent.
    Whole,
    /// The application sent more than `Content-Length`. The excess was left out.
    OverLength,
    /// This many bytes of `Content-Length` were missing. The response was cut.
    Missing(u64),
}

/// The response of one call, shared by `start_response`, `write` and the iteration.
pub struct Exchange {
    inner: Mutex<Inner>,
    head_request: bool,
    process: Process,
}

struct Inner {
    progress: Progress,
    sink: Box<dyn ResponseSink>,
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Exchange").field("head_request", &self.head_request).finish_non_exhaustive()
    }
}

impl Exchange {
    /// A response that goes to `sink`. `head_request` says whether the method is HEAD.
    pub fn new(sink: Box<dyn ResponseSink>, head_request: bool) -> Arc<Self> {
        let inner = Mutex::new(Inner { progress: Progress::Unstarted, sink });
        Arc::new(Self { inner, head_request, process: Process::this() })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the head from `start_response`. The head is sent with the first byte of the body.
    ///
    /// # Errors
    /// When there is already a head and no `exc_info`, the head was sent, or another thread is sending.
    pub fn start(&self, head: ResponseHead, exc_info: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        // Does not wait for the lock: another thread may hold it in `write` while the client is slow.
        let inner = self.inner.try_lock();
        let mut inner = inner.map_err(|_| PyRuntimeError::new_err("another thread is sending this response"))?;
        match (&inner.progress, exc_info) {
            (Progress::Unstarted, _) => inner.progress = Progress::Started(head),
            (Progress::Started(_), Some(exc_info)) => {
                let error = reraised(exc_info)?;
                inner.progress = Progress::Started(head);
                inner.sink.replaced(error);
            }
            (Progress::Started(_), None) => {
                return Err(PyRuntimeError::new_err("start_response was called a second time without exc_info"));
            }
            (Progress::Streaming { .. } | Progress::Ended, None) => {
                return Err(PyRuntimeError::new_err("start_response was called after the headers were sent"));
            }
            (Progress::Streaming { .. } | Progress::Ended, Some(exc_info)) => {
                drop(inner);
                return Err(reraised(exc_info)?);
            }
        }
        Ok(())
    }

    /// Sends a whole body, or the rest of a streamed one.
    ///
    /// # Errors
    /// When `start_response` was not called, or the client has gone.
    pub fn complete(&self, py: Python<'_>, body: Bytes) -> PyResult<Ended> {
        let send = |body: Bytes| self.lock().send_whole(body, self.head_request);
        let body = match if body.len() > LARGE { py.detach(|| send(body)) } else { send(body) } {
            Ok(ended) => return Ok(ended),
            Err(body) => body,
        };
        match self.write(py, body)? {
            Next::OverLength => {
                self.finish()?;
                Ok(Ended::OverLength)
            }
            Next::Continue | Next::Enough => self.finish(),
        }
    }

    /// Sends one piece, and the head before it if that was not sent yet. Blocks without the GIL while the client is slow.
    ///
    /// # Errors
    /// When `start_response` was not called, or the client has gone.
    pub fn write(&self, py: Python<'_>, chunk: Bytes) -> PyResult<Next> {
        self.process.check()?;
        let (next, capacity) = self.put(py, chunk)?;
        if capacity == Capacity::Full {
            py.detach(|| self.lock().wait())?;
        }
        Ok(next)
    }

    /// Passes one piece to the sink.
    fn put(&self, py: Python<'_>, chunk: Bytes) -> PyResult<(Next, Capacity)> {
        if chunk.len() > LARGE {
            return py.detach(|| self.lock().write(chunk, self.head_request));
        }
        // Keeps the GIL if no wait is needed, because to take it again would cost time.
        match self.inner.try_lock() {
            Ok(mut inner) => inner.write(chunk, self.head_request),
            Err(TryLockError::Poisoned(inner)) => inner.into_inner().write(chunk, self.head_request),
            // Another thread holds the lock while its client is slow.
            Err(TryLockError::WouldBlock) => py.detach(|| self.lock().write(chunk, self.head_request)),
        }
    }

    /// Whether there is a head that was not sent yet and has a `Content-Length`.
    pub fn declares_length(&self) -> bool {
        matches!(&self.lock().progress, Progress::Started(head) if head.content_length.is_some())
    }

    /// Whether the client has left. Never blocks: a thread that holds the lock sees by itself when the client leaves.
    pub fn is_gone(&self) -> bool {
        self.inner.try_lock().is_ok_and(|inner| inner.sink.is_gone())
    }

    /// Sends the file of `wrapper`, if there is one and nothing was sent yet. On `false`, iterate over the wrapper.
    ///
    /// # Errors
    /// When the client has gone, or the file cannot be read to its end.
    pub fn file(&self, py: Python<'_>, wrapper: &FileWrapper) -> PyResult<bool> {
        if !matches!(&self.lock().progress, Progress::Started(head) if head.allows_body(self.head_request)) {
            return Ok(false);
        }
        let Some(body) = wrapper.regular_file(py) else { return Ok(false) };
        let sent = py.detach(|| self.lock().send_file(body));
        sent.map_err(|error| if error.kind() == BrokenPipe { Disconnected.into() } else { error.into() })
    }

    /// Ends the response after the last piece.
    ///
    /// # Errors
    /// When `start_response` was not called.
    pub fn finish(&self) -> PyResult<Ended> {
        let mut inner = self.lock();
        if matches!(inner.progress, Progress::Unstarted) {
            return Err(never_started());
        }
        Ok(inner.send_whole(Bytes::new(), self.head_request).unwrap_or_else(|_| inner.finish()))
    }

    /// Ends the response after an error: with an error page if nothing was sent yet, otherwise with a cut connection.
    pub fn fail(&self) {
        let mut inner = self.lock();
        match std::mem::replace(&mut inner.progress, Progress::Ended) {
            Progress::Unstarted | Progress::Started(_) => inner.sink.fail(),
            Progress::Streaming { .. } => inner.sink.abort(),
            Progress::Ended => {}
        }
    }
}

fn never_started() -> PyErr {
    PyRuntimeError::new_err("the application returned its body without calling start_response")
}

impl Inner {
    /// Sends head and body together, if the head was not sent yet. Otherwise returns the body.
    fn send_whole(&mut self, body: Bytes, head_request: bool) -> Result<Ended, Bytes> {
        let Some(mut head) = self.take_started() else { return Err(body) };
        if !head.allows_body(head_request) {
            let nothing = head.admit(body, head_request);
            self.sink.complete(head, nothing);
            return Ok(Ended::Whole);
        }
        let mut length = BodyLength::new(head.content_length);
        let admitted = length.admit(body);
        let missing = length.missing();
        if missing > 0 {
            // Sent as a stream that breaks off, because a body that is too short must not look complete.
            self.sink.start(head);
            if let Admitted::Whole(body) | Admitted::Clamped(body) = admitted
                && !body.is_empty()
            {
                // If the client has gone, the cut does not matter.
                let _gone = self.sink.write(body);
            }
            self.sink.abort();
            return Ok(Ended::Missing(missing));
        }
        match admitted {
            Admitted::Whole(body) => {
                self.sink.complete(head, body);
                Ok(Ended::Whole)
            }
            Admitted::Clamped(body) => {
                self.sink.complete(head, body);
                Ok(Ended::OverLength)
            }
        }
    }

    fn send_file(&mut self, mut body: FileBody) -> std::io::Result<bool> {
        let Some(mut head) = self.take_started() else { return Ok(false) };
        match head.content_length {
            // The file is too short, but the iteration may give more.
            Some(declared) if declared > body.length => {
                self.progress = Progress::Started(head);
                return Ok(false);
            }
            // If the declared length is shorter than the file, the application wants to send a part of it.
            Some(declared) => body.length = declared,
            None => {
                head.set_length(body.length);
            }
        }
        self.sink.file(head, body).inspect_err(|_| self.sink.abort())?;
        Ok(true)
    }

    /// Takes the head, if it was not sent yet. The response counts as ended then.
    fn take_started(&mut self) -> Option<ResponseHead> {
        match std::mem::replace(&mut self.progress, Progress::Ended) {
            Progress::Started(head) => Some(head),
            other => {
                self.progress = other;
                None
            }
        }
    }

    fn write(&mut self, chunk: Bytes, head_request: bool) -> PyResult<(Next, Capacity)> {
        if chunk.is_empty() {
            // An empty chunk is not sent. So check here whether the client has gone.
            let gone = self.sink.is_gone();
            return if gone { Err(self.disconnected(Disconnected)) } else { Ok((Next::Continue, Capacity::More)) };
        }
        if let Some(head) = self.take_started() {
            let body_allowed = head.allows_body(head_request);
            let mut length = BodyLength::new(head.content_length);
            if body_allowed && head.content_length == Some(chunk.len() as u64) {
                // Nothing more can follow, so head and body are sent together.
                length.count(chunk.len() as u64);
                self.sink.complete(head, chunk);
                self.progress = Progress::Streaming { length, body_allowed };
                return Ok((Next::Continue, Capacity::More));
            }
            self.sink.start(head);
            self.progress = Progress::Streaming { length, body_allowed };
        }
        let admitted = match &mut self.progress {
            Progress::Unstarted | Progress::Started(_) => return Err(never_started()),
            Progress::Ended => return Err(Disconnected.into()),
            Progress::Streaming { body_allowed: false, .. } => return Ok((Next::Enough, Capacity::More)),
            Progress::Streaming { length, .. } => length.admit(chunk),
        };
        let (chunk, next) = match admitted {
            Admitted::Whole(chunk) => (chunk, Next::Continue),
            Admitted::Clamped(chunk) => (chunk, Next::OverLength),
        };
        if chunk.is_empty() {
            return Ok((next, Capacity::More));
        }
        let written = self.sink.write(chunk);
        written.map(|capacity| (next, capacity)).map_err(|error| self.disconnected(error))
    }

    /// Waits for room, if a body is being sent.
    fn wait(&mut self) -> PyResult<()> {
        if matches!(self.progress, Progress::Streaming { .. }) {
            self.sink.wait().map_err(|error| self.disconnected(error))?;
        }
        Ok(())
    }

    fn disconnected(&mut self, error: Disconnected) -> PyErr {
        self.progress = Progress::Ended;
        error.into()
    }

    fn finish(&mut self) -> Ended {
        match std::mem::replace(&mut self.progress, Progress::Ended) {
            Progress::Streaming { length, body_allowed: true } if length.missing() > 0 => {
                self.sink.abort();
                Ended::Missing(length.missing())
            }
            Progress::Streaming { .. } => {
                self.sink.finish();
                Ended::Whole
            }
            Progress::Unstarted | Progress::Started(_) | Progress::Ended => Ended::Whole,
        }
    }
}

/// The exception of an `exc_info` triple, with its traceback.
fn reraised(exc_info: &Bound<'_, PyAny>) -> PyResult<PyErr> {
    let triple = exc_info
        .cast::<PyTuple>()
        .map_err(|_| PyTypeError::new_err(format!("exc_info must be a tuple, not {}", short(exc_info))))?;
    Ok(PyErr::from_value(triple.get_item(1)?))
}
