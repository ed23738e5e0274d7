//! Sends a body that is an async iterator, from a WSGI thread.
//!
//! Python code iterates over it (`rsgi.bridge.async_body`). This file recognises such a body, writes its pieces, and
//! shows the Python code whether the client has left while there are no pieces.
//!
//! Spec: PEP 3333 "Buffering and Streaming".

use std::sync::Arc;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBool;

use crate::error::Disconnected;
use crate::response::exchange::{Ended, Exchange, Next};
use crate::response::start_response::body_bytes;

/// What kind of body a response object has.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum BodyKind {
    /// Unknown. It is iterated over.
    Unsaid,
    /// The body is complete in memory.
    InMemory,
    /// The body is an async iterator.
    Async,
}

/// Finds the kind of a body, from two attributes of Django's responses (`HttpResponse.streaming`,
/// `StreamingHttpResponse.is_async`).
///
/// # Errors
/// An exception of these attributes.
pub fn kind_of(iterable: &Bound<'_, PyAny>) -> PyResult<BodyKind> {
    let py = iterable.py();
    match says(iterable.getattr_opt(intern!(py, "streaming"))?) {
        None => Ok(BodyKind::Unsaid),
        Some(false) => Ok(BodyKind::InMemory),
        Some(true) => {
            let is_async = says(iterable.getattr_opt(intern!(py, "is_async"))?) == Some(true);
            Ok(if is_async { BodyKind::Async } else { BodyKind::Unsaid })
        }
    }
}

fn says(attribute: Option<Bound<'_, PyAny>>) -> Option<bool> {
    let attribute = attribute?;
    Some(attribute.cast_exact::<PyBool>().ok()?.is_true())
}

/// The response of such a body, for the Python code.
#[pyclass(frozen, module = "rsgi._rsgi")]
#[derive(Debug)]
pub struct AsyncBody(Arc<Exchange>);

#[pymethods]
impl AsyncBody {
    /// Sends a piece. Blocks while the client is slow. Returns whether more pieces are wanted.
    #[pyo3(signature = (piece, /))]
    fn write(&self, py: Python<'_>, piece: &Bound<'_, PyAny>) -> PyResult<bool> {
        Ok(self.0.write(py, body_bytes(piece)?)? == Next::Continue)
    }

    /// Whether the client has left. Never blocks.
    fn abandoned(&self) -> bool {
        self.0.is_gone()
    }
}

/// Sends a body that is an async iterator.
///
/// # Errors
/// An exception of the iteration, or [`Disconnected`] if the client has left.
pub fn send(py: Python<'_>, iterable: &Bound<'_, PyAny>, exchange: &Arc<Exchange>) -> PyResult<Ended> {
    let response = Bound::new(py, AsyncBody(Arc::clone(exchange)))?;
    py.import("rsgi.bridge.async_body")?.call_method1("send", (iterable, response))?;
    if exchange.is_gone() {
        return Err(Disconnected.into());
    }
    exchange.finish()
}
