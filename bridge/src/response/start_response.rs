//! `start_response` and the `write` callable that it returns, as Python objects.
//!
//! They raise errors where the application calls them.
//!
//! Spec: PEP 3333 "The `start_response()` Callable", "The `write()` Callable".

use std::sync::Arc;

use bytes::Bytes;
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::error::short;
use crate::gil_lock::GilLock;
use crate::response::exchange::Exchange;
use crate::response::response_head::ResponseHead;
use crate::spare::{Spare, has_only};

/// The `write` of a call. Its `start_response` is a method of it, because Python calls a method faster than an object.
/// Most applications never call `write`, but all of them get it.
#[pyclass(frozen, module = "rsgi")]
#[derive(Debug)]
pub struct ResponseSlot(GilLock<Option<Arc<Exchange>>>);

/// Objects of earlier calls that nobody else has.
static SPARE: Spare<(Py<ResponseSlot>, Py<PyAny>)> = Spare::new();

/// The `start_response` of one call.
#[derive(Debug)]
pub struct StartResponse<'py> {
    response: Bound<'py, ResponseSlot>,
    callable: Bound<'py, PyAny>,
}

impl<'py> StartResponse<'py> {
    /// The `start_response` of `exchange`.
    ///
    /// # Errors
    /// When Python is out of memory.
    pub fn new(py: Python<'py>, exchange: &Arc<Exchange>) -> PyResult<Self> {
        if let Some((response, callable)) = SPARE.take(py) {
            let (response, callable) = (response.into_bound(py), callable.into_bound(py));
            response.get().set(py, Some(Arc::clone(exchange)));
            return Ok(Self { response, callable });
        }
        let response = Bound::new(py, ResponseSlot(GilLock::new(Some(Arc::clone(exchange)))))?;
        let callable = response.as_any().getattr(intern!(py, "start_response"))?;
        Ok(Self { response, callable })
    }

    /// The callable for the application.
    pub fn callable(&self) -> &Bound<'py, PyAny> {
        &self.callable
    }

    /// Keeps the objects for another call, if the application has not kept them.
    pub fn give_back(self) {
        let Self { response, callable } = self;
        // The bound method holds one more reference to the object.
        let py = response.py();
        if has_only(&callable, 1) && has_only(&response, 2) {
            response.get().set(py, None);
            SPARE.give_back(py, (response.unbind(), callable.unbind()));
        }
    }
}

impl ResponseSlot {
    fn set(&self, py: Python<'_>, exchange: Option<Arc<Exchange>>) {
        let before = std::mem::replace(&mut *self.0.lock(py), exchange);
        // Dropped after the guard, because destructors can run any Python code.
        drop(before);
    }

    fn exchange(&self, py: Python<'_>) -> PyResult<Arc<Exchange>> {
        self.0.lock(py).clone().ok_or_else(|| PyRuntimeError::new_err("this call of the application has ended"))
    }
}

#[pymethods]
impl ResponseSlot {
    /// Takes status and header fields. They are sent with the first byte of the body. The arguments have the names of
    /// PEP 3333, because some applications write `exc_info=`.
    #[pyo3(name = "start_response", signature = (status, response_headers, exc_info = None))]
    fn start<'py>(
        slf: &Bound<'py, Self>,
        status: &Bound<'_, PyAny>,
        response_headers: &Bound<'_, PyAny>,
        exc_info: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Bound<'py, Self>> {
        let head = ResponseHead::from_wsgi(status, response_headers)?;
        slf.get().exchange(slf.py())?.start(head, exc_info)?;
        Ok(slf.clone())
    }

    /// Sends `data` before the pieces of the iterable. Blocks while the client is slow.
    #[pyo3(signature = (data, /))]
    fn __call__(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let chunk = body_bytes(data)?;
        self.exchange(py)?.write(py, chunk).map(|_| ())
    }
}

/// The bytes of one piece of a body.
///
/// # Errors
/// `TypeError` if the application gave something else.
pub fn body_bytes(chunk: &Bound<'_, PyAny>) -> PyResult<Bytes> {
    chunk
        .cast::<PyBytes>()
        .map(|bytes| Bytes::copy_from_slice(bytes.as_bytes()))
        .map_err(|_| PyTypeError::new_err(format!("the response body must be bytes, not {}", short(chunk))))
}
