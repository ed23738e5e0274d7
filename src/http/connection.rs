//! The requests of one connection over HTTP/1 or HTTP/2: head → route → gateway → response.
//!
//! `h1/`, `h2.rs` and `stream.rs` know the bytes of both versions. Gateways know applications, but no connections. No
//! line of this file touches Python.
//!
//! Spec: RFC 9110 15.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use futures::FutureExt;
use http::{HeaderValue, Method, StatusCode};

use crate::access_log::LogEntry;
use crate::gateway::client_state::ClientState;
use crate::gateway::websocket;
use crate::grip::{Origin, held, is_asked};
use crate::http::choose::{call, choose};
use crate::http::forwarded::{Memo, Proxies};
use crate::http::health;
use crate::http::service::Service;
use crate::metrics::{Counted, OpenConnection, Protocol};
use crate::request::activity::Activity;
use crate::request::body::RawBody;
use crate::request::error::RequestError;
use crate::request::head::{Peer, RequestHead};
use crate::request::identity;
use crate::request::parts::RequestParts;
use crate::response::app_response::AppResponse;
use crate::response::in_flight::{InFlight, Logged};
use crate::runtime::shutdown::{Phase, ShutdownGuard};
use crate::wire::Refusal;

/// The part of a connection that its requests use.
#[derive(Debug)]
pub struct Connection {
    /// What all connections share.
    pub service: Arc<Service>,
    /// What gateways need while they answer its requests.
    pub client: ClientState,
    peer: Arc<Peer>,
    /// What a proxy said about the request before.
    forwarded: Memo,
    pub(super) guard: ShutdownGuard,
    /// Counts the connection as open, if there are metrics.
    _open: Option<OpenConnection>,
}

impl Connection {
    /// A connection.
    pub fn new(service: Arc<Service>, peer: Box<Peer>, guard: ShutdownGuard, speaks: Protocol) -> Self {
        let open = service.metrics.as_ref().map(|metrics| OpenConnection::new(metrics, speaks));
        let (client, forwarded) = (ClientState::default(), Memo::default());
        Self { service, client, peer: peer.into(), forwarded, guard, _open: open }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.peer.gone.store(true, Ordering::Release);
    }
}

/// A request, and its response before it is sent. Boxed everywhere, because it is large and moves often.
#[derive(Debug)]
pub struct ChosenResponse {
    /// The response. A 500 until there is another.
    pub response: AppResponse,
    /// The request, which ends with the response.
    pub in_flight: InFlight,
    /// The id of the request, if requests have one.
    pub id: Option<HeaderValue>,
}

impl ChosenResponse {
    /// The application has responded.
    pub(super) fn responded(&mut self) {
        self.in_flight.responded(&mut self.response);
    }
}

/// Answers one request. Every kind of request can go this way.
pub(super) async fn respond(
    connection: Arc<Connection>,
    mut head: Box<RequestHead>,
    body: RawBody,
    activity: Option<Arc<Activity>>,
) -> Box<ChosenResponse> {
    let mut chosen = connection.begin(&mut head, activity);
    chosen.response = surviving(dispatch(&connection, head, body, &mut chosen.in_flight)).await;
    chosen
}

/// The response to a request that is refused.
pub(super) fn refused(refusal: &Refusal) -> AppResponse {
    AppResponse::Error(RequestError::closing(refusal.status, refusal.reason.clone()))
}

impl Connection {
    /// The head of a request, with what trusted proxies say about the client.
    pub(super) fn head(&self, parts: RequestParts) -> Box<RequestHead> {
        let mut head = Box::new(RequestHead::new(parts, Arc::clone(&self.peer)));
        if let Some(proxies) = &self.service.proxies {
            proxies.apply(&mut head, &self.forwarded);
        }
        head
    }

    /// Starts a request whose head is complete: counts it, and gives it an id.
    pub(super) fn begin(&self, head: &mut RequestHead, activity: Option<Arc<Activity>>) -> Box<ChosenResponse> {
        if let Some(name) = &self.service.own_fields.request_id {
            // With `--trust-proxy`, only trusted proxies may set the id.
            let choosy = self.service.proxies.as_ref().is_some_and(Proxies::is_choosy);
            let believed = !choosy || head.peer.is_trusted();
            identity::give(name, head, believed);
        }
        let (log, id) = (logged(&self.service, head), head.request_id.clone());
        let in_flight = InFlight::start(activity, head.began, log, self.counted(&head.parts.method));
        Box::new(ChosenResponse { response: AppResponse::failed(), in_flight, id })
    }

    /// Whether only an application can answer the request, and its response is sent as it is.
    pub(super) fn is_plain(&self, head: &RequestHead) -> bool {
        let Service { static_files, compression, document, .. } = &*self.service;
        let may_change = static_files.is_some() || compression.is_some() || document.is_some();
        !may_change && !self.is_health_check(head)
    }

    fn is_health_check(&self, head: &RequestHead) -> bool {
        self.service.settings.health_path.as_deref() == Some(head.path())
    }

    /// Counts a request, if the number of requests is limited.
    pub(super) fn count(&self) {
        if let Some(wear) = &self.service.wear {
            wear.count_request();
        }
    }

    /// The response to bytes that are not a valid request. The connection closes after it. `line` is the start of these
    /// bytes.
    pub fn refuse(&self, refusal: &Refusal, line: Vec<u8>) -> Box<ChosenResponse> {
        let id = self.service.own_fields.request_id.as_ref().map(|_| identity::made());
        let log = self.service.access_log.as_ref();
        let log = log.map(|log| {
            let entry = Box::new(LogEntry::refused(Arc::clone(&self.peer), line, id.clone(), log.wanted()));
            Logged { log: log.clone(), entry }
        });
        let in_flight = InFlight::start(None, Instant::now(), log, self.counted(&Method::GET));
        Box::new(ChosenResponse { response: refused(refusal), in_flight, id })
    }

    fn counted(&self, method: &Method) -> Option<Counted> {
        self.service.metrics.as_ref().map(|metrics| Counted::new(metrics, method))
    }
}

/// What the access log needs from a request, if the request is logged.
fn logged(service: &Service, head: &mut RequestHead) -> Option<Logged> {
    let log = service.access_log.as_ref().filter(|_| !service.settings.is_unlogged(head.path()))?;
    if log.wanted().queue {
        head.queued = Some(Arc::default());
    }
    Some(Logged { log: log.clone(), entry: Box::new(LogEntry::new(head, log.wanted())) })
}

/// Turns a panic of our code into a 500. It ends one request, never the connection's task or the server.
pub(super) fn surviving(dispatching: impl Future<Output = AppResponse>) -> impl Future<Output = AppResponse> {
    AssertUnwindSafe(dispatching).catch_unwind().map(|response| response.unwrap_or_else(|_| panicked()))
}

/// The response after a panic of our code.
pub(super) fn panicked() -> AppResponse {
    crate::log::line(format_args!("error: rsgi itself failed (the panic is above); please report it"));
    AppResponse::Error(RequestError::new(StatusCode::INTERNAL_SERVER_ERROR, "the server failed"))
}

async fn dispatch(
    connection: &Connection,
    mut head: Box<RequestHead>,
    body: RawBody,
    in_flight: &mut InFlight,
) -> AppResponse {
    if connection.is_health_check(&head) {
        return health::response(&head, connection.guard.phase() == Phase::Serving);
    }
    if let Some(document) = &connection.service.document
        && let Some(response) = document.response(&head)
    {
        in_flight.served_by_server(&document.name);
        return response;
    }
    connection.count();
    let upgrade = websocket::requested(&head.parts);
    if let Some(files) = connection.service.static_files.as_ref().filter(|_| !upgrade)
        && let Some(responding) = files.respond(&head)
        && let Some(response) = responding.await
    {
        in_flight.served_by_server(&files.name);
        return response;
    }
    let compression = connection.service.compression.as_ref().filter(|_| !upgrade);
    let compressed =
        compression.map(|compression| (compression, compression.negotiate(&head.parts.fields, head.is_head())));
    let mut chosen = match choose(connection, (&mut head, upgrade), &body, in_flight) {
        Ok(chosen) => chosen,
        Err(error) => return AppResponse::Error(error),
    };
    let origin = chosen.origin.take();
    let (mut response, fate) = call(connection, chosen, (head, upgrade), body, in_flight).await;
    let mut is_held = false;
    if let Some(origin) = origin.filter(|_| is_asked(&mut response)) {
        (response, is_held) = hold(connection, response, origin, in_flight).boxed().await;
    }
    in_flight.responded(&mut response);
    if let Some((compression, negotiated)) = compressed.filter(|_| !is_held) {
        response = compression.apply(response, negotiated).boxed().await;
        if let (AppResponse::Compressed(_, stream), Some(follower)) = (&mut response, &mut in_flight.follower) {
            stream.copied(follower.copy_elsewhere());
        }
    }
    match fate.as_ref().and_then(|fate| fate.failure()) {
        Some(error) => AppResponse::Error(error.clone().into()),
        None => response,
    }
}

/// Does what a response with a GRIP instruction asks for. Also returns whether the response is held.
pub(super) async fn hold(
    connection: &Connection,
    response: AppResponse,
    mut origin: Box<Origin>,
    in_flight: &mut InFlight,
) -> (AppResponse, bool) {
    let Some(grip) = &connection.service.grip else { return (response, false) };
    origin.app = in_flight.app().unwrap_or_default();
    let client = (connection.guard.clone(), &connection.client.half_closed);
    held(grip, response, *origin, client, in_flight).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_a_500() {
        let response = futures::executor::block_on(surviving(async { panic!("a fault of ours") }));
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
