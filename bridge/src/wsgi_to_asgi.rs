//! `rsgi.WsgiToAsgi`: a WSGI application as an ASGI callable, under any ASGI server.
//!
//! Kept apart from the call, which it shares with the server's own gateway. The coroutine that talks to `receive` and `send` is
//! a few lines of Python (`python/rsgi/bridge.py`); the rest is here: scope → `environ`, a pool, and two bounded pipes.
//!
//! Spec: PEP 3333; ASGI HTTP 2.5.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use futures::executor::block_on;
use futures::future::poll_fn;
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue, TRANSFER_ENCODING};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString};

use crate::awaitable::{Awaitable, LoopHandle};
use crate::call::{Outcome, Report, run};
use crate::environ::{Concurrency, EnvironTemplate, RequestView};
use crate::error::{BodyError, Disconnected};
use crate::input::Input;
use crate::pipe::{PipeReader, PipeWriter, Weight, pipe};
use crate::pool::{Job, Pool};
use crate::report::{Subject, report_call};
use crate::response_head::{ResponseHead, short};
use crate::sink::{FileBody, ResponseSink};
use crate::source::BodySource;
use crate::start_response::Exchange;
use crate::text::percent_decode;

/// Bytes of a request body that wait for the application.
const REQUEST_BUFFER: usize = 256 * 1024;
/// Bytes of a response body that wait for the client.
const RESPONSE_BUFFER: usize = 256 * 1024;

/// A WSGI application with a pool of its own.
#[pyclass(frozen, module = "rsgi._rsgi")]
#[derive(Debug)]
pub struct WsgiBridge {
    name: Arc<str>,
    app: Py<PyAny>,
    environ: EnvironTemplate,
    pool: Arc<Pool>,
}

#[pymethods]
impl WsgiBridge {
    /// Starts `threads` threads, for which at most `queue` calls may wait.
    #[new]
    fn new(py: Python<'_>, app: Py<PyAny>, name: &str, threads: usize, queue: usize) -> PyResult<Self> {
        let environ = EnvironTemplate::new(py, Concurrency { multithread: threads > 1, multiprocess: false })?;
        let pool = Pool::start(py, "rsgi-bridge", threads, queue)?;
        Ok(Self { name: name.into(), app, environ, pool })
    }

    /// Starts the call for an HTTP `scope` in the pool; `None` when its queue is full.
    ///
    /// Raises `ValueError` for a scope that is not an HTTP request.
    fn call(
        slf: &Bound<'_, Self>,
        scope: &Bound<'_, PyDict>,
        event_loop: Py<PyAny>,
        context: Py<PyAny>,
    ) -> PyResult<Option<BridgeCall>> {
        let request = ScopeRequest::read(scope)?;
        let handle = Arc::new(AnyLoop(event_loop));
        let (body, source) = pipe(REQUEST_BUFFER);
        let (events, response) = pipe(RESPONSE_BUFFER);
        let job = BridgeJob {
            bridge: slf.clone().unbind(),
            request,
            source: Some(source),
            events: Arc::new(Mutex::new(Some(events))),
            scope: scope.clone().unbind(),
            context,
        };
        if slf.get().pool.submit(Box::new(job)).is_err() {
            return Ok(None);
        }
        Ok(Some(BridgeCall { handle, body: Mutex::new(Some(body)), response: Arc::new(Mutex::new(Some(response))) }))
    }
}

/// One call that runs, as the coroutine in `python/rsgi/bridge.py` sees it.
#[pyclass(frozen, module = "rsgi._rsgi")]
#[derive(Debug)]
pub struct BridgeCall {
    handle: Arc<AnyLoop>,
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
        drop(lock(&self.response).take());
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
            *response = None;
            start_message(py, &head).and_then(|start| PyList::new(py, [start, body_message(py, &body, false)?]))
        }
        Some(Ok(Event::Failed(error))) => {
            *response = None;
            Err(error)
        }
        None => {
            *response = None;
            body_message(py, &Bytes::new(), false).and_then(|body| PyList::new(py, [body]))
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
    message.set_item("type", intern!(py, "http.response.start"))?;
    message.set_item("status", head.status.as_u16())?;
    message.set_item("headers", headers)?;
    Ok(message)
}

fn body_message<'py>(py: Python<'py>, body: &Bytes, more: bool) -> PyResult<Bound<'py, PyDict>> {
    let message = PyDict::new(py);
    message.set_item("type", intern!(py, "http.response.body"))?;
    message.set_item("body", PyBytes::new(py, body))?;
    message.set_item("more_body", more)?;
    Ok(message)
}

/// A step of a response on its way to the loop.
#[derive(Debug)]
enum Event {
    Complete(ResponseHead, Bytes),
    Start(ResponseHead),
    Chunk(Bytes),
    Failed(PyErr),
}

impl Weight for Event {
    fn weight(&self) -> usize {
        match self {
            Self::Complete(_, chunk) | Self::Chunk(chunk) => chunk.len(),
            Self::Start(_) | Self::Failed(_) => 0,
        }
    }
}

/// Where the events of one call go, until it has ended.
type Events = Arc<Mutex<Option<PipeWriter<Event>>>>;

/// Sends the response of one call to the coroutine. How a failed call ends is said by the job, which knows why.
struct EventSink(Events);

impl EventSink {
    fn push(&self, event: Event) {
        if let Some(events) = &*lock(&self.0) {
            // The client may have gone.
            let _gone = events.push(event);
        }
    }
}

impl ResponseSink for EventSink {
    fn complete(&mut self, head: ResponseHead, body: Bytes) {
        self.push(Event::Complete(head, body));
        self.finish();
    }

    fn file(&mut self, head: ResponseHead, body: FileBody) -> Result<(), (ResponseHead, FileBody)> {
        Err((head, body))
    }

    fn start(&mut self, head: ResponseHead) {
        self.push(Event::Start(head));
    }

    fn write(&mut self, chunk: Bytes) -> Result<(), Disconnected> {
        let mut chunk = Some(chunk);
        block_on(poll_fn(|context| match &*lock(&self.0) {
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
        if let Some(events) = lock(&self.0).take() {
            events.finish();
        }
    }

    fn abort(&mut self) {}

    fn fail(&mut self) {}
}

/// One call in the queue of the pool.
struct BridgeJob {
    bridge: Py<WsgiBridge>,
    request: ScopeRequest,
    source: Option<PipeReader<Bytes>>,
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
        let source = self.source.take().map_or(BodySource::Empty, BodySource::Pipe);
        let Self { bridge, request, scope, context, .. } = &*self;
        let bridge = bridge.get();
        let exchange = Exchange::new(Box::new(EventSink(Arc::clone(&self.events))), request.method == "HEAD");
        let input = Bound::new(py, Input::new(source))?;
        let environ = bridge.environ.build(py, &request.view(), input.clone().into_any())?;
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

/// What `environ` needs of a scope.
#[derive(Debug)]
struct ScopeRequest {
    method: String,
    script_name: Vec<u8>,
    path_info: Vec<u8>,
    query: Vec<u8>,
    target: Vec<u8>,
    protocol: String,
    scheme: String,
    client: Option<(String, u16)>,
    server: Option<(String, u16)>,
    headers: HeaderMap,
}

impl ScopeRequest {
    fn read(scope: &Bound<'_, PyDict>) -> PyResult<Self> {
        let py = scope.py();
        let text = |key: &Bound<'_, PyString>, default: &str| -> PyResult<String> {
            scope.get_item(key)?.map_or_else(|| Ok(default.to_owned()), |value| value.extract())
        };
        let bytes = |key: &Bound<'_, PyString>| -> PyResult<Option<Vec<u8>>> {
            let value = scope.get_item(key)?.filter(|value| !value.is_none());
            value.map(|value| Ok(value.cast::<PyBytes>()?.as_bytes().to_vec())).transpose()
        };
        let path = text(intern!(py, "path"), "/")?;
        let root = text(intern!(py, "root_path"), "")?;
        let raw_path = bytes(intern!(py, "raw_path"))?;
        let query = bytes(intern!(py, "query_string"))?.unwrap_or_default();
        let decoded = decoded_path(&path, raw_path.as_deref());
        let (script_name, path_info) = split_root(root.trim_end_matches('/').as_bytes(), decoded);
        let mut target = raw_path.unwrap_or_else(|| path.into_bytes());
        if !query.is_empty() {
            target.push(b'?');
            target.extend_from_slice(&query);
        }
        Ok(Self {
            method: text(intern!(py, "method"), "GET")?,
            script_name,
            path_info,
            query,
            target,
            protocol: format!("HTTP/{}", text(intern!(py, "http_version"), "1.1")?),
            scheme: text(intern!(py, "scheme"), "http")?,
            client: address(scope, intern!(py, "client"))?,
            server: address(scope, intern!(py, "server"))?,
            headers: header_map(scope)?,
        })
    }

    fn view(&self) -> RequestView<'_> {
        RequestView {
            method: &self.method,
            script_name: self.script_name.as_slice().into(),
            path_info: self.path_info.as_slice().into(),
            query: &self.query,
            target: &self.target,
            protocol: &self.protocol,
            scheme: &self.scheme,
            tls: None,
            client: self.client.as_ref().map(|(address, port)| (address.as_str(), *port)),
            server: self.server.as_ref().map(|(address, port)| (address.as_str(), *port)),
            headers: &self.headers,
            content_length: None,
        }
    }
}

/// The path as bytes: from `raw_path`, which keeps what is not UTF-8, unless a middleware has changed `path` alone.
fn decoded_path(path: &str, raw_path: Option<&[u8]>) -> Vec<u8> {
    if let Some(raw_path) = raw_path {
        let decoded = percent_decode(raw_path);
        if String::from_utf8_lossy(&decoded) == path {
            return decoded.into_owned();
        }
    }
    path.as_bytes().to_vec()
}

/// Splits at the mount point, on a segment boundary. A path that does not begin with it is kept whole.
fn split_root(root: &[u8], path: Vec<u8>) -> (Vec<u8>, Vec<u8>) {
    let path_info = match path.strip_prefix(root) {
        Some(rest) if rest.is_empty() || rest.starts_with(b"/") => rest.to_vec(),
        _ => path,
    };
    (root.to_vec(), path_info)
}

fn address(scope: &Bound<'_, PyDict>, key: &Bound<'_, PyString>) -> PyResult<Option<(String, u16)>> {
    let Some(pair) = scope.get_item(key)?.filter(|pair| !pair.is_none()) else { return Ok(None) };
    let port = pair.get_item(1)?;
    if port.is_none() {
        return Ok(None);
    }
    // Some servers give the port as text.
    let port = port.extract::<u16>().or_else(|_| {
        let text = port.extract::<String>()?;
        text.parse::<u16>().map_err(|_| PyValueError::new_err(format!("the port in {key} is not a number: {text}")))
    })?;
    Ok(Some((pair.get_item(0)?.extract()?, port)))
}

fn header_map(scope: &Bound<'_, PyDict>) -> PyResult<HeaderMap> {
    let mut headers = HeaderMap::new();
    let pairs = scope.get_item(intern!(scope.py(), "headers"))?;
    for pair in pairs.map(|pairs| pairs.try_iter()).transpose()?.into_iter().flatten() {
        let pair = pair?;
        let (name, value) = (pair.get_item(0)?, pair.get_item(1)?);
        let field = HeaderName::from_bytes(name.cast::<PyBytes>()?.as_bytes());
        let content = HeaderValue::from_bytes(value.cast::<PyBytes>()?.as_bytes());
        let (Ok(field), Ok(content)) = (field, content) else {
            return Err(PyValueError::new_err(format!("not a header: {}", short(&pair))));
        };
        if field != TRANSFER_ENCODING {
            headers
                .try_append(field, content)
                .map_err(|_| PyValueError::new_err("the request has too many headers"))?;
        }
    }
    Ok(headers)
}

/// Any asyncio loop, reached with `call_soon_threadsafe`.
#[derive(Debug)]
struct AnyLoop(Py<PyAny>);

impl LoopHandle for AnyLoop {
    fn wait(self: Arc<Self>, py: Python<'_>) -> PyResult<(Py<PyAny>, Waker)> {
        let future = self.0.call_method0(py, intern!(py, "create_future"))?;
        let waker = FutureWaker { event_loop: self, future: Mutex::new(Some(future.clone_ref(py))) };
        Ok((future, Waker::from(Arc::new(waker))))
    }
}

struct FutureWaker {
    event_loop: Arc<AnyLoop>,
    future: Mutex<Option<Py<PyAny>>>,
}

impl Wake for FutureWaker {
    fn wake(self: Arc<Self>) {
        let Some(future) = lock(&self.future).take() else { return };
        Python::attach(|py| {
            let resolve = Bound::new(py, Resolve(future));
            let called = resolve.and_then(|resolve| {
                self.event_loop.0.call_method1(py, intern!(py, "call_soon_threadsafe"), (resolve,))
            });
            // A loop that is closed waits for nothing.
            drop(called);
        });
    }
}

/// Resolves a future that is still waited for.
#[pyclass(frozen, module = "rsgi")]
struct Resolve(Py<PyAny>);

#[pymethods]
impl Resolve {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        if !self.0.call_method0(py, intern!(py, "done"))?.is_truthy(py)? {
            self.0.call_method1(py, intern!(py, "set_result"), (py.None(),))?;
        }
        Ok(())
    }
}
