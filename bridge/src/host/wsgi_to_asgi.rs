//! `rsgi.WsgiToAsgi`: a WSGI application as an ASGI callable, under any ASGI server.
//!
//! The coroutine that calls `receive` and `send` is Python code (`python/rsgi/bridge/wsgi_to_asgi.py`). The rest is
//! here: it makes an `environ` from the scope, and connects the pool with two bounded pipes. The call itself
//! (`call.rs`) is the same as in the server.
//!
//! Spec: PEP 3333; ASGI HTTP 2.5.

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::call::{Outcome, Report, run};
use crate::error::{BodyError, Disconnected};
use crate::host::awaitable::{Awaitable, LoopHandle};
use crate::host::events::{Event, EventSink, Events, ResponseEvent, lock};
use crate::host::foreign_loop::ForeignLoop;
use crate::host::main_loop;
use crate::host::scope_request::{BridgeRequest, ScopeRequest};
use crate::host::wsgi_pool::WsgiPool;
use crate::pipe::{Capacity, PipeReader, PipeWriter, pipe};
use crate::pool::{Job, JobHandle};
use crate::report::{log_remark, report_call};
use crate::request::environ::{Concurrency, EnvironTemplate};
use crate::request::input::Input;
use crate::request::source::{BodySource, shared};
use crate::request::spool::WholeBody;
use crate::response::exchange::Exchange;
use crate::response::overflow::Overflow;

/// The settings of a bridge, which are attributes of a `rsgi.WsgiToAsgi`.
#[derive(Debug, FromPyObject)]
struct BridgeSettings {
    request_buffer_bytes: usize,
    response_buffer_bytes: usize,
    response_spool_bytes: u64,
    duplicate_header_limit: usize,
    max_body_bytes: Option<u64>,
    reraise_exc_info: bool,
}

/// A WSGI application, and the pool that runs it.
#[pyclass(frozen, module = "rsgi._rsgi")]
#[derive(Debug)]
pub struct WsgiBridge {
    name: Arc<str>,
    app: Py<PyAny>,
    environ: EnvironTemplate,
    pool: Py<WsgiPool>,
    settings: BridgeSettings,
    /// The loop of the latest call. Calls of the same loop are woken together.
    event_loop: Mutex<Option<Arc<ForeignLoop>>>,
}

#[pymethods]
impl WsgiBridge {
    /// Calls `app` in `pool`.
    #[new]
    fn new(py: Python<'_>, app: Py<PyAny>, name: &str, pool: Py<WsgiPool>, settings: BridgeSettings) -> PyResult<Self> {
        let multithread = pool.get().threads > 1;
        let environ = EnvironTemplate::new(py, Concurrency { multithread, multiprocess: false })?;
        Ok(Self { name: name.into(), app, environ, pool, settings, event_loop: Mutex::new(None) })
    }

    /// Reads an HTTP scope.
    ///
    /// Raises `ValueError` if the scope is not a valid request.
    fn request(&self, scope: &Bound<'_, PyDict>) -> PyResult<BridgeRequest> {
        let request = ScopeRequest::read(scope)?;
        let refusal = self.refusal(&request);
        BridgeRequest::new(request, scope, refusal)
    }

    /// Starts the call in the pool. Returns `None` if its queue is full. `body` is the whole body (`bytes` or a
    /// `BodySpool`), or `None` if `feed` will bring it.
    fn call(
        slf: &Bound<'_, Self>,
        request: &BridgeRequest,
        event_loop: &Bound<'_, PyAny>,
        context: Py<PyAny>,
        body: Option<WholeBody<'_>>,
    ) -> PyResult<Option<BridgeCall>> {
        let this = slf.get();
        let read = lock(&request.read).take();
        let (read, scope) = read.ok_or_else(|| PyRuntimeError::new_err("the call was started already"))?;
        let (source, writer, length) = match body {
            None => {
                let (writer, reader) = pipe(this.settings.request_buffer_bytes);
                (BodySource::Pipe(reader), Some(writer), None)
            }
            Some(body) => {
                let (source, length) = body.source()?;
                let unsaid = request.declared.is_none() && (length > 0 || request.chunked);
                (source, None, unsaid.then_some(length))
            }
        };
        let (events, response) = pipe(this.settings.response_buffer_bytes);
        let (runs, over) = pipe(1);
        let pool = this.pool.get().pool(slf.py())?;
        let job_handle = pool.job_handle();
        let job = BridgeJob {
            bridge: slf.clone().unbind(),
            request: read,
            source: Some(source),
            content_length: length,
            sends_files: request.sends_files,
            events: Arc::new(Mutex::new(Some(events))),
            scope,
            context,
            event_loop: event_loop.clone().unbind(),
            _runs: runs,
        };
        if pool.submit(Box::new(job), job_handle.clone()).is_err() {
            return Ok(None);
        }
        let handle = this.way_into(event_loop);
        Ok(Some(BridgeCall {
            handle,
            job_handle,
            body: Mutex::new(writer),
            response: Arc::new(Mutex::new(ResponseEvent::Coming(response))),
            app: Arc::clone(&this.name),
            over: Arc::new(over),
        }))
    }
}

impl WsgiBridge {
    /// What the server needs to call the application without the bridge: the application, its pool, and its `environ`
    /// template.
    ///
    /// # Errors
    /// When the threads cannot be started.
    pub fn native(&self, py: Python<'_>) -> PyResult<(Py<PyAny>, Arc<crate::pool::Pool>, EnvironTemplate)> {
        Ok((self.app.clone_ref(py), self.pool.get().pool(py)?, self.environ.clone_ref(py)))
    }

    /// Whether the server may call the application without the bridge. That is so if the bridge has no settings that
    /// the server does not implement. The server lets at most `header_fields` header fields through.
    pub fn allows_native(&self, header_fields: usize) -> bool {
        let settings = &self.settings;
        !settings.reraise_exc_info
            && settings.max_body_bytes.is_none()
            && settings.duplicate_header_limit >= header_fields
    }

    fn way_into(&self, event_loop: &Bound<'_, PyAny>) -> Arc<ForeignLoop> {
        let mut last = lock(&self.event_loop);
        match &*last {
            Some(way) if way.leads_to(event_loop) => Arc::clone(way),
            _ => Arc::clone(last.insert(ForeignLoop::new(event_loop.clone().unbind()))),
        }
    }

    /// Status and reason, if a request must not reach the application.
    fn refusal(&self, request: &ScopeRequest) -> Option<(u16, String)> {
        let limit = self.settings.duplicate_header_limit;
        if request.most_repeats() > limit {
            return Some((431, format!("a header comes more than {limit} times")));
        }
        match (&request.declared, self.settings.max_body_bytes) {
            (Err(reason), _) => Some((400, reason.clone())),
            (Ok(Some(declared)), Some(most)) if *declared > most => {
                Some((413, format!("the body is larger than {most} bytes")))
            }
            _ => None,
        }
    }
}

/// A running call, for the coroutine in `python/rsgi/bridge/wsgi_to_asgi.py`.
#[pyclass(frozen, module = "rsgi._rsgi")]
#[derive(Debug)]
pub struct BridgeCall {
    handle: Arc<ForeignLoop>,
    job_handle: JobHandle,
    body: Mutex<Option<PipeWriter<Bytes>>>,
    response: Arc<Mutex<ResponseEvent>>,
    /// The name of the application.
    app: Arc<str>,
    /// Ends when the call's last Python code has run.
    over: Arc<PipeReader<Bytes>>,
}

#[pymethods]
impl BridgeCall {
    /// Adds a piece of the request body. Awaiting the result waits for room.
    fn feed(slf: &Bound<'_, Self>, chunk: &Bound<'_, PyBytes>) -> Awaitable {
        let py = slf.py();
        let this = slf.get();
        let room = match &*lock(&this.body) {
            None => true,
            Some(body) => {
                // If the application has ended, nobody reads the body, so it is dropped.
                chunk.as_bytes().is_empty() || body.push(shared(chunk)) != Ok(Capacity::Full)
            }
        };
        if room {
            return Awaitable::finished(Ok(py.None()));
        }
        let call = slf.clone().unbind();
        let poll = move |py: Python<'_>, context: &mut Context<'_>| match &*lock(&call.get().body) {
            None => Poll::Ready(Ok(py.None())),
            Some(body) => body.poll_ready(context).map(|_gone| Ok(py.None())),
        };
        Awaitable::waiting(Arc::clone(&this.handle) as Arc<dyn LoopHandle>, Box::new(poll))
    }

    /// Awaiting it waits until the application reads (`True`) or has ended (`False`).
    fn wanted(slf: &Bound<'_, Self>) -> Awaitable {
        let call = slf.clone().unbind();
        let poll = move |py: Python<'_>, context: &mut Context<'_>| {
            let wanted = match &*lock(&call.get().body) {
                None => Poll::Ready(Err(Disconnected)),
                Some(body) => body.poll_wanted(context),
            };
            wanted.map(|wanted| Ok(wanted.is_ok().into_pyobject(py)?.to_owned().into_any().unbind()))
        };
        Awaitable::waiting(Arc::clone(&slf.get().handle) as Arc<dyn LoopHandle>, Box::new(poll))
    }

    /// Ends the request body.
    fn finish_body(&self) {
        if let Some(body) = lock(&self.body).take() {
            body.finish();
        }
    }

    /// Notes that the client has gone. From now on, the application gets an error when it reads or sends.
    fn disconnect(&self) {
        if let Some(body) = lock(&self.body).take() {
            body.fail(BodyError::Disconnected);
        }
        let response = std::mem::replace(&mut *lock(&self.response), ResponseEvent::Over);
        if matches!(response, ResponseEvent::Coming(_)) {
            self.job_handle.leave();
        }
    }

    /// Awaiting it waits until the thread has ended the call, including `close()` of the iterable.
    fn over(&self) -> Awaitable {
        let over = Arc::clone(&self.over);
        let poll = move |py: Python<'_>, context: &mut Context<'_>| over.poll_next(context).map(|_| Ok(py.None()));
        Awaitable::waiting(Arc::clone(&self.handle) as Arc<dyn LoopHandle>, Box::new(poll))
    }

    /// The next messages to send, as a list. `None` at the end.
    ///
    /// Raises the application's exception, so that the middleware and the log of the host see it. Raises `RuntimeError`
    /// if the response broke off for another reason. The host server then cuts the connection, unless the response was
    /// complete.
    fn messages(&self) -> Awaitable {
        let response = Arc::clone(&self.response);
        let app = Arc::clone(&self.app);
        let poll = move |py: Python<'_>, context: &mut Context<'_>| lock(&response).poll_messages(py, &app, context);
        Awaitable::waiting(Arc::clone(&self.handle) as Arc<dyn LoopHandle>, Box::new(poll))
    }
}

/// A call in the queue of the pool.
struct BridgeJob {
    bridge: Py<WsgiBridge>,
    request: ScopeRequest,
    source: Option<BodySource>,
    content_length: Option<u64>,
    sends_files: bool,
    events: Events,
    scope: Py<PyDict>,
    context: Py<PyAny>,
    event_loop: Py<PyAny>,
    /// Dropped with the job. That ends `BridgeCall.over`.
    _runs: PipeWriter<Bytes>,
}

impl Job for BridgeJob {
    fn run(mut self: Box<Self>, py: Python<'_>, job_handle: &JobHandle) {
        let outcome = self.call(py, job_handle);
        let events = lock(&self.events).take();
        // If the pipe is dropped without an end, the response breaks off.
        if let Some(events) = events
            && let Err(error) = outcome
        {
            // Fails if the client has gone.
            let _gone = events.push(Event::Failed(error));
        }
    }
}

impl BridgeJob {
    /// # Errors
    /// The application's exception, if the host must see it.
    fn call(&mut self, py: Python<'_>, job_handle: &JobHandle) -> PyResult<()> {
        main_loop::offer(py, Some(self.event_loop.bind(py)))?;
        let source = self.source.take().unwrap_or(BodySource::Empty);
        let Self { bridge, request, scope, context, .. } = &*self;
        let bridge = bridge.get();
        let events = Arc::clone(&self.events);
        let reraises = bridge.settings.reraise_exc_info;
        let overflow = Overflow::new(bridge.settings.response_spool_bytes);
        let sink = EventSink {
            events,
            job_handle: job_handle.clone(),
            overflow,
            sends_files: self.sends_files,
            replaced: None,
            reraises,
        };
        let exchange = Exchange::new(Box::new(sink), request.method == "HEAD");
        let input = Bound::new(py, Input::new(source))?;
        let environ = bridge.environ.build(py, &request.view(self.content_length), input.clone().into_any())?;
        environ.set_item(intern!(py, "asgi.scope"), scope)?;
        let Report { outcome, close_error } = run(py, bridge.app.bind(py), environ, &exchange, Some(context.bind(py)));
        let (outcome, raised) = match outcome {
            Outcome::Failed(error) => {
                name_application(py, &error, &bridge.name);
                (Outcome::ClientGone, Some(error))
            }
            other => (other, None),
        };
        let report = Report { outcome, close_error };
        let target = String::from_utf8_lossy(request.target());
        let log_context = request.log_context(&bridge.name, &target);
        report_call(py, log_context, report);
        log_remark(py, log_context, job_handle);
        // If the request body broke off, the application's exception is a consequence of that, and the host does not
        // need it.
        match raised.filter(|_| input.get().failure(py).is_none()) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

/// Adds the name of the application to the traceback, because the host logs it and does not know the name. (Before
/// Python 3.11, exceptions have no notes.)
fn name_application(py: Python<'_>, error: &PyErr, name: &str) {
    let note = format!("in the WSGI application `{name}`, called by rsgi.WsgiToAsgi");
    let value = error.value(py);
    // An exception may be raised more than once, but gets one note.
    let said = value.getattr("__notes__").and_then(|notes| notes.contains(&note)).unwrap_or(false);
    if !said && let Err(error) = value.call_method1(intern!(py, "add_note"), (note,)) {
        // Without the note, only the name is missing.
        drop(error);
    }
}
