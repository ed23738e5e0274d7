//! `http.response.trailers`: fields that follow the body.
//!
//! The head promises trailers, and the application must send them after the body. If they never come, the response must
//! not look complete.
//!
//! Spec: ASGI extension "HTTP Trailers"; RFC 9110 6.5, 6.6.2 (`Trailer`), 10.1.4 (`TE`); RFC 9112 7.1.2; RFC 9113 8.1.

use std::sync::{Arc, Mutex, PoisonError};

use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HOST, HeaderName,
    MAX_FORWARDS, SET_COOKIE, TE, TRAILER,
};
use http::{HeaderMap, Version};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rsgi_bridge::response::response_head::ResponseHead;

use super::message::says;
use super::response_messages::{ResponseMessages, ResponseProgress};
use crate::request::head::RequestHead;
use crate::response::trailers::Trailers;

/// Fields that have a meaning only before the body.
const FORBIDDEN: [HeaderName; 11] = [
    AUTHORIZATION,
    CACHE_CONTROL,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_RANGE,
    CONTENT_TYPE,
    HOST,
    MAX_FORWARDS,
    SET_COOKIE,
    TE,
    TRAILER,
];

/// Whether the client accepts trailers: over HTTP/2 always, over HTTP/1.1 if it sends `TE: trailers`.
pub(super) fn accepted(head: &RequestHead) -> bool {
    let names = |line: &str| line.split(',').any(|coding| coding.trim().eq_ignore_ascii_case("trailers"));
    match head.parts.version {
        Version::HTTP_2 => true,
        Version::HTTP_11 => head.parts.fields.texts("te").any(names),
        _ => false,
    }
}

/// Trailers that the head has promised.
#[derive(Debug)]
pub(super) struct Promised {
    /// The names in the `Trailer` field. `None` over HTTP/2, where any name may come.
    announced: Option<Vec<HeaderName>>,
    fields: HeaderMap,
    slot: Trailers,
}

/// The promise of a response head with `trailers` set.
///
/// # Errors
/// When the client accepts no trailers, or when the head makes them impossible.
pub(super) fn promised(head: &ResponseHead, request: &RequestHead) -> PyResult<Promised> {
    if !accepted(request) {
        return Err(PyValueError::new_err(
            "'trailers' is true, but the client takes none: 'http.response.trailers' is not in scope['extensions']",
        ));
    }
    let promised = |announced| Promised { announced, fields: HeaderMap::new(), slot: Arc::new(Mutex::new(None)) };
    if request.parts.version == Version::HTTP_2 {
        return Ok(promised(None));
    }
    if head.content_length.is_some() {
        return Err(PyValueError::new_err("trailers follow a chunked body: leave Content-Length out of 'headers'"));
    }
    let lines = head.fields.get_all(&TRAILER).filter_map(|line| line.to_str().ok());
    let announced: Vec<_> =
        lines.flat_map(|line| line.split(',')).filter_map(|name| name.trim().parse().ok()).collect();
    if announced.is_empty() {
        return Err(PyValueError::new_err(
            "'trailers' is true, but no 'Trailer' among the headers names the fields; over HTTP/1.1 it must",
        ));
    }
    Ok(promised(Some(announced)))
}

impl Promised {
    /// Where the body of the response takes the trailers from.
    pub(super) fn slot(&self) -> Trailers {
        Arc::clone(&self.slot)
    }

    /// Takes the fields of one message. Returns `true` if they were the last.
    ///
    /// # Errors
    /// When a field is invalid, is forbidden after a body, or was not announced.
    pub(super) fn take(&mut self, py: Python<'_>, message: &Bound<'_, PyDict>) -> PyResult<bool> {
        let headers = message.get_item(intern!(py, "headers"))?;
        let fields = ResponseHead::trailers_from_asgi(headers.as_ref())?;
        for name in fields.keys() {
            if FORBIDDEN.contains(name) {
                return Err(PyValueError::new_err(format!("{name:?} may not follow a body (RFC 9110 6.5.1)")));
            }
            if self.announced.as_ref().is_some_and(|announced| !announced.contains(name)) {
                return Err(PyValueError::new_err(format!(
                    "the trailer {name:?} is not named in the 'Trailer' header"
                )));
            }
        }
        for (name, value) in &fields {
            self.fields.append(name.clone(), value.clone());
        }
        let last = !says(message, intern!(py, "more_trailers"))?;
        if last {
            *self.slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(std::mem::take(&mut self.fields));
        }
        Ok(last)
    }
}

impl ResponseMessages {
    /// Notes that trailers will follow the body.
    pub(super) fn promise(&mut self, trailers: Promised) {
        self.trailers = Some(Box::new(trailers));
    }

    /// Takes trailers.
    ///
    /// # Errors
    /// When none were promised, when the body is not complete yet, or when a field is not allowed.
    pub(super) fn take_trailers(&mut self, py: Python<'_>, message: &Bound<'_, PyDict>) -> PyResult<()> {
        let Some(trailers) = &mut self.trailers else {
            return Err(PyRuntimeError::new_err(
                "'http.response.trailers' was sent, but 'http.response.start' did not promise it with 'trailers': True",
            ));
        };
        match std::mem::replace(&mut self.progress, ResponseProgress::Ended) {
            ResponseProgress::Trailing(writer) => match trailers.take(py, message) {
                Ok(true) => {
                    writer.finish();
                    Ok(())
                }
                taken => {
                    self.progress = ResponseProgress::Trailing(writer);
                    taken.map(|_| ())
                }
            },
            // There is no body that they could follow, so they are ignored.
            over @ (ResponseProgress::Ended | ResponseProgress::Discarding | ResponseProgress::Left) => {
                self.progress = over;
                Ok(())
            }
            early => {
                self.progress = early;
                Err(PyRuntimeError::new_err("'http.response.trailers' was sent before the body was whole"))
            }
        }
    }
}
