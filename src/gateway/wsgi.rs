//! The WSGI gateway: brings a call to the thread pool, and its response back.
//!
//! This side knows the connection. `rsgi_bridge::call` runs the call, and knows Python.
//!
//! Spec: PEP 3333; RFC 9110 10.2.3 (`Retry-After`).

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::poll_fn;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rsgi_bridge::call::run;
use rsgi_bridge::error::BodyError;
use rsgi_bridge::host::main_loop;
use rsgi_bridge::pool::{Job, JobHandle, Pool};
use rsgi_bridge::report::{log_failure, log_remark, report_call};
use rsgi_bridge::request::environ::EnvironTemplate;
use rsgi_bridge::request::input::Input;
use rsgi_bridge::request::scope::{Extensions, ScopeKind, ScopeTemplate};
use rsgi_bridge::request::source::BodySource;
use rsgi_bridge::response::exchange::Exchange;
use tokio::time::Instant;

use super::call::Call;
use super::client_state::ClientState;
use super::in_time::{self, ResponseTimeout};
use super::pending_call::{Callee, PendingCall};
use super::socket_sink::{SinkContext, SocketSink};
use crate::config::choice::RequestBuffering;
use crate::config::settings::Settings;
use crate::gateway::overload;
use crate::metrics::Event;
use crate::request::body::RequestBody;
use crate::request::error::RequestError;
use crate::request::head::RequestHead;
use crate::response::app_response::AppResponse;
use crate::runtime::calls::{AppCalls, RunningCall};
use crate::runtime::event_loop::EventLoop;
use crate::runtime::response_queue::{Responder, ResponseQueue};
use crate::runtime::wear::Wear;

/// What a gateway calls, and where it runs.
#[derive(Debug)]
pub struct WsgiTarget {
    /// The application.
    pub app: Py<PyAny>,
    /// The parts that all its environs have in common.
    pub environ: EnvironTemplate,
    /// The pool that runs it.
    pub pool: Arc<Pool>,
    /// Makes `asgi.scope` for the environ, if the application is inside a `rsgi.WsgiToAsgi`.
    pub scopes: Option<ScopeTemplate>,
}

/// One WSGI application.
#[derive(Debug)]
pub struct WsgiGateway {
    name: Arc<str>,
    target: WsgiTarget,
    sinks: Arc<SinkContext>,
    event_loop: Arc<EventLoop>,
    buffering: RequestBuffering,
    /// How long it may take until its response begins, and what gets a message when all threads hang.
    limit: Option<(Duration, Arc<Wear>)>,
}

impl WsgiGateway {
    /// A gateway to `target`. ASGI applications of the same server run in `event_loop`.
    pub fn new(
        name: Arc<str>,
        target: WsgiTarget,
        (response_queue, calls): (Arc<ResponseQueue>, Arc<AppCalls>),
        event_loop: &Arc<EventLoop>,
        settings: &Settings,
        limit: Option<(Duration, Arc<Wear>)>,
    ) -> Self {
        let buffering = settings.wsgi_request_buffering;
        let (capacity, spool) = (settings.response_buffer, settings.response_spool);
        let sinks = Arc::new(SinkContext { response_queue, calls, capacity, spool });
        Self { name, target, sinks, event_loop: Arc::clone(event_loop), buffering, limit }
    }
}

impl WsgiGateway {
    /// The threads that run the application.
    pub fn pool(&self) -> &Arc<Pool> {
        &self.target.pool
    }

    fn environ<'py>(
        &self,
        py: Python<'py>,
        head: &RequestHead,
        content_length: Option<u64>,
        input: &Bound<'py, Input>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let target = head.target();
        let request = head.view(&target, content_length);
        let environ = self.target.environ.build(py, &request, input.clone().into_any())?;
        if let Some(scopes) = &self.target.scopes {
            let scope = super::call::scope(
                py,
                scopes,
                head,
                ScopeKind::Http { extensions: Extensions::default() },
                Some(&PyDict::new(py)),
            )?;
            environ.set_item(intern!(py, "asgi.scope"), scope)?;
        }
        Ok(environ)
    }
}

/// Calls the application in the pool, for a request whose body is here and an application without a time limit. The
/// body is in memory already, whatever the setting for buffering says.
///
/// # Errors
/// If the queue is full.
pub fn call_direct(
    gateway: &Arc<WsgiGateway>,
    head: Box<RequestHead>,
    body: Bytes,
    timeout: Duration,
    client: &ClientState,
) -> Result<PendingCall, RequestError> {
    // The head has just been read. To look at the clock again would cost more than it tells.
    let wait = QueueWait { timeout, since: head.began.into() };
    let source = if body.is_empty() { BodySource::Empty } else { BodySource::Bytes(body) };
    submit(gateway, head, (source, None), wait, client).map(|(call, _)| call)
}

/// Calls the application in the pool.
///
/// # Cancel safety
/// If the future is dropped, a call in the queue is dropped, and a running call sees that the client has left.
pub async fn call(gateway: &Arc<WsgiGateway>, call: Call<'_>) -> AppResponse {
    let Call { head, body, settings, client } = call;
    let timeout = settings.queue_timeout.0;
    let prepared = if body.is_end() {
        Ok((BodySource::Empty, None))
    } else {
        prepare(gateway.buffering, &head, body, settings.request_buffer).await
    };
    let submitted = prepared.map_err(RequestError::from).and_then(|prepared| {
        let wait = QueueWait { timeout, since: Instant::now() };
        submit(gateway, head, prepared, wait, client)
    });
    match submitted {
        Ok((call, None)) => call.response(client).await,
        Ok((call, Some(time))) => respond_in_time(call, time, timeout, client).await,
        Err(error) => AppResponse::Error(error),
    }
}

/// How long a call may wait for a thread.
#[derive(Debug, Clone, Copy)]
struct QueueWait {
    timeout: Duration,
    since: Instant,
}

/// Puts a call into the queue. Its body is prepared. Also returns the time limit, if there is one.
///
/// # Errors
/// If the queue is full.
fn submit(
    gateway: &Arc<WsgiGateway>,
    head: Box<RequestHead>,
    (source, content_length): (BodySource, Option<u64>),
    QueueWait { timeout, since }: QueueWait,
    client: &ClientState,
) -> Result<(PendingCall, Option<ResponseTimeout>), RequestError> {
    let (responder, wait) = client.reply();
    let pool = &gateway.target.pool;
    let job_handle = if gateway.limit.is_some() { pool.timed_job_handle() } else { pool.job_handle() };
    let call = gateway.sinks.calls.begin(&head);
    let time = gateway.limit.as_ref().map(|(limit, wear)| {
        let (reading, wear) = (source.reading(), Some(Arc::clone(wear)));
        ResponseTimeout { limit: *limit, reading, call: call.handle(), wear }
    });
    let job = WsgiJob { gateway: Arc::clone(gateway), head, source, content_length, responder, call };
    let refused = pool.submit(Box::new(job), job_handle.clone()).is_err();
    if refused || pool.is_short() {
        overload::watch(pool);
    }
    if refused {
        return Err(RequestError::busy(Event::QueueFull, "too many requests wait for a thread; try again"));
    }
    Ok((PendingCall::of_thread(wait, job_handle, since, timeout), time))
}

async fn respond_in_time(
    call: PendingCall,
    time: ResponseTimeout,
    timeout: Duration,
    client: &ClientState,
) -> AppResponse {
    let (Some(reply), callee) = call.into_parts() else {
        return AppResponse::Error(RequestError::application_failed());
    };
    let Callee::Thread(call) = &callee else { return AppResponse::Error(RequestError::application_failed()) };
    let response = in_time::of_thread(reply, time, &call.job_handle, (timeout, &client.timer));
    let response = client.half_closed.watch(pin!(response), || callee.doubt()).await;
    callee.responded(response)
}

/// Reads as much of the body as the setting asks for. Also returns the length if no header field has it.
async fn prepare(
    buffering: RequestBuffering,
    head: &RequestHead,
    mut body: RequestBody,
    buffer: usize,
) -> Result<(BodySource, Option<u64>), BodyError> {
    let declared = head.content_length();
    // The application decides whether the client may send the body at all.
    if head.expects_continue() {
        return Ok((BodySource::Pipe(body.pump(buffer, true, None, None).0), None));
    }
    let fits = declared.is_some_and(|length| length <= buffer as u64);
    match (buffering, declared) {
        (RequestBuffering::Off, _) => Ok((BodySource::Pipe(body.pump(buffer, false, None, None).0), None)),
        (RequestBuffering::Auto, Some(_)) if fits => Ok((BodySource::Bytes(body.collect().await?), None)),
        (RequestBuffering::Auto, Some(_)) => {
            let (reader, _) = body.pump(buffer, false, None, None);
            poll_fn(|context| reader.poll_filled(context, usize::MAX)).await?;
            Ok((BodySource::Pipe(reader), None))
        }
        // A chunked body is read completely, so that the application gets the `CONTENT_LENGTH` that many applications
        // need.
        (RequestBuffering::Auto, None) | (RequestBuffering::Full, _) => {
            body.spool().await.map(|(source, length)| (source, Some(length)))
        }
    }
}

/// One call in the queue of the pool.
struct WsgiJob {
    gateway: Arc<WsgiGateway>,
    head: Box<RequestHead>,
    source: BodySource,
    content_length: Option<u64>,
    responder: Responder,
    call: RunningCall,
}

impl Job for WsgiJob {
    fn run(self: Box<Self>, py: Python<'_>, job_handle: &JobHandle) {
        let Self { gateway, head, source, content_length, responder, call } = *self;
        head.called();
        let sink = SocketSink::new(&gateway.sinks, responder, head.is_head(), job_handle.clone(), call.key());
        let exchange = Exchange::new(Box::new(sink), head.is_head());
        let environ = main_loop::offer(py, gateway.event_loop.python(py).as_ref())
            .and_then(|()| Input::of_call(py, source))
            .and_then(|input| Ok((gateway.environ(py, &head, content_length, &input)?, input)));
        let log_context = || head.log_context(&gateway.name);
        match environ {
            Ok((environ, input)) => {
                let report = run(py, gateway.target.app.bind(py), environ, &exchange, None);
                // If the body broke off, errors of the application are the client's fault and are not logged.
                if !report.is_empty() && input.get().failure(py).is_none() {
                    report_call(py, log_context(), report);
                }
                if job_handle.remarked().is_some() {
                    log_remark(py, log_context(), job_handle);
                }
                Input::give_back(input);
            }
            Err(error) => {
                exchange.fail();
                log_failure(py, log_context(), &error);
            }
        }
    }
}
