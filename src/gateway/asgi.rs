//! The ASGI gateway: runs one HTTP request as a task of an application.
//!
//! `runtime/event_loop/` runs the tasks, and `http_exchange.rs` has the messages.
//!
//! Spec: ASGI HTTP 2.5 ("HTTP Connection Scope").

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rsgi_bridge::request::scope::{Extensions, ScopeKind, ScopeTemplate};
use rsgi_bridge::spare::Spare;

use super::call::Call;
use super::client_state::ClientState;
use super::disconnect::DisconnectState;
use super::extensions::offered;
use super::http_exchange::{ExchangeState, HttpRequest};
use super::in_time::{self, ResponseTimeout};
use super::pending_call::PendingCall;
use super::request_messages::RequestMessages;
use super::response_messages::ResponseMessages;
use super::scope_observer::ScopeObserver;
use super::spare_exchange::{Given, SpareExchange};
use super::{early_hint, trailers};
use crate::config::settings::Settings;
use crate::request::error::RequestError;
use crate::request::head::RequestHead;
use crate::request::pump::Leftover;
use crate::request::recorder::Recorder;
use crate::response::app_response::AppResponse;
use crate::runtime::calls::{AppCalls, RunningCall};
use crate::runtime::event_loop::start::start_call;
use crate::runtime::event_loop::task_callbacks::TaskCallbacks;
use crate::runtime::event_loop::{EventLoop, LoopEvent, Start};
use crate::runtime::response_queue::{Responder, ResponseQueue};

/// A body up to this length that arrived with its head is read before the application is called, so that `receive()`
/// need not wait. In bytes.
const SMALL_BODY: u64 = 64 * 1024;

/// One ASGI application.
#[derive(Debug)]
pub struct AsgiGateway {
    /// Its name.
    pub name: Arc<str>,
    /// The callable.
    pub app: Py<PyAny>,
    /// The loop that runs it.
    pub event_loop: Arc<EventLoop>,
    /// The parts that all its scopes have in common.
    pub scopes: ScopeTemplate,
    /// The lifespan's `state`. `None` if the application has no lifespan.
    pub state: Mutex<Option<Py<PyDict>>>,
    /// Brings responses back to the connections.
    pub response_queue: Arc<ResponseQueue>,
    /// Its running calls.
    pub calls: Arc<AppCalls>,
    request_buffer: usize,
    pub(super) extensions: Extensions,
    /// How many bytes of a response may wait for the client.
    pub response_buffer: usize,
    /// How long it may take until its response begins.
    pub limit: Option<Duration>,
    /// `receive` and `send` of finished requests, to use again.
    pub(super) spare_exchanges: Arc<Spare<SpareExchange>>,
}

impl AsgiGateway {
    /// A gateway to `app`, whose tasks run in `event_loop`.
    pub fn new(
        name: Arc<str>,
        app: Py<PyAny>,
        event_loop: Arc<EventLoop>,
        scopes: ScopeTemplate,
        (response_queue, calls): (Arc<ResponseQueue>, Arc<AppCalls>),
        settings: &Settings,
        limit: Option<Duration>,
    ) -> Self {
        let spare_exchanges: Arc<Spare<SpareExchange>> = Arc::default();
        let spare = Arc::clone(&spare_exchanges);
        // They refer to the application, which refers to the loop.
        event_loop.at_detach(Box::new(move |py| while spare.take(py).is_some() {}));
        Self {
            name,
            app,
            event_loop,
            scopes,
            state: Mutex::new(None),
            response_queue,
            calls,
            request_buffer: settings.request_buffer,
            extensions: offered(settings),
            response_buffer: settings.response_buffer,
            limit,
            spare_exchanges,
        }
    }

    /// A response that has not begun. `call` ends with it.
    pub(super) fn response(&self, responder: Responder, call: Option<RunningCall>) -> ResponseMessages {
        ResponseMessages::new(responder, Arc::clone(&self.response_queue), self.response_buffer, call)
    }

    /// The scope of one request or WebSocket.
    ///
    /// # Errors
    /// When Python is out of memory.
    pub fn scope<'py>(&self, py: Python<'py>, head: &RequestHead, kind: ScopeKind<'_>) -> PyResult<Bound<'py, PyDict>> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = state.as_ref().map(|state| state.bind(py).clone());
        super::call::scope(py, &self.scopes, head, kind, state.as_ref())
    }
}

/// What is kept of a request that a second application may get too.
#[derive(Debug)]
pub struct RequestContext {
    /// Records the body.
    pub recorder: Recorder,
    /// Reads what a router writes into the scope.
    pub observer: Arc<ScopeObserver>,
}

/// Calls the application as a task of the loop, for a request whose body is here and an application without a time limit.
pub fn call_direct(
    gateway: &Arc<AsgiGateway>,
    head: Box<RequestHead>,
    body: Bytes,
    client: &ClientState,
) -> PendingCall {
    submit(gateway, head, RequestMessages::Whole(body), None, client).0
}

/// Calls the application as a task of the loop.
///
/// # Cancel safety
/// If the future is dropped, the application gets `http.disconnect`.
pub async fn call(gateway: &Arc<AsgiGateway>, call: Call<'_>) -> AppResponse {
    let Call { head, mut body, client, .. } = call;
    if body.is_end() {
        return respond(gateway, submit(gateway, head, RequestMessages::Whole(Bytes::new()), None, client), client)
            .await;
    }
    let waits = head.expects_continue();
    let small = head.content_length().is_some_and(|length| length <= SMALL_BODY) && !waits;
    let first = if small { body.collect_ready().await } else { Ok(None) };
    let request = match first {
        Err(error) => return AppResponse::Error(error.into()),
        Ok(Some(whole)) if body.is_end() => RequestMessages::Whole(whole),
        Ok(first) => RequestMessages::Coming(body.pump(gateway.request_buffer, waits, first, None).0),
    };
    respond(gateway, submit(gateway, head, request, None, client), client).await
}

/// Calls the application for a request that a second application may get too. The [`Leftover`] has the body for that.
///
/// # Cancel safety
/// As for [`call`].
pub async fn ask(gateway: &Arc<AsgiGateway>, call: Call<'_>, context: RequestContext) -> (AppResponse, Leftover) {
    let Call { head, body, client, .. } = call;
    let (request, leftover) = if body.is_end() {
        (RequestMessages::Whole(Bytes::new()), Leftover::Untouched(body))
    } else {
        let waits = head.expects_continue();
        let (reader, leftover) = body.pump(gateway.request_buffer, waits, None, Some(context.recorder));
        (RequestMessages::Coming(reader), leftover)
    };
    let submitted = submit(gateway, head, request, Some(context.observer), client);
    (respond(gateway, submitted, client).await, leftover)
}

/// Passes a call to the loop. Also returns the time limit, if there is one.
fn submit(
    gateway: &Arc<AsgiGateway>,
    head: Box<RequestHead>,
    body: RequestMessages,
    observer: Option<Arc<ScopeObserver>>,
    client: &ClientState,
) -> (PendingCall, Option<ResponseTimeout>) {
    let (responder, wait) = client.reply();
    let call = gateway.calls.begin(&head);
    let time =
        gateway.limit.map(|limit| ResponseTimeout { limit, reading: body.reading(), call: call.handle(), wear: None });
    let request =
        Arc::new(HttpRequest { disconnect: DisconnectState::default(), head, observer, gateway: Arc::clone(gateway) });
    let waiting = PendingCall::of_task(wait, Arc::clone(&request) as _);
    let start = HttpStart { request, body, responder, call };
    gateway.event_loop.submit(LoopEvent::Start(Box::new(start)));
    (waiting, time)
}

async fn respond(
    gateway: &Arc<AsgiGateway>,
    (waiting, time): (PendingCall, Option<ResponseTimeout>),
    client: &ClientState,
) -> AppResponse {
    let Some(time) = time else { return waiting.response(client).await };
    let (Some(reply), callee) = waiting.into_parts() else {
        return AppResponse::Error(RequestError::application_failed());
    };
    let response = pin!(in_time::of_task(reply, time, Arc::clone(&gateway.event_loop), &client.timer));
    let response = client.half_closed.watch(response, || callee.doubt()).await;
    callee.responded(response)
}

/// A request on its way to the thread of the loop.
#[derive(Debug)]
pub struct HttpStart {
    request: Arc<HttpRequest>,
    body: RequestMessages,
    responder: Responder,
    call: RunningCall,
}

impl Start for HttpStart {
    /// Builds scope, `receive` and `send`, and starts the task. If the client has left already, there is no call, as in
    /// the queue of the pool. Otherwise a client that resets its requests at once would keep the loop busy for long.
    fn start(self: Box<Self>, py: Python<'_>) {
        let Self { request, body, responder, call } = *self;
        if request.disconnect.is_gone() {
            return;
        }
        let gateway = Arc::clone(&request.gateway);
        request.head.called();
        let mut extensions = gateway.extensions;
        extensions.trailers = extensions.trailers && trailers::accepted(&request.head);
        extensions.early_hint = extensions.early_hint && early_hint::accepted(&request.head);
        let scope = gateway.scope(py, &request.head, ScopeKind::Http { extensions });
        if let (Some(observer), Ok(scope)) = (&request.observer, &scope) {
            observer.watch(scope);
        }
        let state = ExchangeState { body, flushing: false, response: gateway.response(responder, Some(call)), request };
        let started = scope.and_then(|scope| {
            let given = Given::new(py, &gateway.spare_exchanges, state)?;
            let callbacks = TaskCallbacks::new(given.exchange.clone().unbind());
            let functions = (given.receive.clone(), given.send.clone());
            start_call(&gateway.event_loop, gateway.app.bind(py), scope, functions, callbacks);
            given.give_back(&gateway.spare_exchanges);
            Ok(())
        });
        if let Err(error) = started {
            error.write_unraisable(py, None);
        }
    }
}
