//! `http.response.early_hint`: `Link` fields that the client gets in a 103 before the response begins.
//!
//! This message has its own file because it is not part of the response. An application may send it several times, but
//! only before `http.response.start`.
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

/// Whether the connection can send early hints. That is so only over HTTP/1.1.
pub(super) fn accepted(head: &RequestHead) -> bool {
    EarlyHints::of(&head.parts).is_some()
}

/// The `Link` values of a message.
///
/// # Errors
/// When a value is not valid in a header field.
pub(super) fn links(message: &Bound<'_, PyDict>) -> PyResult<Vec<Vec<u8>>> {
    match message.get_item(intern!(message.py(), "links"))? {
        None => Ok(Vec::new()),
        Some(links) => links.try_iter()?.map(|link| value_of(&link?)).collect(),
    }
}

/// Sends early hints.
///
/// # Errors
/// When the connection cannot send them, or when the response has begun.
pub(super) fn send(links: &[Vec<u8>], head: &RequestHead, response: &ResponseMessages) -> PyResult<()> {
    let hints = EarlyHints::of(&head.parts).ok_or_else(|| {
        PyValueError::new_err("'http.response.early_hint' is not in scope['extensions']: over HTTP/1.1 only it is")
    })?;
    match response.progress {
        ResponseProgress::Unstarted => hints.send(links),
        // The client has left, so the message is ignored.
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
