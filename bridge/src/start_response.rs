//! `start_response` and the `write` callable it gives back.
//!
//! Kept apart from the iteration because an application may call either at any time of the call, from inside its own
//! iterable too, and must see its errors where it made them.
//!
//! Spec: PEP 3333 "The `start_response()` Callable", "The `write()` Callable", "Error Handling".

use std::io::ErrorKind::BrokenPipe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

use crate::error::Disconnected;
use crate::file_wrapper::FileWrapper;
use crate::length::{Admitted, BodyLength};
use crate::response_head::{ResponseHead, short};
use crate::sink::{FileBody, ResponseSink};

/// How far the response of a call has come.
enum Progress {
    /// `start_response` was not called.
    Unstarted,
    /// It was called, nothing was sent: the head can still be replaced.
    Started(Box<ResponseHead>),
    /// The head has gone out.
    Streaming { length: BodyLength, body_allowed: bool },
    /// Nothing more can be sent.
    Ended,
}

/// What to do after a chunk.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum Next {
    /// Ask for the next one.
    Continue,
    /// No body may be sent: stop iterating.
    Enough,
    /// The application produced more than it declared: stop iterating.
    OverLength,
}

/// How the body of a response compared to what was declared.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum Ended {
    /// All of it was sent.
    Whole,
    /// What went over `Content-Length` was left out.
    OverLength,
    /// So many bytes of `Content-Length` never came; the response was cut.
    Missing(u64),
}

/// The response of one call, shared by `start_response`, `write` and the iteration.
pub struct Exchange {
    inner: Mutex<Inner>,
    head_request: bool,
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
    /// A response that goes to `sink`; `head_request` when the method is HEAD.
    pub fn new(sink: Box<dyn ResponseSink>, head_request: bool) -> Arc<Self> {
        Arc::new(Self { inner: Mutex::new(Inner { progress: Progress::Unstarted, sink }), head_request })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a whole body at once, or what is left of a streamed one.
    ///
    /// # Errors
    /// When `start_response` was not called, or the client has gone.
    pub fn complete(&self, py: Python<'_>, body: Bytes) -> PyResult<Ended> {
        let body = match self.lock().send_whole(body, self.head_request) {
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

    /// Sends one chunk, the head before it if it has not gone out. Blocks, detached, while the client is slow.
    ///
    /// # Errors
    /// When `start_response` was not called, or the client has gone.
    pub fn write(&self, py: Python<'_>, chunk: Bytes) -> PyResult<Next> {
        py.detach(|| self.lock().write(chunk, self.head_request))
    }

    /// Sends the file behind `wrapper`, if nothing was sent yet and there is one; `false` says to iterate over it.
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

    /// Ends the response after the last chunk.
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

    /// Ends the response after a failure: an error page if nothing was sent, else a cut.
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
    /// Sends head and body together where the head still waits and the body is all there is; else gives the body back.
    fn send_whole(&mut self, body: Bytes, head_request: bool) -> Result<Ended, Bytes> {
        let Some(head) = self.take_started() else { return Err(body) };
        if !head.allows_body(head_request) {
            self.sink.complete(head, body);
            return Ok(Ended::Whole);
        }
        let mut length = BodyLength::new(head.content_length);
        let admitted = length.admit(body);
        let missing = length.missing();
        if missing > 0 {
            // Sent as a stream that breaks off: a body that is too short must not look whole.
            self.sink.start(head);
            if let Admitted::Whole(body) | Admitted::Clamped(body) = admitted
                && !body.is_empty()
            {
                // A client that has gone needs no cut.
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
            // What the file lacks, iterating over it may have.
            Some(declared) if declared > body.length => {
                self.progress = Progress::Started(head);
                return Ok(false);
            }
            // A declared length shorter than the file is a range that the application chose.
            Some(declared) => body.length = declared,
            None => {
                head.set_length(body.length);
            }
        }
        self.sink.file(head, body).inspect_err(|_| self.sink.abort())?;
        Ok(true)
    }

    /// The head that waits, if it does; the response counts as ended then.
    fn take_started(&mut self) -> Option<Box<ResponseHead>> {
        match std::mem::replace(&mut self.progress, Progress::Ended) {
            Progress::Started(head) => Some(head),
            other => {
                self.progress = other;
                None
            }
        }
    }

    fn write(&mut self, chunk: Bytes, head_request: bool) -> PyResult<Next> {
        if chunk.is_empty() {
            return Ok(Next::Continue);
        }
        if let Some(head) = self.take_started() {
            let body_allowed = head.allows_body(head_request);
            let length = BodyLength::new(head.content_length);
            self.sink.start(head);
            self.progress = Progress::Streaming { length, body_allowed };
        }
        let admitted = match &mut self.progress {
            Progress::Unstarted | Progress::Started(_) => return Err(never_started()),
            Progress::Ended => return Err(Disconnected.into()),
            Progress::Streaming { body_allowed: false, .. } => return Ok(Next::Enough),
            Progress::Streaming { length, .. } => length.admit(chunk),
        };
        let (chunk, next) = match admitted {
            Admitted::Whole(chunk) => (chunk, Next::Continue),
            Admitted::Clamped(chunk) => (chunk, Next::OverLength),
        };
        if !chunk.is_empty()
            && let Err(gone) = self.sink.write(chunk)
        {
            self.progress = Progress::Ended;
            return Err(gone.into());
        }
        Ok(next)
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

/// `start_response` and `write` of one call, which are its methods: Python calls those with less ado than objects.
#[pyclass(frozen, module = "rsgi")]
#[derive(Debug)]
pub struct Response {
    exchange: Arc<Exchange>,
}

impl Response {
    /// The `start_response` for `exchange`.
    ///
    /// # Errors
    /// When Python is out of memory.
    pub fn start_response<'py>(py: Python<'py>, exchange: &Arc<Exchange>) -> PyResult<Bound<'py, PyAny>> {
        let response = Bound::new(py, Self { exchange: Arc::clone(exchange) })?;
        response.into_any().getattr(intern!(py, "start_response"))
    }
}

#[pymethods]
impl Response {
    /// Stores status and headers; they leave with the first byte of the body.
    #[pyo3(name = "start_response", signature = (status, response_headers, exc_info = None, /))]
    fn start<'py>(
        slf: &Bound<'py, Self>,
        status: &Bound<'_, PyAny>,
        response_headers: &Bound<'_, PyAny>,
        exc_info: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let head = ResponseHead::from_wsgi(status, response_headers)?;
        // Not waited for: another thread may be inside `write`, for as long as the client is slow.
        let inner = slf.get().exchange.inner.try_lock();
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
        drop(inner);
        slf.as_any().getattr(intern!(slf.py(), "write"))
    }

    /// Sends `data` before anything of the iterable; blocks while the client is slow.
    #[pyo3(signature = (data, /))]
    fn write(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let chunk = body_bytes(data)?;
        self.exchange.write(py, chunk).map(|_| ())
    }
}

/// The exception of an `exc_info` triple, its traceback kept.
fn reraised(exc_info: &Bound<'_, PyAny>) -> PyResult<PyErr> {
    let triple = exc_info
        .cast::<PyTuple>()
        .map_err(|_| PyTypeError::new_err(format!("exc_info must be a tuple, not {}", short(exc_info))))?;
    Ok(PyErr::from_value(triple.get_item(1)?))
}

/// The bytes of one body chunk.
///
/// # Errors
/// `TypeError` when the application gave something else.
pub fn body_bytes(chunk: &Bound<'_, PyAny>) -> PyResult<Bytes> {
    chunk
        .cast::<PyBytes>()
        .map(|bytes| Bytes::copy_from_slice(bytes.as_bytes()))
        .map_err(|_| PyTypeError::new_err(format!("the response body must be bytes, not {}", short(chunk))))
}
