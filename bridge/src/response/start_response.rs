//! `start_response` and the `write` callable it gives back, as Python objects.
//!
//! Kept apart from the iteration because an application must see its errors where it made them.
//!
//! Spec: PEP 3333 "The `start_response()` Callable", "The `write()` Callable".

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::error::short;
use crate::response::exchange::Exchange;
use crate::response::response_head::ResponseHead;
use crate::spare::{Spare, has_only};

/// The `write` of a call; its `start_response` is a method of it, which Python calls with less ado than an object. Most applications
/// never call `write`, but all get it.
#[pyclass(frozen, module = "rsgi")]
#[derive(Debug)]
pub struct ResponseSlot(Mutex<Option<Arc<Exchange>>>);

/// What has once been given to an application, and is nobody's now.
static SPARE: Spare<(Py<ResponseSlot>, Py<PyAny>)> = Spare::new();

/// The `start_response` of one call.
#[derive(Debug)]
pub struct StartResponse<'py> {
    response: Bound<'py, ResponseSlot>,
    callable: Bound<'py, PyAny>,
}

impl<'py> StartResponse<'py> {
    /// That of `exchange`.
    ///
    /// # Errors
    /// When Python is out of memory.
    pub fn new(py: Python<'py>, exchange: &Arc<Exchange>) -> PyResult<Self> {
        if let Some((response, callable)) = SPARE.take() {
            let (response, callable) = (response.into_bound(py), callable.into_bound(py));
            *response.get().lock() = Some(Arc::clone(exchange));
            return Ok(Self { response, callable });
        }
        let response = Bound::new(py, ResponseSlot(Mutex::new(Some(Arc::clone(exchange)))))?;
        let callable = response.as_any().getattr(intern!(py, "start_response"))?;
        Ok(Self { response, callable })
    }

    /// What the application is called with.
    pub fn callable(&self) -> &Bound<'py, PyAny> {
        &self.callable
    }

    /// The call is over: what the application has not kept serves another.
    pub fn give_back(self) {
        let Self { response, callable } = self;
        // The method has one reference to what it is a method of.
        if has_only(&callable, 1) && has_only(&response, 2) {
            *response.get().lock() = None;
            SPARE.give_back((response.unbind(), callable.unbind()));
        }
    }
}

impl ResponseSlot {
    fn lock(&self) -> MutexGuard<'_, Option<Arc<Exchange>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn exchange(&self) -> PyResult<Arc<Exchange>> {
        self.lock().clone().ok_or_else(|| PyRuntimeError::new_err("this call of the application has ended"))
    }
}

#[pymethods]
impl ResponseSlot {
    /// Stores status and headers; they leave with the first byte of the body. The arguments have the names that PEP 3333 gives them:
    /// some applications write `exc_info=`.
    #[pyo3(name = "start_response", signature = (status, response_headers, exc_info = None))]
    fn start<'py>(
        slf: &Bound<'py, Self>,
        status: &Bound<'_, PyAny>,
        response_headers: &Bound<'_, PyAny>,
        exc_info: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Bound<'py, Self>> {
        let head = ResponseHead::from_wsgi(status, response_headers)?;
        slf.get().exchange()?.start(head, exc_info)?;
        Ok(slf.clone())
    }

    /// Sends `data` before anything of the iterable; blocks while the client is slow.
    #[pyo3(signature = (data, /))]
    fn __call__(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let chunk = body_bytes(data)?;
        self.exchange()?.write(py, chunk).map(|_| ())
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
