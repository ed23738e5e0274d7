//! Status and header fields of a response, checked where the application can see the error.
//!
//! The same rules apply to `start_response` and to the ASGI message `http.response.start`.
//!
//! Spec: PEP 3333 "The `start_response()` Callable"; ASGI HTTP "Response Start"; RFC 9110 5.5, 7.6.1, 15.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};

use crate::error::{short, wrong_type};
use crate::latin1::latin1_bytes;
use crate::log::log_warning;
use crate::response::given_fields::{FieldName, GivenFields, Purpose, TextKind};
use crate::response::response_fields::ResponseFields;

/// How many fields the server adds. The list is made large enough for them.
const SERVERS_OWN: usize = 1;

/// The most fields of a response. HTTP/2 needs them as a `HeaderMap`, which would panic at a few more.
const MOST_FIELDS: usize = 16 * 1024;

/// The fields of WSGI applications.
static TEXTS: GivenFields = GivenFields::of(TextKind::Text);

/// The fields of ASGI applications.
static OCTETS: GivenFields = GivenFields::of(TextKind::Bytes);

/// A checked response head.
#[derive(Debug, Clone)]
pub struct ResponseHead {
    /// From 200 to 999. Only the server sends informational responses.
    pub status: StatusCode,
    /// The reason phrase in latin-1, if it is not the usual one.
    pub reason: Option<Box<[u8]>>,
    /// In the application's order. Hop-by-hop fields are removed.
    pub fields: ResponseFields,
    /// The declared `Content-Length`.
    pub content_length: Option<u64>,
}

impl ResponseHead {
    /// Whether the response may have a body. `head_request` says whether the method is HEAD.
    pub fn allows_body(&self, head_request: bool) -> bool {
        !head_request && self.status != StatusCode::NO_CONTENT && self.status != StatusCode::NOT_MODIFIED
    }

    /// The part of a whole body that may be sent: nothing for HEAD, and nothing for a status without a body. For HEAD,
    /// sets the `Content-Length` if the application has not.
    pub fn admit(&mut self, body: Bytes, head_request: bool) -> Bytes {
        if self.allows_body(head_request) {
            return body;
        }
        if self.content_length.is_none() && !body.is_empty() && self.allows_body(false) {
            self.set_length(body.len() as u64);
        }
        Bytes::new()
    }

    /// A head of a response that the server itself makes.
    pub fn own(status: StatusCode, fields: impl Into<ResponseFields>) -> Self {
        Self { status, reason: None, fields: fields.into(), content_length: None }
    }

    /// Adds a `Content-Length`. There must be none yet.
    pub fn set_length(&mut self, length: u64) {
        self.fields.append(CONTENT_LENGTH, HeaderValue::from(length));
        self.content_length = Some(length);
    }

    /// Removes a field. Returns its first value.
    pub fn remove(&mut self, name: &HeaderName) -> Option<HeaderValue> {
        if name == CONTENT_LENGTH {
            self.content_length = None;
        }
        self.fields.remove(name)
    }

    /// Checks the two arguments of `start_response`.
    ///
    /// # Errors
    /// `TypeError` and `ValueError` that say which part is wrong and what was expected.
    pub fn from_wsgi(status: &Bound<'_, PyAny>, headers: &Bound<'_, PyAny>) -> PyResult<Self> {
        let text = status.cast::<PyString>().map_err(|_| wrong_type("the status", "str", status))?;
        let (status, reason) = parse_status(text.to_str()?)?;
        let list = headers.cast::<PyList>().map_err(|_| wrong_type("the response headers", "list", headers))?;
        let mut fields = Fields::new(status, list.len() + SERVERS_OWN);
        for pair in list.iter() {
            fields.take(pair.py(), TEXTS.field(&pair)?)?;
        }
        Ok(fields.finish(reason))
    }

    /// Checks the header list of an `http.response.trailers` message.
    ///
    /// # Errors
    /// The same as for [`ResponseHead::from_asgi`].
    pub fn trailers_from_asgi(headers: Option<&Bound<'_, PyAny>>) -> PyResult<HeaderMap> {
        Ok(Fields::new(StatusCode::OK, 4).announcing(true).read(headers)?.list.into_map())
    }

    /// Checks `status` and `headers` of an `http.response.start` message. `trailers` says whether trailers will follow.
    /// If not, `Trailer` is removed.
    ///
    /// # Errors
    /// `TypeError` and `ValueError` that say which part is wrong and what was expected.
    pub fn from_asgi(status: &Bound<'_, PyAny>, headers: Option<&Bound<'_, PyAny>>, trailers: bool) -> PyResult<Self> {
        let code: u16 = status.extract().map_err(|_| {
            PyTypeError::new_err(format!("status must be an int from 200 to 999, not {}", short(status)))
        })?;
        let status = status_code(code)?;
        Ok(Fields::new(status, 8).announcing(trailers).read(headers)?.finish(None))
    }

    /// Checks a header list alone (`websocket.accept`).
    ///
    /// # Errors
    /// The same as for [`ResponseHead::from_asgi`].
    pub fn headers_from_asgi(headers: Option<&Bound<'_, PyAny>>) -> PyResult<HeaderMap> {
        Ok(Fields::new(StatusCode::SWITCHING_PROTOCOLS, 4).read(headers)?.list.into_map())
    }
}

/// Parses `200 OK`. Returns the code, and the reason phrase if it is not the usual one. `200` alone is allowed.
fn parse_status(text: &str) -> PyResult<(StatusCode, Option<Box<[u8]>>)> {
    if text == "200 OK" {
        return Ok((StatusCode::OK, None));
    }
    let (code, reason) = text.split_once(' ').unwrap_or((text, ""));
    let digits = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit());
    let code = code.parse().ok().filter(|_| digits);
    let code: u16 = code.ok_or_else(|| {
        PyValueError::new_err(format!("status must begin with three digits, such as '200 OK', not {text:?}"))
    })?;
    let status = status_code(code)?;
    if status.canonical_reason() == Some(reason) {
        return Ok((status, None));
    }
    let reason = latin1_bytes(reason).filter(|bytes| bytes.iter().all(|&byte| is_text(byte)));
    let reason = reason.ok_or_else(|| {
        PyValueError::new_err(format!("status must be latin-1 text without control characters, not {text:?}"))
    })?;
    Ok((status, Some(reason.into())))
}

fn status_code(code: u16) -> PyResult<StatusCode> {
    StatusCode::from_u16(code)
        .ok()
        .filter(|status| !status.is_informational())
        .ok_or_else(|| PyValueError::new_err(format!("status must be from 200 to 999, not {code}")))
}

fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7F)
}

/// The header fields of one response while they are being checked.
struct Fields {
    status: StatusCode,
    list: ResponseFields,
    content_length: Option<u64>,
    announces: bool,
}

impl Fields {
    fn new(status: StatusCode, capacity: usize) -> Self {
        Self {
            status,
            list: ResponseFields::with_capacity(capacity.min(MOST_FIELDS)),
            content_length: None,
            announces: false,
        }
    }

    /// Sets whether trailers may follow the body, which `Trailer` announces.
    fn announcing(self, announces: bool) -> Self {
        Self { announces, ..self }
    }

    fn read(mut self, headers: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let Some(headers) = headers else { return Ok(self) };
        if let Ok(list) = headers.cast_exact::<PyList>() {
            for pair in list.iter() {
                self.take(pair.py(), OCTETS.field(&pair)?)?;
            }
            return Ok(self);
        }
        let pairs = headers.try_iter().map_err(|_| {
            PyTypeError::new_err(format!(
                "'headers' must be an iterable of (name, value) pairs, not {}",
                short(headers)
            ))
        })?;
        for pair in pairs {
            let pair = pair?;
            self.take(pair.py(), OCTETS.field(&pair)?)?;
        }
        Ok(self)
    }

    fn take(&mut self, py: Python<'_>, (field, value): (FieldName, HeaderValue)) -> PyResult<()> {
        match field.purpose {
            Purpose::Length => return self.add_length(value),
            Purpose::Trailer if self.announces => {}
            Purpose::Trailer | Purpose::Connection => {
                warn_once(py, &field.name);
                return Ok(());
            }
            Purpose::Any => {}
        }
        self.append(field.name, value)
    }

    fn append(&mut self, name: HeaderName, value: HeaderValue) -> PyResult<()> {
        if self.list.len() >= MOST_FIELDS {
            return Err(PyValueError::new_err("the response has too many headers"));
        }
        self.list.append(name, value);
        Ok(())
    }

    fn add_length(&mut self, value: HeaderValue) -> PyResult<()> {
        let digits = value.as_bytes();
        let length = value.to_str().ok().filter(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()));
        let length = length.and_then(|text| text.parse::<u64>().ok()).ok_or_else(|| {
            PyValueError::new_err(format!("Content-Length is not a number: {:?}", String::from_utf8_lossy(digits)))
        })?;
        if self.content_length.is_some_and(|earlier| earlier != length) {
            return Err(PyValueError::new_err("the response has two different Content-Length headers"));
        }
        // A 204 has no length.
        if self.content_length.replace(length).is_none() && self.status != StatusCode::NO_CONTENT {
            return self.append(CONTENT_LENGTH, value);
        }
        Ok(())
    }

    fn finish(self, reason: Option<Box<[u8]>>) -> ResponseHead {
        let Self { status, list: fields, content_length, .. } = self;
        let content_length = content_length.filter(|_| status != StatusCode::NO_CONTENT);
        ResponseHead { status, reason, fields, content_length }
    }
}

/// Warns once only, because an application that sets such a field sets it in every response.
fn warn_once(py: Python<'_>, name: &HeaderName) {
    static SAID: AtomicBool = AtomicBool::new(false);
    if !SAID.swap(true, Ordering::Relaxed) {
        log_warning(py, &format!("the response header `{name}` belongs to the server; it and its like are left out"));
    }
}
