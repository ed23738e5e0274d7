//! `rsgi.WsgiToAsgi`: a WSGI application as an ASGI callable, under any ASGI server.
//!
//! Kept apart from the call, which it shares with the server's own gateway. The coroutine that talks to `receive` and `send` is
//! a few lines of Python (`python/rsgi/bridge.py`); the rest is here: scope → `environ`, a pool, and two bounded pipes.
//!
//! Spec: PEP 3333; ASGI HTTP 2.5.

use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::executor::block_on;
use futures::future::poll_fn;
use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

use crate::awaitable::{Awaitable, LoopHandle};
use crate::call::{Outcome, Report, run};
use crate::environ::{Concurrency, EnvironTemplate};
use crate::error::{BodyError, Disconnected};
use crate::foreign_loop::ForeignLoop;
use crate::input::Input;
use crate::pipe::{PipeReader, PipeWriter, Weight, pipe};
use crate::pool::{Job, Ticket};
use crate::report::{Subject, report_call};
use crate::response_head::ResponseHead;
use crate::scope_request::ScopeRequest;
use crate::sink::{FileBody, ResponseSink};
use crate::source::BodySource;
use crate::spool::BodySpool;
use crate::start_response::Exchange;
use crate::wsgi_pool::WsgiPool;

/// A declared body up to this length is waited for, so that it need not cross in pieces. In bytes.
const SMALL_BODY: u64 = 64 * 1024;

/// How much of a file is read at once, in bytes.
const FILE_CHUNK: u64 = 64 * 1024;

/// The settings of a bridge: attributes of a `rsgi.WsgiToAsgi`.
#[derive(Debug, FromPyObject)]
struct BridgeSettings {
    request_buffer_bytes: usize,
    response_buffer_bytes: usize,
    duplicate_header_limit: usize,
    max_body_bytes: Option<u64>,
    reraise_exc_info: bool,
}

/// A WSGI application and the pool that runs it.
#[pyclass(frozen, module = "rsgi._rsgi")]
#[derive(Debug)]
pub struct WsgiBridge {
    name: Arc<str>,
    app: Py<PyAny>,
    environ: EnvironTemplate,
    pool: Py<WsgiPool>,
    settings: BridgeSettings,
}

#[pymethods]
impl WsgiBridge {
    /// Calls `app` in `pool`; the settings are attributes of `settings`.
    #[new]
    fn new(py: Python<'_>, app: Py<PyAny>, name: &str, pool: Py<WsgiPool>, settings: BridgeSettings) -> PyResult<Self> {
        let multithread = pool.get().threads > 1;
        let environ = EnvironTemplate::new(py, Concurrency { multithread, multiprocess: false })?;
        Ok(Self { name: name.into(), app, environ, pool, settings })
    }

    /// Reads an HTTP scope.
    ///
    /// Raises `ValueError` when it holds what is no request.
    fn request(&self, scope: &Bound<'_, PyDict>) -> PyResult<BridgeRequest> {
        let request = ScopeRequest::read(scope)?;
        let refusal = self.refusal(&request);
        let declared = request.declared.clone().ok().flatten();
        let chunked = request.chunked;
        let expects_continue = request.expects_continue();
        let extensions = scope.get_item(intern!(scope.py(), "extensions"))?.filter(|offered| !offered.is_none());
        let sends_files = extensions.is_some_and(|offered| offered.contains("http.response.pathsend").unwrap_or(false));
        let read = Mutex::new(Some((request, scope.clone().unbind())));
        Ok(BridgeRequest { read, refusal, declared, chunked, expects_continue, sends_files })
    }

    /// Starts the call in the pool; `None` when its queue is full. `body` is all of the body (`bytes` or a `BodySpool`), or
    /// `None` when it will be fed.
    fn call(
        slf: &Bound<'_, Self>,
        request: &BridgeRequest,
        event_loop: Py<PyAny>,
        context: Py<PyAny>,
        body: Option<WholeBody<'_>>,
    ) -> PyResult<Option<BridgeCall>> {
        let this = slf.get();
        let read = request.read.lock().unwrap_or_else(PoisonError::into_inner).take();
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
        let pool = this.pool.get().pool(slf.py())?;
        let ticket = pool.ticket();
        let job = BridgeJob {
            bridge: slf.clone().unbind(),
            request: read,
            source: Some(source),
            content_length: length,
            sends_files: request.sends_files,
            events: Arc::new(Mutex::new(Some(events))),
            scope,
            context,
        };
        if pool.submit(Box::new(job), ticket.clone()).is_err() {
            return Ok(None);
        }
        let handle = Arc::new(ForeignLoop(event_loop));
        Ok(Some(BridgeCall {
            handle,
            ticket,
            body: Mutex::new(writer),
            response: Arc::new(Mutex::new(Some(response))),
        }))
    }
}

impl WsgiBridge {
    /// What the server needs to call the application by itself: the application, its pool, and its `environ` template.
    ///
    /// # Errors
    /// When the threads cannot be started.
    pub fn native(&self, py: Python<'_>) -> PyResult<(Py<PyAny>, Arc<crate::pool::Pool>, EnvironTemplate)> {
        Ok((self.app.clone_ref(py), self.pool.get().pool(py)?, self.environ.clone_ref(py)))
    }

    /// Whether the server's own way says the same: what is the host's to bound there, this bridge bounds otherwise.
    pub fn has_own_rules(&self) -> bool {
        self.settings.reraise_exc_info || self.settings.max_body_bytes.is_some()
    }

    /// Status and reason for a request that is not passed on.
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

/// One request that was read from its scope.
#[pyclass(frozen, module = "rsgi._rsgi")]
#[derive(Debug)]
pub struct BridgeRequest {
    read: Mutex<Option<(ScopeRequest, Py<PyDict>)>>,
    /// Status and reason, when it must not reach the application.
    #[pyo3(get)]
    refusal: Option<(u16, String)>,
    declared: Option<u64>,
    chunked: bool,
    expects_continue: bool,
    sends_files: bool,
}

#[pymethods]
impl BridgeRequest {
    /// Whether the body is handed on while it comes: its length is known, or the client waits to be asked for it.
    #[getter]
    fn streams(&self) -> bool {
        self.expects_continue || self.declared.is_some_and(|length| length > SMALL_BODY)
    }

    /// Whether nothing may be received before the application reads.
    #[getter]
    fn expects_continue(&self) -> bool {
        self.expects_continue
    }

    /// Whether the length of the body is known.
    #[getter]
    fn has_length(&self) -> bool {
        self.declared.is_some()
    }
}

/// A body that is here in full.
#[derive(FromPyObject)]
enum WholeBody<'py> {
    Bytes(Bound<'py, PyBytes>),
    Spool(Bound<'py, BodySpool>),
}

impl WholeBody<'_> {
    fn source(&self) -> PyResult<(BodySource, u64)> {
        Ok(match self {
            Self::Bytes(bytes) if bytes.as_bytes().is_empty() => (BodySource::Empty, 0),
            Self::Bytes(bytes) => {
                let bytes = Bytes::copy_from_slice(bytes.as_bytes());
                let length = bytes.len() as u64;
                (BodySource::Bytes(bytes), length)
            }
            Self::Spool(spool) => spool.get().take()?,
        })
    }
}

/// One call that runs, as the coroutine in `python/rsgi/bridge.py` sees it.
#[pyclass(frozen, module = "rsgi._rsgi")]
#[derive(Debug)]
pub struct BridgeCall {
    handle: Arc<ForeignLoop>,
    ticket: Ticket,
    body: Mutex<Option<PipeWriter<Bytes>>>,
    response: Arc<Mutex<Option<PipeReader<Event>>>>,
}

#[pymethods]
impl BridgeCall {
    /// Takes a piece of the request body; awaiting the result waits for room.
    fn feed(slf: &Bound<'_, Self>, chunk: &Bound<'_, PyBytes>) -> Awaitable {
        let py = slf.py();
        let this = slf.get();
        let room = match &*lock(&this.body) {
            None => true,
            Some(body) => {
                // An application that has ended reads no more: what comes is dropped.
                chunk.as_bytes().is_empty()
                    || body.push(Bytes::copy_from_slice(chunk.as_bytes())).is_err()
                    || body.has_room()
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

    /// Awaiting it waits until the application reads, or has ended: with `True` it reads.
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

    /// Says that the request body is complete.
    fn finish_body(&self) {
        if let Some(body) = lock(&self.body).take() {
            body.finish();
        }
    }

    /// Says that the client has gone: reading raises, and so does sending.
    fn disconnect(&self) {
        if let Some(body) = lock(&self.body).take() {
            body.fail(BodyError::Disconnected);
        }
        if lock(&self.response).take().is_some() {
            self.ticket.leave();
        }
    }

    /// The next messages to send, a list; `None` at the end.
    ///
    /// Raises what the application raised, so that the host's middleware and log see it; `RuntimeError` when the response
    /// breaks off otherwise. The host server cuts the connection then.
    fn messages(&self) -> Awaitable {
        let response = Arc::clone(&self.response);
        let poll = move |py: Python<'_>, context: &mut Context<'_>| poll_messages(py, &mut lock(&response), context);
        Awaitable::waiting(Arc::clone(&self.handle) as Arc<dyn LoopHandle>, Box::new(poll))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn poll_messages(
    py: Python<'_>,
    response: &mut Option<PipeReader<Event>>,
    context: &mut Context<'_>,
) -> Poll<PyResult<Py<PyAny>>> {
    let Some(events) = response else { return Poll::Ready(Ok(py.None())) };
    let next = match events.poll_next(context) {
        Poll::Pending => return Poll::Pending,
        Poll::Ready(next) => next,
    };
    let messages = match next {
        Some(Ok(Event::Start(head))) => start_message(py, &head).and_then(|start| PyList::new(py, [start])),
        Some(Ok(Event::Chunk(chunk))) => body_message(py, &chunk, true).and_then(|body| PyList::new(py, [body])),
        Some(Ok(Event::Complete(head, body))) => {
            start_message(py, &head).and_then(|start| PyList::new(py, [start, body_message(py, &body, false)?]))
        }
        Some(Ok(Event::Path(head, path))) => {
            start_message(py, &head).and_then(|start| PyList::new(py, [start, path_message(py, &path)?]))
        }
        Some(Ok(Event::End)) => body_message(py, &Bytes::new(), false).and_then(|body| PyList::new(py, [body])),
        Some(Ok(Event::Failed(error))) => {
            *response = None;
            Err(error)
        }
        None => {
            *response = None;
            return Poll::Ready(Ok(py.None()));
        }
        Some(Err(_)) => {
            *response = None;
            Err(PyRuntimeError::new_err("the response of the WSGI application broke off"))
        }
    };
    Poll::Ready(messages.map(|messages| messages.into_any().unbind()))
}

fn start_message<'py>(py: Python<'py>, head: &ResponseHead) -> PyResult<Bound<'py, PyDict>> {
    let headers = PyList::empty(py);
    for (name, value) in &head.headers {
        headers.append((PyBytes::new(py, name.as_str().as_bytes()), PyBytes::new(py, value.as_bytes())))?;
    }
    let message = PyDict::new(py);
    message.set_item(intern!(py, "type"), intern!(py, "http.response.start"))?;
    message.set_item(intern!(py, "status"), head.status.as_u16())?;
    message.set_item(intern!(py, "headers"), headers)?;
    Ok(message)
}

fn body_message<'py>(py: Python<'py>, body: &Bytes, more: bool) -> PyResult<Bound<'py, PyDict>> {
    let message = PyDict::new(py);
    message.set_item(intern!(py, "type"), intern!(py, "http.response.body"))?;
    message.set_item(intern!(py, "body"), PyBytes::new(py, body))?;
    message.set_item(intern!(py, "more_body"), more)?;
    Ok(message)
}

fn path_message<'py>(py: Python<'py>, path: &std::path::Path) -> PyResult<Bound<'py, PyDict>> {
    let message = PyDict::new(py);
    message.set_item(intern!(py, "type"), intern!(py, "http.response.pathsend"))?;
    message.set_item(intern!(py, "path"), path.as_os_str())?;
    Ok(message)
}

/// A step of a response on its way to the loop.
#[derive(Debug)]
enum Event {
    Complete(ResponseHead, Bytes),
    Path(ResponseHead, PathBuf),
    Start(ResponseHead),
    Chunk(Bytes),
    End,
    Failed(PyErr),
}

impl Weight for Event {
    fn weight(&self) -> usize {
        match self {
            Self::Complete(_, chunk) | Self::Chunk(chunk) => chunk.len(),
            Self::Path(..) | Self::Start(_) | Self::End | Self::Failed(_) => 0,
        }
    }
}

/// Where the events of one call go, until it has ended.
type Events = Arc<Mutex<Option<PipeWriter<Event>>>>;

/// Sends the response of one call to the coroutine. How a failed call ends is said by the job, which knows why.
struct EventSink {
    events: Events,
    sends_files: bool,
    /// What the host is to see after the answer.
    replaced: Option<PyErr>,
    reraises: bool,
}

impl EventSink {
    fn push(&self, event: Event) {
        if let Some(events) = &*lock(&self.events) {
            // The client may have gone.
            let _gone = events.push(event);
        }
    }

    fn end(&mut self) {
        if let Some(error) = self.replaced.take() {
            self.push(Event::Failed(error));
        }
        if let Some(events) = lock(&self.events).take() {
            events.finish();
        }
    }
}

impl ResponseSink for EventSink {
    fn complete(&mut self, head: ResponseHead, body: Bytes) {
        self.push(Event::Complete(head, body));
        self.end();
    }

    fn file(&mut self, head: ResponseHead, body: FileBody) -> std::io::Result<()> {
        if let Some(path) = whole_file(&body).filter(|_| self.sends_files) {
            self.push(Event::Path(head, path));
            self.end();
            return Ok(());
        }
        self.start(head);
        let (mut offset, end) = (body.offset, body.offset + body.length);
        while offset < end {
            let mut chunk = vec![0; usize::try_from((end - offset).min(FILE_CHUNK)).map_err(std::io::Error::other)?];
            let read = body.file.read_at(&mut chunk, offset)?;
            if read == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            chunk.truncate(read);
            offset += read as u64;
            self.write(chunk.into()).map_err(|_| std::io::ErrorKind::BrokenPipe)?;
        }
        self.finish();
        Ok(())
    }

    fn start(&mut self, head: ResponseHead) {
        self.push(Event::Start(head));
    }

    fn write(&mut self, chunk: Bytes) -> Result<(), Disconnected> {
        let mut chunk = Some(chunk);
        block_on(poll_fn(|context| match &*lock(&self.events) {
            None => Poll::Ready(Err(Disconnected)),
            Some(events) => {
                if let Some(chunk) = chunk.take() {
                    events.push(Event::Chunk(chunk))?;
                }
                events.poll_ready(context)
            }
        }))
    }

    fn finish(&mut self) {
        self.push(Event::End);
        self.end();
    }

    fn abort(&mut self) {}

    fn fail(&mut self) {}

    fn replaced(&mut self, error: PyErr) {
        self.replaced = Some(error).filter(|_| self.reraises);
    }
}

/// The path of a file that is to be sent whole, if it still leads to that file: `http.response.pathsend` can do no less.
fn whole_file(body: &FileBody) -> Option<PathBuf> {
    let path = body.path.as_ref().filter(|path| path.is_absolute())?;
    let (open, named) = (body.file.metadata().ok()?, std::fs::metadata(path).ok()?);
    let same = (open.dev(), open.ino()) == (named.dev(), named.ino());
    (same && body.offset == 0 && body.length == open.len()).then(|| path.clone())
}

/// One call in the queue of the pool.
struct BridgeJob {
    bridge: Py<WsgiBridge>,
    request: ScopeRequest,
    source: Option<BodySource>,
    content_length: Option<u64>,
    sends_files: bool,
    events: Events,
    scope: Py<PyDict>,
    context: Py<PyAny>,
}

impl Job for BridgeJob {
    fn run(mut self: Box<Self>, py: Python<'_>) {
        let outcome = self.call(py);
        let events = lock(&self.events).take();
        // Dropped without an end, the pipe fails, and the response breaks off.
        if let Some(events) = events
            && let Err(error) = outcome
        {
            // The client may have gone.
            let _gone = events.push(Event::Failed(error));
        }
    }
}

impl BridgeJob {
    /// # Errors
    /// What the application raised, when the host is to see it.
    fn call(&mut self, py: Python<'_>) -> PyResult<()> {
        let source = self.source.take().unwrap_or(BodySource::Empty);
        let Self { bridge, request, scope, context, .. } = &*self;
        let bridge = bridge.get();
        let events = Arc::clone(&self.events);
        let reraises = bridge.settings.reraise_exc_info;
        let sink = EventSink { events, sends_files: self.sends_files, replaced: None, reraises };
        let exchange = Exchange::new(Box::new(sink), request.method == "HEAD");
        let input = Bound::new(py, Input::new(source))?;
        let environ = bridge.environ.build(py, &request.view(self.content_length), input.clone().into_any())?;
        environ.set_item(intern!(py, "asgi.scope"), scope)?;
        let Report { outcome, close_error } = run(py, bridge.app.bind(py), environ, &exchange, Some(context.bind(py)));
        let (outcome, raised) = match outcome {
            Outcome::Failed(error) => (Outcome::ClientGone, Some(error)),
            other => (other, None),
        };
        let report = Report { outcome, close_error };
        let path = String::from_utf8_lossy(&request.path_info);
        report_call(py, Subject { app: &bridge.name, method: &request.method, path: &path }, report);
        // What an application raises because its body broke off is the client's doing.
        match raised.filter(|_| input.get().failure().is_none()) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}
