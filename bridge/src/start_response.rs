//! `start_response` and the `write` callable it gives back, as Python objects.
//!
//! Kept apart from the iteration because an application must see its errors where it made them.
//!
//! Spec: PEP 3333 "The `start_response()` Callable", "The `write()` Callable".

use std::sync::Arc;

use bytes::Bytes;
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::exchange::Exchange;
use crate::response_head::{ResponseHead, short};

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
    /// Stores status and headers; they leave with the first byte of the body. The arguments have the names that PEP 3333 gives them:
    /// some applications write `exc_info=`.
    #[pyo3(name = "start_response", signature = (status, response_headers, exc_info = None))]
    fn start<'py>(
        slf: &Bound<'py, Self>,
        status: &Bound<'_, PyAny>,
        response_headers: &Bound<'_, PyAny>,
        exc_info: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let head = ResponseHead::from_wsgi(status, response_headers)?;
        slf.get().exchange.start(head, exc_info)?;
        slf.as_any().getattr(intern!(slf.py(), "write"))
    }

    /// Sends `data` before anything of the iterable; blocks while the client is slow.
    #[pyo3(signature = (data, /))]
    fn write(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let chunk = body_bytes(data)?;
        self.exchange.write(py, chunk).map(|_| ())
    }
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
