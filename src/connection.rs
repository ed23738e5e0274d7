//! The requests of one connection, whatever it speaks: head → route → gateway → response.
//!
//! Kept apart from `http1.rs` and `http2.rs`, which run hyper over the two kinds of connections, and from the gateways, which
//! know applications but no connection. No line of this file touches Python.
//!
//! Spec: RFC 9110 15.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arc_swap::ArcSwap;
use futures::FutureExt;
use futures::future::{BoxFuture, Either};
use http::header::{ACCESS_CONTROL_REQUEST_METHOD, HOST, ORIGIN};
use http::request::Parts;
use http::{Request, Response, StatusCode, Version};
use http_body::Body;
use hyper::body::Incoming;

use crate::access_log::{AccessLog, Entry};
use crate::admission::Admission;
use crate::body::{BodyClock, BodyFate, RequestBody};
use crate::compression::Compression;
use crate::decision_fields::DecisionFields;
use crate::error::RequestError;
use crate::forwarded::{Memo, Proxies};
use crate::gateway::{App, Call, probe, websocket};
use crate::head::{Peer, RequestHead, from_http2};
use crate::health;
use crate::identity;
use crate::in_flight::{InFlight, Logged};
use crate::live_shares::LiveShares;
use crate::metrics::{Counted, Metrics, OpenConnection, Protocol, Routing};
use crate::own_fields::OwnFields;
use crate::response::{AppResponse, Asked, ResponseBody};
use crate::route::{Decided, Decision, RouteRequest, Router};
use crate::settings::Settings;
use crate::shutdown::{Alive, Phase};
use crate::static_files::StaticFiles;
use crate::tls::Tls;
use crate::wear::Wear;
use crate::wire::{Limits, Pace, Refusal, SpareAlarm, WireState, check_message};

/// What every connection of the server shares.
#[derive(Debug)]
pub struct Service {
    /// The settings.
    pub settings: Settings,
    /// Who answers what. Looked at once for each request; may be another one for the next.
    pub routing: Arc<ArcSwap<Routing>>,
    /// The live shares.
    pub shares: Arc<LiveShares>,
    /// The applications, in the order of the plan.
    pub apps: Vec<Arc<App>>,
    /// What the wire guard refuses.
    pub limits: Arc<Limits>,
    /// The certificates, if TCP connections are encrypted.
    pub tls: Option<Arc<Tls>>,
    /// What is in front of the server, if anything.
    pub proxies: Option<Proxies>,
    /// The access log, if it is on.
    pub access_log: Option<AccessLog>,
    /// The fields that every answer gets.
    pub own_fields: OwnFields,
    /// What is counted, if anybody asks.
    pub metrics: Option<Arc<Metrics>>,
    /// How answers of applications are compressed, if they are.
    pub compression: Option<Compression>,
    /// The folders of static files, if there are any.
    pub static_files: Option<StaticFiles>,
    /// Counts requests, if they are limited.
    pub wear: Option<Arc<Wear>>,
    /// Counts connections, if they are limited.
    pub admission: Option<Arc<Admission>>,
}

/// One connection as its requests see it.
#[derive(Debug)]
pub struct Connection {
    /// What it shares with the others.
    pub service: Arc<Service>,
    /// What its bytes and its requests tell each other.
    pub wire: Arc<WireState>,
    peer: Arc<Peer>,
    /// What a proxy said of the request before.
    forwarded: Memo,
    alive: Alive,
    alarm: SpareAlarm,
    /// It is counted as open, if it is counted.
    _open: Option<OpenConnection>,
}

impl Connection {
    /// A connection; `wire` counts its requests.
    pub fn new(service: Arc<Service>, wire: Arc<WireState>, peer: Box<Peer>, alive: Alive, speaks: Protocol) -> Self {
        let open = service.metrics.as_ref().map(|metrics| OpenConnection::new(metrics, speaks));
        Self {
            service,
            wire,
            peer: peer.into(),
            forwarded: Memo::default(),
            alive,
            alarm: SpareAlarm::default(),
            _open: open,
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.peer.gone.store(true, Ordering::Release);
    }
}

/// The answer to one request, which never fails: what does is an answer, too.
pub type Answer = BoxFuture<'static, Result<Response<ResponseBody>, Infallible>>;

/// Answers one request.
///
/// Head and answer are in a box each: an idle connection keeps no room for them, and what goes from hand to hand is small.
pub fn answer(connection: Arc<Connection>, request: Request<Incoming>) -> Answer {
    let (mut parts, incoming) = request.into_parts();
    let refusal = checked(&connection, &mut parts);
    let mut head = Box::new(RequestHead::new(parts, Arc::clone(&connection.peer)));
    if let Some(proxies) = &connection.service.proxies {
        proxies.apply(&mut head, &connection.forwarded);
    }
    Box::pin(answered(connection, head, incoming, refusal))
}

async fn answered(
    connection: Arc<Connection>,
    mut head: Box<RequestHead>,
    incoming: Incoming,
    refusal: Option<Refusal>,
) -> Result<Response<ResponseBody>, Infallible> {
    let own = &connection.service.own_fields;
    if let Some(name) = &own.request_id {
        // Behind proxies that are trusted, what anybody else says does not count.
        let choosy = connection.service.proxies.as_ref().is_some_and(Proxies::is_choosy);
        let believed = !choosy || head.peer.is_trusted();
        identity::give(name, &mut head, believed);
    }
    let (log, id) = (logged(&connection.service, &mut head), head.request_id.clone());
    let counted = connection.service.metrics.as_ref().map(|metrics| Counted::new(metrics, &head.parts.method));
    let mut in_flight = InFlight::start(&connection.wire, head.began, log, counted);
    let asked = Asked { head: head.is_head(), version: head.parts.version };
    let refusal = refusal.or_else(|| {
        let (refusal, line) = connection.wire.take_refusal()?;
        in_flight.asked_with(&line);
        Some(refusal)
    });
    let response = match refusal {
        Some(refusal) => AppResponse::Error(RequestError::closing(refusal.status, refusal.reason)),
        None => surviving(dispatch(&connection, head, incoming, &mut in_flight)).await,
    };
    let decision = in_flight.decision.take();
    let mut response = response.into_response(in_flight, asked);
    if let Some(decision) = decision {
        decision.add_to(&mut response);
    }
    own.complete(&mut response, id);
    Ok(response)
}

/// What the access log keeps of a request, if it gets a line there.
fn logged(service: &Service, head: &mut RequestHead) -> Option<Logged> {
    let log = service.access_log.as_ref().filter(|_| !service.settings.is_unlogged(head.path()))?;
    if log.wanted().queue {
        head.queued = Some(Arc::default());
    }
    Some(Logged { log: log.clone(), entry: Box::new(Entry::new(head, log.wanted())) })
}

/// The wire guard has seen what came over HTTP/1; an HTTP/2 request is looked at here, and from then on looks the same.
fn checked(connection: &Connection, parts: &mut Parts) -> Option<Refusal> {
    if parts.version != Version::HTTP_2 {
        return None;
    }
    let refusal = check_message(parts, &connection.service.limits).err();
    from_http2(parts);
    refusal
}

/// A panic of ours is a 500: it ends one request, never the connection's task or the server.
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
    incoming: Incoming,
    in_flight: &mut InFlight,
) -> AppResponse {
    if connection.service.settings.health_path.as_deref() == Some(head.path()) {
        return health::answer(&head, connection.alive.phase() == Phase::Serving);
    }
    if let Some(wear) = &connection.service.wear {
        wear.count_request();
    }
    // hyper skips what it has of a body in one piece, so it skips all of one that is not in chunks.
    let fixed = head.content_length().is_some();
    let is_skipped = || fixed && connection.wire.body_arrived();
    in_flight.body_unread = !incoming.is_end_stream() && !is_skipped();
    let upgrade = websocket::requested(&head.parts);
    if let Some(files) = connection.service.static_files.as_ref().filter(|_| !upgrade)
        && let Some(answering) = files.answer(&head)
        && let Some(answer) = answering.await
    {
        in_flight.answered_by(&files.name);
        return answer;
    }
    let compression = connection.service.compression.as_ref().filter(|_| !upgrade);
    let compressed =
        compression.map(|compression| (compression, compression.wish(&head.parts.headers, head.is_head())));
    let (answering, body) = match begin(connection, (head, upgrade), incoming, in_flight) {
        Ok(begun) => begun,
        Err(error) => return AppResponse::Error(error),
    };
    let mut response = answering.await;
    if let Some((compression, wish)) = compressed {
        response = compression.apply(response, wish).boxed().await;
    }
    let Some(body) = body else { return response };
    in_flight.body_unread = !body.is_read() && !is_skipped();
    match body.failure() {
        Some(error) => AppResponse::Error(error.clone().into()),
        None => response,
    }
}

/// Finds the application and hands the request over, which asks for an `upgrade` to a WebSocket or does not. Not `async`, so that nothing of it is kept while the application answers.
///
/// # Errors
/// The answer, when no application gets the request.
fn begin<'a>(
    connection: &'a Connection,
    (mut head, upgrade): (Box<RequestHead>, bool),
    incoming: Incoming,
    in_flight: &'a mut InFlight,
) -> Result<(impl Future<Output = AppResponse>, Option<Arc<BodyFate>>), RequestError> {
    let service = &connection.service;
    let routing = service.routing.load();
    let decided = decide(&routing.router, &head, upgrade);
    let Decided { decision, reason, .. } = decided;
    in_flight.decided_by(&routing, reason, decision.first());
    in_flight.decision =
        DecisionFields::new(service.own_fields.served_by, &routing.router, decided, head.peer.scheme());
    let (first, then, root) = match decision {
        Decision::App { app, root } => (app.0, None, root),
        Decision::Probe { first, then, miss } => (first.0, service.apps.get(then.0).map(|then| (then, miss)), 0),
        Decision::NotFound => return Err(not_found(upgrade)),
    };
    let app = service.apps.get(first).ok_or_else(|| not_found(upgrade))?;
    head.root += root;
    head.series = in_flight.series();
    if upgrade {
        // What follows the head are frames: a body would be taken for some.
        if head.parts.version != Version::HTTP_2 && !incoming.is_end_stream() {
            return Err(RequestError::closing(StatusCode::BAD_REQUEST, "a WebSocket handshake has no body"));
        }
        in_flight.enter(app)?;
        let asked = websocket::Asked { head, alive: connection.alive.clone(), in_flight };
        return Ok((rare(websocket::call(app, asked, &connection.wire, &service.settings)), None));
    }
    let clock = match head.parts.version {
        Version::HTTP_2 => BodyClock::Own(Box::new(Pace::new(&service.limits))),
        _ => BodyClock::Wire(Arc::clone(&connection.wire)),
    };
    let limit = service.settings.max_body;
    if let (Some(length), Some(limit)) = (head.content_length(), limit)
        && length > limit
    {
        return Err(rsgi_bridge::error::BodyError::TooLarge { limit }.into());
    }
    in_flight.enter(app)?;
    let body = RequestBody::new(incoming, limit, clock, head.series.clone());
    let fate = body.fate();
    let call = Call { head, body, settings: &service.settings, alarm: &connection.alarm };
    Ok(match then {
        None => (Either::Left(app.call(call)), fate),
        Some((second, miss)) => (rare(probe::call(app, (second, miss), call, in_flight)), fate),
    })
}

/// In a box, so that other requests keep no room for it.
fn rare<'a, F>(answering: impl Future<Output = AppResponse> + Send + 'a) -> Either<F, BoxFuture<'a, AppResponse>> {
    Either::Right(answering.boxed())
}

fn not_found(upgrade: bool) -> RequestError {
    let reason = if upgrade { "no application accepts a WebSocket here" } else { "no application serves this path" };
    RequestError::new(StatusCode::NOT_FOUND, reason)
}

fn decide(router: &Router, head: &RequestHead, websocket: bool) -> Decided {
    let Parts { method, headers, .. } = &head.parts;
    let text = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    let preflight = if *method == http::Method::OPTIONS && headers.contains_key(ORIGIN) {
        text(ACCESS_CONTROL_REQUEST_METHOD)
    } else {
        None
    };
    router.decide(&RouteRequest {
        method: method.as_str(),
        raw_path: head.path(),
        // That of an absolute target is in the field, too.
        host: text(HOST),
        websocket,
        preflight_method: preflight,
        scheme: head.peer.scheme(),
        headers,
        client: head.peer.client().map(|(address, _)| address),
        random: identity::bucket,
    })
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
