//! The messages of a WebSocket as Python objects: reads and checks what the application sends, and makes what it
//! receives.
//!
//! `exchange.rs` knows which message may follow which. Unknown keys are ignored.
//!
//! Spec: ASGI WebSocket 2.5 ("Accept", "Send", "Close", "Receive", "Disconnect"); RFC 6455 5.5.1, 7.4.

use http::Version;
use http::header::{
    CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_PROTOCOL,
};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyInt, PyString};
use rsgi_bridge::error::{ClientDisconnected, short};
use rsgi_bridge::response::response_head::ResponseHead;

use super::super::response_messages::{bytes_of, response_head};
use super::piped::Outbound;

/// The longest reason in a close frame, in bytes.
const LONGEST_REASON: usize = 123;

/// Header fields of the accepting response that an application cannot set, and the error for each.
const SERVERS_OWN: [(HeaderName, &str); 4] = [
    (SEC_WEBSOCKET_PROTOCOL, "the subprotocol is accepted with 'subprotocol', not with a header"),
    (SEC_WEBSOCKET_EXTENSIONS, "the header Sec-WebSocket-Extensions is the server's to set"),
    (SEC_WEBSOCKET_ACCEPT, "the header Sec-WebSocket-Accept is the server's to set"),
    (CONTENT_LENGTH, "the response that accepts a WebSocket has no body, and so no Content-Length"),
];

type Message<'a, 'py> = &'a Bound<'py, PyDict>;

/// The value under `key`, unless it is `None`.
fn given<'py>(message: Message<'_, 'py>, key: &Bound<'py, PyString>) -> PyResult<Option<Bound<'py, PyAny>>> {
    Ok(message.get_item(key)?.filter(|value| !value.is_none()))
}

fn text_of(key: &str, value: &Bound<'_, PyAny>) -> PyResult<String> {
    let text = value.cast::<PyString>();
    let text = text.map_err(|_| PyTypeError::new_err(format!("'{key}' must be str, not {}", short(value))))?;
    // Raises `UnicodeEncodeError` for lone surrogates, which have no UTF-8.
    Ok(text.to_str()?.to_owned())
}

/// `websocket.accept`: the subprotocol and the header fields.
///
/// # Errors
/// When the message is invalid; the text says what was expected.
pub(super) fn accept(
    py: Python<'_>,
    message: Message<'_, '_>,
    offered: &[String],
) -> PyResult<(Option<HeaderValue>, HeaderMap)> {
    let subprotocol = given(message, intern!(py, "subprotocol"))?;
    let subprotocol = subprotocol.map(|value| text_of("subprotocol", &value)).transpose()?;
    if let Some(chosen) = &subprotocol
        && !offered.contains(chosen)
    {
        return Err(PyValueError::new_err(format!(
            "the subprotocol {chosen:?} is not one that the client offered: {offered:?}"
        )));
    }
    let subprotocol = subprotocol.and_then(|chosen| HeaderValue::from_str(&chosen).ok());
    let headers = ResponseHead::headers_from_asgi(given(message, intern!(py, "headers"))?.as_ref())?;
    match SERVERS_OWN.iter().find(|(name, _)| headers.contains_key(name)) {
        Some((_, reason)) => Err(PyValueError::new_err(*reason)),
        None => Ok((subprotocol, headers)),
    }
}

/// `websocket.http.response.start`: the head of the response that denies the handshake.
///
/// # Errors
/// When the message is invalid; the text says what was expected.
pub(super) fn denial(py: Python<'_>, message: Message<'_, '_>, version: Version) -> PyResult<ResponseHead> {
    let head = response_head(py, message, false)?;
    if version == Version::HTTP_2 && head.status.is_success() {
        let status = head.status.as_u16();
        let text = format!("a WebSocket over HTTP/2 is not denied with {status}: any 2xx would accept it");
        return Err(PyValueError::new_err(text));
    }
    Ok(head)
}

/// `websocket.close`: the code (1000 by default) and the reason.
///
/// # Errors
/// When the message is invalid; the text says what was expected.
pub(super) fn close(py: Python<'_>, message: Message<'_, '_>) -> PyResult<(i64, String)> {
    let code = given(message, intern!(py, "code"))?;
    let code = code.map_or(Ok(1000), |code| {
        let wrong = || PyTypeError::new_err(format!("'code' must be an int, not {}", short(&code)));
        // A number that exceeds an `i64` is out of range, too.
        code.cast::<PyInt>().map_err(|_| wrong())?.extract().or(PyResult::Ok(i64::MAX))
    })?;
    let reason = given(message, intern!(py, "reason"))?;
    let reason = reason.map_or(Ok(String::new()), |reason| text_of("reason", &reason))?;
    Ok((code, reason))
}

/// Checks the code and the reason for a close frame. Returns the code.
///
/// # Errors
/// When one of them is invalid; the text says what was expected.
pub(super) fn close_frame(code: i64, reason: &str) -> PyResult<u16> {
    let code = u16::try_from(code).ok().filter(|code| matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999));
    let code = code.ok_or_else(|| {
        PyValueError::new_err("'code' must be one that may be sent: 1000-1003, 1007-1014 or 3000-4999")
    })?;
    if reason.len() > LONGEST_REASON {
        let length = reason.len();
        return Err(PyValueError::new_err(format!(
            "'reason' must be at most {LONGEST_REASON} bytes in UTF-8, not {length}"
        )));
    }
    Ok(code)
}

/// `websocket.send`: text or bytes.
///
/// # Errors
/// When the message is invalid; the text says what was expected.
pub(super) fn data(py: Python<'_>, message: Message<'_, '_>) -> PyResult<Outbound> {
    let (text, bytes) = (given(message, intern!(py, "text"))?, given(message, intern!(py, "bytes"))?);
    match (text, bytes) {
        (Some(text), None) => text_of("text", &text).map(Outbound::Text),
        (None, Some(bytes)) => bytes_of("bytes", &bytes).map(Outbound::Binary),
        (None, None) => Err(PyValueError::new_err("'websocket.send' has neither 'text' (str) nor 'bytes' (bytes)")),
        (Some(_), Some(_)) => {
            Err(PyValueError::new_err("'websocket.send' has both 'text' and 'bytes'; it takes one of them"))
        }
    }
}

/// The error for a message that can no longer reach the client.
pub(super) fn client_left<T>(_: T) -> PyErr {
    ClientDisconnected::new_err("the client has left the WebSocket")
}

/// `websocket.connect`.
pub(super) fn connected(py: Python<'_>) -> PyResult<Py<PyAny>> {
    let message = PyDict::new(py);
    message.set_item(intern!(py, "type"), intern!(py, "websocket.connect"))?;
    Ok(message.into_any().unbind())
}

/// `websocket.receive` with text or bytes.
pub(super) fn received(py: Python<'_>, text: Option<&str>, bytes: Option<&[u8]>) -> PyResult<Py<PyAny>> {
    let message = PyDict::new(py);
    message.set_item(intern!(py, "type"), intern!(py, "websocket.receive"))?;
    if let Some(text) = text {
        message.set_item(intern!(py, "text"), text)?;
    }
    if let Some(bytes) = bytes {
        message.set_item(intern!(py, "bytes"), PyBytes::new(py, bytes))?;
    }
    Ok(message.into_any().unbind())
}

/// `websocket.disconnect`.
pub(super) fn disconnected(py: Python<'_>, code: u16, reason: &str) -> PyResult<Py<PyAny>> {
    let message = PyDict::new(py);
    message.set_item(intern!(py, "type"), intern!(py, "websocket.disconnect"))?;
    message.set_item(intern!(py, "code"), code)?;
    message.set_item(intern!(py, "reason"), reason)?;
    Ok(message.into_any().unbind())
}
