//! Runs one WSGI call: calls the application, sends what it returns, and always closes it.
//!
//! The server's gateway and the bridge both use it, so they cannot differ. The whole call, including the iteration and
//! `close()`, runs on one thread and in one `contextvars` context. If the application returns a plain list or tuple,
//! its code has ended: there is nothing to iterate over inside the context, and nothing to close.
//!
//! Spec: PEP 3333 "The Application/Framework Side", "Buffering and Streaming", "Handling the Content-Length Header".

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use pyo3::call::PyCallArgs;
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyIterator, PyList, PyTuple};

use crate::error::{is_clients_doing, short};
use crate::process::Process;
use crate::response::async_body::{self, BodyKind, kind_of};
use crate::response::exchange::{Ended, Exchange, Next};
use crate::response::file_wrapper::FileWrapper;
use crate::response::start_response::{StartResponse, body_bytes};
use crate::spare::{Spare, has_only};

/// How a call ended.
#[derive(Debug)]
pub enum Outcome {
    /// The response was sent. Its body may not have had its declared length.
    Sent(Ended),
    /// The client left, or did not send its whole body. This is no error of the application.
    ClientGone,
    /// The application raised an exception, or violated PEP 3333.
    Failed(PyErr),
}

/// What must be reported about a call.
#[derive(Debug)]
pub struct Report {
    /// How the call ended.
    pub outcome: Outcome,
    /// The exception of `close()` of the iterable.
    pub close_error: Option<PyErr>,
}

impl Report {
    /// Whether there is nothing to report.
    pub fn is_empty(&self) -> bool {
        self.close_error.is_none() && matches!(self.outcome, Outcome::ClientGone | Outcome::Sent(Ended::Whole))
    }
}

/// Calls the application for one request. The response goes to `exchange`, and is ended in every case.
///
/// `context` is the `contextvars.Context` of the call. Without one, a new context is used.
///
/// # Threads
/// Blocks the calling thread while the application runs and while the client is slow.
pub fn run(
    py: Python<'_>,
    app: &Bound<'_, PyAny>,
    environ: Bound<'_, PyDict>,
    exchange: &Arc<Exchange>,
    context: Option<&Bound<'_, PyAny>>,
) -> Report {
    let prepared = Context::new(py, context).and_then(|context| Ok((context, StartResponse::new(py, exchange)?)));
    let (result, close_error) = match prepared {
        Err(error) => (Err(error), None),
        Ok((context, start_response)) => {
            let sent = called(py, &context, (app, environ, start_response.callable()), exchange);
            start_response.give_back();
            context.give_back();
            sent
        }
    };
    let outcome = match result {
        Ok(ended) => Outcome::Sent(ended),
        Err(error) => {
            exchange.fail();
            if is_clients_doing(py, &error) { Outcome::ClientGone } else { Outcome::Failed(error) }
        }
    };
    Report { outcome, close_error }
}

/// Returns whether the body had its declared length, or the exception. Also returns the exception of `close()`.
fn called<'py>(
    py: Python<'py>,
    context: &Context<'py>,
    (app, environ, start_response): (&Bound<'py, PyAny>, Bound<'py, PyDict>, &Bound<'py, PyAny>),
    exchange: &Arc<Exchange>,
) -> (PyResult<Ended>, Option<PyErr>) {
    match Process::this().returned(py, context.run((app, environ, start_response))) {
        Err(error) => (Err(error), None),
        Ok(iterable) => match whole_body(&iterable) {
            // The application's code has ended.
            Some(whole) => (whole.and_then(|whole| exchange.complete(py, whole)), None),
            None => iterated(py, context, iterable, exchange),
        },
    }
}

static NEW_CONTEXT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// Empty contexts that nobody else has, each with its bound method `run`.
static SPARE: Spare<(Py<PyAny>, Py<PyAny>)> = Spare::new();

/// The `contextvars.Context` of a call.
enum Context<'py> {
    /// The context of the caller.
    Given(Bound<'py, PyAny>),
    /// A new context.
    New(Bound<'py, PyAny>),
    /// A context of an earlier call, which is empty again, with its bound method `run`.
    Again(Bound<'py, PyAny>, Bound<'py, PyAny>),
}

impl<'py> Context<'py> {
    fn new(py: Python<'py>, given: Option<&Bound<'py, PyAny>>) -> PyResult<Self> {
        if let Some(context) = given {
            return Ok(Self::Given(context.clone()));
        }
        if let Some((context, run)) = SPARE.take(py) {
            return Ok(Self::Again(context.into_bound(py), run.into_bound(py)));
        }
        NEW_CONTEXT.import(py, "contextvars", "Context")?.call0().map(Self::New)
    }

    /// Calls the first of `arguments` with the others, in this context.
    fn run(&self, arguments: impl PyCallArgs<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Self::Given(context) | Self::New(context) => context.call_method1(intern!(context.py(), "run"), arguments),
            Self::Again(_, run) => run.call1(arguments),
        }
    }

    /// Keeps the context for another call, if it is empty and nobody else has it.
    fn give_back(self) {
        let (context, run) = match self {
            Self::New(context) if has_only(&context, 1) && is_empty(&context) => {
                let Ok(run) = context.getattr(intern!(context.py(), "run")) else { return };
                (context, run)
            }
            // The bound method holds one more reference to the context.
            Self::Again(context, run) if has_only(&run, 1) && has_only(&context, 2) && is_empty(&context) => {
                (context, run)
            }
            Self::Given(_) | Self::New(_) | Self::Again(..) => return,
        };
        SPARE.give_back(context.py(), (context.unbind(), run.unbind()));
    }
}

fn is_empty(context: &Bound<'_, PyAny>) -> bool {
    context.len().is_ok_and(|variables| variables == 0)
}

/// The joined body of a plain list or tuple. `None` for any other iterable.
fn whole_body(iterable: &Bound<'_, PyAny>) -> Option<PyResult<Bytes>> {
    if let Ok(list) = iterable.cast_exact::<PyList>() {
        return Some(joined(list.iter().map(Ok)));
    }
    let tuple = iterable.cast_exact::<PyTuple>().ok()?;
    Some(joined(tuple.iter().map(Ok)))
}

/// Iterates over the body. Returns the same as `called`.
fn iterated<'py>(
    py: Python<'py>,
    context: &Context<'py>,
    iterable: Bound<'py, PyAny>,
    exchange: &Arc<Exchange>,
) -> (PyResult<Ended>, Option<PyErr>) {
    let iteration = Iteration {
        iterable: iterable.unbind(),
        exchange: Arc::clone(exchange),
        ended: Mutex::new(Ended::Whole),
        close_error: Mutex::new(None),
    };
    let iteration = match Bound::new(py, iteration) {
        Ok(iteration) => iteration,
        Err(error) => return (Err(error), None),
    };
    let result = context.run((&iteration,));
    let iteration = iteration.get();
    let close_error = iteration.close_error.lock().unwrap_or_else(PoisonError::into_inner).take();
    let ended = result.map(|_| *iteration.ended.lock().unwrap_or_else(PoisonError::into_inner));
    (ended, close_error)
}

/// The iteration and `close()` as a Python callable, for `Context.run`.
#[pyclass(frozen, module = "rsgi")]
struct Iteration {
    iterable: Py<PyAny>,
    exchange: Arc<Exchange>,
    ended: Mutex<Ended>,
    close_error: Mutex<Option<PyErr>>,
}

#[pymethods]
impl Iteration {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        let iterable = self.iterable.bind(py);
        let process = Process::this();
        let sent = process.returned(py, send_body(py, iterable, &self.exchange));
        if let Err(error) = process.returned(py, close(py, iterable)) {
            *self.close_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        }
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = sent?;
        Ok(())
    }
}

/// Calls `close()` of the iterable. Its iterator need not have one.
fn close(py: Python<'_>, iterable: &Bound<'_, PyAny>) -> PyResult<()> {
    if let Some(close) = iterable.getattr_opt(intern!(py, "close"))? {
        close.call0()?;
    }
    Ok(())
}

fn send_body(py: Python<'_>, iterable: &Bound<'_, PyAny>, exchange: &Arc<Exchange>) -> PyResult<Ended> {
    if let Ok(wrapper) = iterable.cast::<FileWrapper>()
        && exchange.file(py, wrapper.get())?
    {
        return Ok(Ended::Whole);
    }
    if iterable.is_instance_of::<PyBytes>() {
        // To iterate over bytes would give integers. This error explains it better.
        return Err(PyTypeError::new_err(
            "the application returned bytes; it must return an iterable of bytes, such as [body]",
        ));
    }
    // Only checked without a declared length. An iterable without `len()` raises an error, which costs more than a
    // call.
    let undeclared = !exchange.declares_length();
    let kind = if undeclared { kind_of(iterable)? } else { BodyKind::Unsaid };
    if kind == BodyKind::Async {
        return async_body::send(py, iterable, exchange);
    }
    let chunks = iterable.try_iter().map_err(|_| {
        PyTypeError::new_err(format!("the application must return an iterable of bytes, not {}", short(iterable)))
    })?;
    if kind == BodyKind::InMemory {
        return exchange.complete(py, joined(chunks)?);
    }
    let single = undeclared && iterable.len().is_ok_and(|length| length == 1);
    send_chunks(py, chunks, single, exchange)
}

/// Joins a body that is complete, to send it in one piece with its length.
fn joined<'py>(mut chunks: impl Iterator<Item = PyResult<Bound<'py, PyAny>>>) -> PyResult<Bytes> {
    let Some(first) = chunks.next() else { return Ok(Bytes::new()) };
    let first = body_bytes(&first?)?;
    let Some(second) = chunks.next() else { return Ok(first) };
    let mut whole = Vec::from(first);
    for chunk in std::iter::once(second).chain(chunks) {
        whole.extend_from_slice(&body_bytes(&chunk?)?);
    }
    Ok(whole.into())
}

fn send_chunks(py: Python<'_>, chunks: Bound<'_, PyIterator>, single: bool, exchange: &Exchange) -> PyResult<Ended> {
    let process = Process::this();
    for chunk in chunks {
        let chunk = body_bytes(&process.returned(py, chunk)?)?;
        if single {
            // The iterable has one element, so the length is known.
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
