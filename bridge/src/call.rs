//! One WSGI call: run the application, send what it gives, always close it.
//!
//! Kept apart from where calls come from, so that the gateway and the bridge cannot differ. The whole call, iteration and
//! `close()` included, runs on one thread and in one `contextvars` context.
//!
//! Spec: PEP 3333 "The Application/Framework Side", "Buffering and Streaming", "Handling the Content-Length Header".

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyIterator, PyList, PyTuple};

use crate::error::is_clients_doing;
use crate::file_wrapper::FileWrapper;
use crate::response_head::short;
use crate::start_response::{Ended, Exchange, Next, StartResponse, body_bytes};

/// How a call ended.
#[derive(Debug)]
pub enum Outcome {
    /// The response was sent; perhaps with a length that the application got wrong.
    Sent(Ended),
    /// The client went away or broke off its body: nobody's fault here.
    ClientGone,
    /// The application raised, or broke its contract.
    Failed(PyErr),
}

/// What there is to say about a call.
#[derive(Debug)]
pub struct Report {
    /// How it ended.
    pub outcome: Outcome,
    /// What `close()` of the iterable raised.
    pub close_error: Option<PyErr>,
}

/// Runs the application for one request; the response goes to `exchange`, and is ended whatever happens.
///
/// `context` is the `contextvars.Context` to run in; a fresh one without it.
///
/// # Threads
/// Blocks the calling thread for as long as the application runs and the client is slow.
pub fn run(
    py: Python<'_>,
    app: &Bound<'_, PyAny>,
    environ: Bound<'_, PyDict>,
    exchange: &Arc<Exchange>,
    context: Option<&Bound<'_, PyAny>>,
) -> Report {
    let body = CallBody {
        app: app.clone().unbind(),
        environ: environ.unbind(),
        exchange: Arc::clone(exchange),
        ended: Mutex::new(Ended::Whole),
        close_error: Mutex::new(None),
    };
    let (result, close_error) = in_context(py, context, body);
    let outcome = match result {
        Ok(ended) => Outcome::Sent(ended),
        Err(error) => {
            exchange.fail();
            if is_clients_doing(py, &error) { Outcome::ClientGone } else { Outcome::Failed(error) }
        }
    };
    Report { outcome, close_error }
}

static NEW_CONTEXT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// How the body compared to its length, or what was raised; and what `close()` raised.
fn in_context(py: Python<'_>, context: Option<&Bound<'_, PyAny>>, body: CallBody) -> (PyResult<Ended>, Option<PyErr>) {
    let prepared = || -> PyResult<(Bound<'_, CallBody>, Bound<'_, PyAny>)> {
        let context = match context {
            Some(context) => context.clone(),
            None => NEW_CONTEXT.import(py, "contextvars", "Context")?.call0()?,
        };
        Ok((Bound::new(py, body)?, context))
    };
    let (body, context) = match prepared() {
        Ok(prepared) => prepared,
        Err(error) => return (Err(error), None),
    };
    let result = context.call_method1(intern!(py, "run"), (&body,));
    let call = body.get();
    let close_error = call.close_error.lock().unwrap_or_else(PoisonError::into_inner).take();
    let ended = result.map(|_| *call.ended.lock().unwrap_or_else(PoisonError::into_inner));
    (ended, close_error)
}

/// The call as a Python callable, for `Context.run`.
#[pyclass(frozen, module = "rsgi")]
struct CallBody {
    app: Py<PyAny>,
    environ: Py<PyDict>,
    exchange: Arc<Exchange>,
    ended: Mutex<Ended>,
    close_error: Mutex<Option<PyErr>>,
}

#[pymethods]
impl CallBody {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        let start_response = Bound::new(py, StartResponse::new(Arc::clone(&self.exchange)))?;
        let iterable = self.app.bind(py).call1((self.environ.bind(py), start_response))?;
        let sent = send_body(py, &iterable, &self.exchange);
        if let Err(error) = close(py, &iterable) {
            *self.close_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        }
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = sent?;
        Ok(())
    }
}

/// `close()` belongs to the iterable, not to its iterator; plain lists and tuples have none.
fn close(py: Python<'_>, iterable: &Bound<'_, PyAny>) -> PyResult<()> {
    if iterable.is_exact_instance_of::<PyList>() || iterable.is_exact_instance_of::<PyTuple>() {
        return Ok(());
    }
    if let Some(close) = iterable.getattr_opt(intern!(py, "close"))? {
        close.call0()?;
    }
    Ok(())
}

fn send_body(py: Python<'_>, iterable: &Bound<'_, PyAny>, exchange: &Exchange) -> PyResult<Ended> {
    if let Ok(list) = iterable.cast_exact::<PyList>() {
        let whole = joined(list.len(), list.iter())?;
        return exchange.complete(py, whole);
    }
    if let Ok(tuple) = iterable.cast_exact::<PyTuple>() {
        let whole = joined(tuple.len(), tuple.iter())?;
        return exchange.complete(py, whole);
    }
    if let Ok(wrapper) = iterable.cast::<FileWrapper>()
        && exchange.file(py, wrapper.get())?
    {
        return Ok(Ended::Whole);
    }
    if iterable.is_instance_of::<PyBytes>() {
        // Iterating over it would give integers; the mistake deserves a better message.
        return Err(PyTypeError::new_err(
            "the application returned bytes; it must return an iterable of bytes, such as [body]",
        ));
    }
    let single = iterable.len().is_ok_and(|length| length == 1);
    let chunks = iterable.try_iter().map_err(|_| {
        PyTypeError::new_err(format!("the application must return an iterable of bytes, not {}", short(iterable)))
    })?;
    send_chunks(py, chunks, single, exchange)
}

/// A body that is here in full leaves in one piece, with its length.
fn joined<'py>(count: usize, mut chunks: impl Iterator<Item = Bound<'py, PyAny>>) -> PyResult<Bytes> {
    if count == 1
        && let Some(chunk) = chunks.next()
    {
        return body_bytes(&chunk);
    }
    let mut whole = Vec::new();
    for chunk in chunks {
        whole.extend_from_slice(&body_bytes(&chunk)?);
    }
    Ok(whole.into())
}

fn send_chunks(py: Python<'_>, chunks: Bound<'_, PyIterator>, single: bool, exchange: &Exchange) -> PyResult<Ended> {
    for chunk in chunks {
        let chunk = body_bytes(&chunk?)?;
        if single {
            // The iterable says that this is all: its length is known.
            return exchange.complete(py, chunk);
        }
        match exchange.write(py, chunk)? {
            Next::Continue => {}
            Next::Enough => break,
            Next::OverLength => {
                exchange.finish()?;
                return Ok(Ended::OverLength);
            }
        }
    }
    exchange.finish()
}
