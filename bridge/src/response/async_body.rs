//! A body that only an event loop can iterate over, sent from a WSGI thread.
//!
//! Kept apart because its iteration is Python code (`rsgi.bridge.async_body`): here is how that recognises such a body, writes its
//! pieces, and sees that the client has left while there are none.
//!
//! Spec: PEP 3333 "Buffering and Streaming".

use std::sync::Arc;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBool;

use crate::error::Disconnected;
use crate::response::exchange::{Ended, Exchange, Next};
use crate::response::start_response::body_bytes;

/// What a response object says about its body.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum BodyKind {
    /// Nothing: it is iterated over.
    Unsaid,
    /// It is here in full.
    InMemory,
    /// It comes from an async iterator.
    Async,
}

/// Django's responses say it (`HttpResponse.streaming`, `StreamingHttpResponse.is_async`).
///
/// # Errors
/// What reading the attributes raises.
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

/// The response of such a body.
#[pyclass(frozen, module = "rsgi._rsgi")]
#[derive(Debug)]
pub struct AsyncBody(Arc<Exchange>);

#[pymethods]
impl AsyncBody {
    /// Sends a piece; blocks while the client is slow. Gives whether more is wanted.
    #[pyo3(signature = (piece, /))]
    fn write(&self, py: Python<'_>, piece: &Bound<'_, PyAny>) -> PyResult<bool> {
        Ok(self.0.write(py, body_bytes(piece)?)? == Next::Continue)
    }

    /// Whether the client has left. Never blocks.
    fn abandoned(&self) -> bool {
        self.0.is_gone()
    }
}

/// Sends such a body.
///
/// # Errors
/// What the iteration raises; that the client has left.
pub fn send(py: Python<'_>, iterable: &Bound<'_, PyAny>, exchange: &Arc<Exchange>) -> PyResult<Ended> {
    let response = Bound::new(py, AsyncBody(Arc::clone(exchange)))?;
    py.import("rsgi.bridge.async_body")?.call_method1("send", (iterable, response))?;
    if exchange.is_gone() {
        return Err(Disconnected.into());
    }
    exchange.finish()
}
