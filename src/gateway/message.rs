//! Checks that every message has in common (a `dict` with a `type`), and the messages that `receive` returns for an
//! HTTP request.
//!
//! HTTP, WebSocket and lifespan share the checks, so that they raise the same errors.
//!
//! Spec: ASGI "Applications" (events are dicts with a top-level `type`), HTTP 2.5 "Request", "Disconnect".

use bytes::Bytes;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};
use rsgi_bridge::error::short;

/// The message as a `dict`, and its type.
///
/// # Errors
/// `TypeError` or `ValueError` that says what was expected.
pub fn typed<'a, 'py>(message: &'a Bound<'py, PyAny>) -> PyResult<(&'a Bound<'py, PyDict>, Bound<'py, PyString>)> {
    let py = message.py();
    let message = message
        .cast::<PyDict>()
        .map_err(|_| PyTypeError::new_err(format!("send() takes a dict, not {}", short(message))))?;
    let kind =
        message.get_item(intern!(py, "type"))?.ok_or_else(|| PyValueError::new_err("the message has no 'type'"))?;
    let kind = kind.cast_into::<PyString>().map_err(|error| {
        PyTypeError::new_err(format!("the 'type' of a message must be str, not {}", short(&error.into_inner())))
    })?;
    Ok((message, kind))
}

/// The error for a message type that is not allowed at this point.
pub fn unexpected(kind: &str, expected: &str) -> PyErr {
    PyValueError::new_err(format!("send() does not take '{kind}' here; expected {expected}"))
}

/// Whether the message has a true value under `key`. A missing key counts as false.
///
/// # Errors
/// The exception that the value raises when its truth is tested.
pub fn says(message: &Bound<'_, PyDict>, key: &Bound<'_, PyString>) -> PyResult<bool> {
    message.get_item(key)?.map_or(Ok(false), |value| value.is_truthy())
}

/// `http.request` with a part of the request body.
///
/// # Errors
/// When Python is out of memory.
pub(super) fn request_message(py: Python<'_>, body: &Bytes, more: bool) -> PyResult<Py<PyAny>> {
    let message = PyDict::new(py);
    message.set_item(intern!(py, "type"), intern!(py, "http.request"))?;
    message.set_item(intern!(py, "body"), PyBytes::new(py, body))?;
    message.set_item(intern!(py, "more_body"), more)?;
    Ok(message.into_any().unbind())
}

/// `http.disconnect`: the response is complete, or the client has left.
///
/// # Errors
/// When Python is out of memory.
pub(super) fn disconnect_message(py: Python<'_>) -> PyResult<Py<PyAny>> {
    let message = PyDict::new(py);
    message.set_item(intern!(py, "type"), intern!(py, "http.disconnect"))?;
    Ok(message.into_any().unbind())
}
