//! The requests of one connection over HTTP/1 or HTTP/2: head → route → gateway → response.
//!
//! `h1/` and `h2.rs` know the bytes of both versions. Gateways know applications, but no connections. No line of this
//! file touches Python.
//!
//! Spec: RFC 9110 15.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use futures::FutureExt;
use futures::future::{BoxFuture, Either};
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;

use crate::access_log::LogEntry;
use crate::gateway::call::Call;
use crate::gateway::{probe, websocket};
use crate::grip::{Grip, Origin, answer as held};
use crate::http::forwarded::{Memo, Proxies};
use crate::http::health;
use crate::http::service::Service;
use crate::metrics::{Counted, OpenConnection, Protocol};
use crate::request::activity::Activity;
use crate::request::body::{BodyFate, RawBody, RequestBody};
use crate::request::error::RequestError;
use crate::request::half_closed::HalfClosed;
use crate::request::head::{Peer, RequestHead};
use crate::request::identity;
use crate::request::parts::RequestParts;
use crate::request::routed::{asked, decided_by, named};
use crate::response::app_response::{AppResponse, ResponseBody};
use crate::response::decision_fields::DecisionFields;
use crate::response::in_flight::{InFlight, Logged};
use crate::route::Decision;
use crate::runtime::shutdown::{Phase, ShutdownGuard};
use crate::shadow::SHADOW;
use crate::wire::{DataRate, Refusal, SpareTimer, check_message};

/// The part of a connection that its requests use.
#[derive(Debug)]
pub struct Connection {
    /// What all connections share.
    pub service: Arc<Service>,
    /// Whether the client has closed its sending side.
    pub half_closed: HalfClosed,
    peer: Arc<Peer>,
    /// What a proxy said about the request before.
    forwarded: Memo,
    guard: ShutdownGuard,
    timer: SpareTimer,
    /// Counts the connection as open, if there are metrics.
    _open: Option<OpenConnection>,
}

impl Connection {
    /// A connection.
    pub fn new(service: Arc<Service>, peer: Box<Peer>, guard: ShutdownGuard, speaks: Protocol) -> Self {
        let open = service.metrics.as_ref().map(|metrics| OpenConnection::new(metrics, speaks));
        Self {
            service,
            half_closed: HalfClosed::default(),
            peer: peer.into(),
            forwarded: Memo::default(),
            guard,
            timer: SpareTimer::default(),
            _open: open,
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.peer.gone.store(true, Ordering::Release);
    }
}

/// A response before it is sent, and its request.
#[derive(Debug)]
pub struct ChosenResponse {
    /// The response.
    pub response: AppResponse,
    /// The request, which ends with the response.
    pub in_flight: InFlight,
    /// The id of the request, if requests have one.
    pub id: Option<HeaderValue>,
}

/// The response to one request.
pub type ResponseFuture = BoxFuture<'static, ChosenResponse>;

/// The response to one HTTP/2 request. It never fails, because errors become responses.
pub type Http2Answer = BoxFuture<'static, Result<Response<ResponseBody>, Infallible>>;

/// Answers one HTTP/2 request, which `activity` counts.
pub fn answer(connection: Arc<Connection>, activity: Arc<Activity>, request: Request<Incoming>) -> Http2Answer {
    let (parts, incoming) = request.into_parts();
    let refusal = check_message(&parts, &connection.service.limits).err();
    let body = RawBody::Http2(incoming, Box::new(DataRate::new(&connection.service.limits)));
    let head = connection.head(RequestParts::of_http2(parts));
    let is_head = head.is_head();
    Box::pin(async move {
        let ChosenResponse { response, in_flight, id } = match refusal {
            None => answered(Arc::clone(&connection), head, body, Some(activity)).await,
            Some(refusal) => {
                let (_, in_flight, id) = connection.begin(head, Some(activity));
                ChosenResponse { response: refused(&refusal), in_flight, id }
            }
        };
        let mut response = response.into_http2(in_flight, is_head);
        connection.service.own_fields.complete(&mut response, id);
        Ok(response)
    })
}

/// Answers one HTTP/1 request.
///
/// Head and answer are in a box each: an idle connection keeps no room for them, and what goes from hand to hand is small.
pub fn answer_http1(connection: &Arc<Connection>, parts: RequestParts, body: RawBody) -> ResponseFuture {
    let head = connection.head(parts);
    Box::pin(answered(Arc::clone(connection), head, body, None))
}

async fn answered(
    connection: Arc<Connection>,
    head: Box<RequestHead>,
    body: RawBody,
    activity: Option<Arc<Activity>>,
) -> ChosenResponse {
    let (head, mut in_flight, id) = connection.begin(head, activity);
    let response = surviving(dispatch(&connection, head, body, &mut in_flight)).await;
    ChosenResponse { response, in_flight, id }
}

fn refused(refusal: &Refusal) -> AppResponse {
    AppResponse::Error(RequestError::closing(refusal.status, refusal.reason.clone()))
}

impl Connection {
    fn head(&self, parts: RequestParts) -> Box<RequestHead> {
        let mut head = Box::new(RequestHead::new(parts, Arc::clone(&self.peer)));
        if let Some(proxies) = &self.service.proxies {
            proxies.apply(&mut head, &self.forwarded);
        }
        head
    }

    /// Starts a request whose head is complete: counts it, and gives it an id.
    fn begin(
        &self,
        mut head: Box<RequestHead>,
        activity: Option<Arc<Activity>>,
    ) -> (Box<RequestHead>, InFlight, Option<HeaderValue>) {
        if let Some(name) = &self.service.own_fields.request_id {
            // With `--trust-proxy`, only trusted proxies may set the id.
            let choosy = self.service.proxies.as_ref().is_some_and(Proxies::is_choosy);
            let believed = !choosy || head.peer.is_trusted();
            identity::give(name, &mut head, believed);
        }
        let (log, id) = (logged(&self.service, &mut head), head.request_id.clone());
        let in_flight = InFlight::start(activity, head.began, log, self.counted(&head.parts.method));
        (head, in_flight, id)
    }

    /// The response to bytes that are not a valid request. The connection closes after it. `line` is the start of these
    /// bytes.
    pub fn refuse(&self, refusal: &Refusal, line: Vec<u8>) -> ChosenResponse {
        let id = self.service.own_fields.request_id.as_ref().map(|_| identity::made());
        let log = self.service.access_log.as_ref();
        let log = log.map(|log| {
            let entry = Box::new(LogEntry::refused(Arc::clone(&self.peer), line, id.clone(), log.wanted()));
            Logged { log: log.clone(), entry }
        });
        let in_flight = InFlight::start(None, Instant::now(), log, self.counted(&Method::GET));
        ChosenResponse { response: refused(refusal), in_flight, id }
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
fn surviving(dispatching: impl Future<Output = AppResponse>) -> impl Future<Output = AppResponse> {
    AssertUnwindSafe(dispatching).catch_unwind().map(|answer| {
        answer.unwrap_or_else(|_| {
            crate::log::line(format_args!("error: rsgi itself failed (the panic is above); please report it"));
            AppResponse::Error(RequestError::new(StatusCode::INTERNAL_SERVER_ERROR, "the server failed"))
        })
    })
}

async fn dispatch(
    connection: &Connection,
    head: Box<RequestHead>,
    body: RawBody,
    in_flight: &mut InFlight,
) -> AppResponse {
    if connection.service.settings.health_path.as_deref() == Some(head.path()) {
        return health::answer(&head, connection.guard.phase() == Phase::Serving);
    }
    if let Some(document) = &connection.service.document
        && let Some(answer) = document.answer(&head)
    {
        in_flight.answered_by(&document.name);
        return answer;
    }
    if let Some(wear) = &connection.service.wear {
        wear.count_request();
    }
    let upgrade = websocket::requested(&head.parts);
    if let Some(files) = connection.service.static_files.as_ref().filter(|_| !upgrade)
        && let Some(answering) = files.answer(&head)
        && let Some(answer) = answering.await
    {
        in_flight.answered_by(&files.name);
        return answer;
    }
    let compression = connection.service.compression.as_ref().filter(|_| !upgrade);
    let compressed = compression.map(|compression| (compression, compression.wish(&head.parts.fields, head.is_head())));
    let BegunRequest { answering, fate, origin } = match begin(connection, (head, upgrade), body, in_flight) {
        Ok(begun) => begun,
        Err(error) => return AppResponse::Error(error),
    };
    let mut response = answering.await;
    let mut is_held = false;
    if let Some((grip, mut origin)) = connection.service.grip.as_ref().zip(origin) {
        origin.app = in_flight.app().unwrap_or_default();
        let client = (connection.guard.clone(), &connection.half_closed);
        (response, is_held) = held(grip, response, *origin, client, in_flight).boxed().await;
    }
    in_flight.answered(&mut response);
    if let Some((compression, wish)) = compressed.filter(|_| !is_held) {
        response = compression.apply(response, wish).boxed().await;
        if let (AppResponse::Compressed(_, stream), Some(follower)) = (&mut response, &mut in_flight.follower) {
            stream.copied(follower.copy_elsewhere());
        }
    }
    match fate.as_ref().and_then(|fate| fate.failure()) {
        Some(error) => AppResponse::Error(error.clone().into()),
        None => response,
    }
}

/// A request that an application has now.
struct BegunRequest<F> {
    answering: F,
    fate: Option<Arc<BodyFate>>,
    /// What is kept of it, if the response may be held.
    origin: Option<Box<Origin>>,
}

/// Finds the application and hands the request over, which asks for an `upgrade` to a WebSocket or does not. Not `async`, so that nothing of it is kept while the application answers.
///
/// # Errors
/// The answer, when no application gets the request.
fn begin<'a>(
    connection: &'a Connection,
    (mut head, upgrade): (Box<RequestHead>, bool),
    body: RawBody,
    in_flight: &'a mut InFlight,
) -> Result<BegunRequest<impl Future<Output = AppResponse>>, RequestError> {
    let service = &connection.service;
    let routing = service.routing.load();
    let decided = routing.router.decide(&asked(&head, upgrade));
    let decision = decided.decision;
    in_flight.decided_by(&routing, decided.reason, || decided_by(&routing.router, &head, upgrade, decided));
    in_flight.decision =
        DecisionFields::new(service.own_fields.served_by, &routing.router, decided, head.peer.scheme());
    let (first, then, root) = match decision {
        Decision::App { app, root } => (app.0, None, root),
        Decision::Probe { first, then, miss } => (first.0, service.apps.get(then.0).map(|then| (then, miss)), 0),
        Decision::NotFound => return Err(not_found(upgrade)),
    };
    let app = service.apps.get(first).ok_or_else(|| not_found(upgrade))?;
    if service.settings.name_routes {
        head.named = named(&routing.router, &head, upgrade, decided, |app| {
            service.apps.get(app).map(|app| Arc::clone(&app.name))
        });
    }
    head.root += root;
    head.series = in_flight.series();
    if upgrade {
        if service.grip.is_some() {
            Grip::clean(&mut head.parts.fields);
        }
        // What follows the head are frames: a body would be taken for some.
        if head.parts.version != Version::HTTP_2 && !matches!(body, RawBody::Empty) {
            return Err(RequestError::closing(StatusCode::BAD_REQUEST, "a WebSocket handshake has no body"));
        }
        in_flight.enter(&app.load)?;
        let asked = websocket::HandshakeRequest { head, guard: connection.guard.clone(), in_flight };
        let answering = rare(websocket::call(app, asked, &service.settings));
        return Ok(BegunRequest { answering, fate: None, origin: None });
    }
    let limit = service.settings.max_body;
    if let Some(limit) = limit
        && head.content_length().is_some_and(|length| length > limit)
    {
        return Err(rsgi_bridge::error::BodyError::TooLarge { limit }.into());
    }
    in_flight.enter(&app.load)?;
    if let Some(shadowing) = &service.shadowing {
        head.parts.fields.remove(SHADOW.as_str());
        in_flight.follower = shadowing.sample(&asked(&head, upgrade), (&head, root, &body), decision);
    }
    let origin = service.grip.as_ref().map(|grip| {
        grip.sign(&mut head.parts.fields);
        Box::new(Origin::new(Arc::clone(service) as _, &head))
    });
    let body = RequestBody::new(body, limit, head.series.clone());
    let body = body.copied(in_flight.follower.as_ref().and_then(|follower| follower.request_body()));
    let fate = body.fate();
    let client = (&connection.timer, &connection.half_closed);
    let call = Call { head, body, settings: &service.settings, client };
    let answering = match then {
        None => Either::Left(app.call(call)),
        Some((second, miss)) => rare(probe::call(app, (second, miss), call, in_flight)),
    };
    Ok(BegunRequest { answering, fate, origin })
}

/// Boxes a rare future, so that other requests need no memory for it.
fn rare<'a, F>(answering: impl Future<Output = AppResponse> + Send + 'a) -> Either<F, BoxFuture<'a, AppResponse>> {
    Either::Right(answering.boxed())
}

fn not_found(upgrade: bool) -> RequestError {
    let reason = if upgrade { "no application accepts a WebSocket here" } else { "no application serves this path" };
    RequestError::new(StatusCode::NOT_FOUND, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_answered_with_500() {
        let response = futures::executor::block_on(surviving(async { panic!("a fault of ours") }));
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
