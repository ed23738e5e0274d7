//! The errors of a body that crosses threads, the Python exceptions for them, and how messages name an unexpected
//! object.
//!
//! Spec: ASGI HTTP 2.4 "Disconnected client" (an `OSError` from `send`); PEP 3333 "Input and Error Streams".

use std::borrow::Cow;

use pyo3::create_exception;
use pyo3::exceptions::{PyOSError, PyTypeError};
use pyo3::prelude::*;

create_exception!(
    rsgi,
    ClientDisconnected,
    PyOSError,
    "The client has gone: what was not read is lost and what is sent goes nowhere."
);
create_exception!(
    rsgi,
    RequestBodyError,
    PyOSError,
    "The request body broke off: malformed, too large or too slow. It must not be taken for a whole one."
);

/// Why a request body is incomplete.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The client closed the connection.
    #[error("the client disconnected before the request body was complete")]
    Disconnected,
    /// The body is larger than the configured limit.
    #[error("the request body is larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The bytes on the wire are not a valid body.
    #[error("{0}")]
    Malformed(Cow<'static, str>),
    /// The client was slower than the minimum data rate.
    #[error("{0}")]
    TooSlow(Cow<'static, str>),
    /// The server could not store the body: a temporary file failed.
    #[error("the request body could not be kept: {0}")]
    Storage(String),
}

impl From<&BodyError> for PyErr {
    fn from(error: &BodyError) -> Self {
        match error {
            BodyError::Disconnected => ClientDisconnected::new_err(error.to_string()),
            _ => RequestBodyError::new_err(error.to_string()),
        }
    }
}

/// The receiver of a response has gone. Nothing more can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client disconnected before the response was complete")]
pub struct Disconnected;

impl From<Disconnected> for PyErr {
    fn from(error: Disconnected) -> Self {
        ClientDisconnected::new_err(error.to_string())
    }
}

/// How many exceptions of a chain are followed.
const CHAIN: usize = 16;

/// Whether an exception comes from a client that left or did not send its whole body. A framework may have wrapped it
/// in its own exception.
pub fn is_clients_doing(py: Python<'_>, error: &PyErr) -> bool {
    let mut next = Some(error.clone_ref(py));
    for _ in 0..CHAIN {
        let Some(error) = next else { return false };
        if error.is_instance_of::<ClientDisconnected>(py) || error.is_instance_of::<RequestBodyError>(py) {
            return true;
        }
        next = error.cause(py).or_else(|| {
            let context = error.value(py).getattr("__context__").ok()?;
            (!context.is_none()).then(|| PyErr::from_value(context))
        });
    }
    false
}

/// The `TypeError` for an argument of the wrong type.
pub fn wrong_type(what: &str, expected: &str, object: &Bound<'_, PyAny>) -> PyErr {
    PyTypeError::new_err(format!("{what} must be {expected}, not {}", short(object)))
}

/// A short `type (repr)` for messages.
pub fn short(object: &Bound<'_, PyAny>) -> String {
    let kind = object.get_type().name().map_or_else(|_| "?".to_owned(), |name| name.to_string());
    let text = object.repr().map_or_else(|_| String::new(), |repr| repr.to_string_lossy().into_owned());
    let mut short: String = text.chars().take(80).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("{kind} ({short})")
}
