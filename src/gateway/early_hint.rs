//! `http.response.early_hint`: fields that a client may act on before the answer begins.
//!
//! Kept apart from the other messages because it is none of the answer: it may come again and again before that, and never after.
//!
//! Spec: ASGI extension "Early Hints"; RFC 8297; RFC 9110 15.2.

use http::HeaderValue;
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use rsgi_bridge::error::short;

use super::response_messages::{ResponseMessages, ResponseProgress};
use crate::request::head::RequestHead;
use crate::response::early_hints::EarlyHints;

/// Whether the client takes hints: over HTTP/1.1 any does.
pub(super) fn accepted(head: &RequestHead) -> bool {
    EarlyHints::of(&head.parts).is_some()
}

/// The values of `Link` that a message brings.
///
/// # Errors
/// When one cannot be in a field.
pub(super) fn links(message: &Bound<'_, PyDict>) -> PyResult<Vec<Vec<u8>>> {
    match message.get_item(intern!(message.py(), "links"))? {
        None => Ok(Vec::new()),
        Some(links) => links.try_iter()?.map(|link| value_of(&link?)).collect(),
    }
}

/// Sends hints.
///
/// # Errors
/// When the client takes none, and when the answer has begun.
pub(super) fn send(links: &[Vec<u8>], head: &RequestHead, response: &ResponseMessages) -> PyResult<()> {
    let hints = EarlyHints::of(&head.parts).ok_or_else(|| {
        PyValueError::new_err("'http.response.early_hint' is not in scope['extensions']: over HTTP/1.1 only it is")
    })?;
    match response.progress {
        ResponseProgress::Unstarted => hints.send(links),
        // Whatever an application sends to a client that has left is ignored.
        ResponseProgress::Left => {}
        _ => return Err(PyRuntimeError::new_err("'http.response.early_hint' was sent after 'http.response.start'")),
    }
    Ok(())
}

fn value_of(link: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    let bytes = link
        .cast::<PyBytes>()
        .map_err(|_| PyTypeError::new_err(format!("each of 'links' must be bytes, not {}", short(link))))?;
    let value = HeaderValue::from_bytes(bytes.as_bytes().trim_ascii());
    let value = value.map_err(|_| PyValueError::new_err(format!("a link has a control character: {}", short(link))))?;
    Ok(value.as_bytes().to_vec())
}
