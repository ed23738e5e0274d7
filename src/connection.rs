//! One connection: hyper over the wire guard, and for each request head → route → gateway → response.
//!
//! Kept apart from the gateways, which know applications but no connection. No line of this file touches Python.
//!
//! Spec: RFC 9112 (HTTP/1.1), RFC 9110 15.

use std::convert::Infallible;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::Poll;

use arc_swap::ArcSwap;
use bytes::BytesMut;
use futures::FutureExt;
use http::header::{ACCESS_CONTROL_REQUEST_METHOD, HOST, ORIGIN};
use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::access_log::{AccessLog, RequestLine};
use crate::body::{BodyClock, RequestBody};
use crate::error::RequestError;
use crate::gateway::{App, Call, probe, websocket};
use crate::head::{Peer, RequestHead, from_http2, protocol};
use crate::in_flight::InFlight;
use crate::response::{AppResponse, Asked, ResponseBody};
use crate::route::{Decision, RouteRequest, Router, Scheme};
use crate::settings::Settings;
use crate::shutdown::{Alive, Phase};
use crate::tls::Tls;
use crate::wire::{Guard, Limits, Pace, Refusal, WireState, check_message};

/// hyper's own limit, up to which it needs no memory of its own for a head.
const HYPER_FIELDS: usize = 100;

/// What every connection of the server shares.
#[derive(Debug)]
pub struct Service {
    /// The settings.
    pub settings: Settings,
    /// Who answers what. Looked at once for each request; may be another one for the next.
    pub router: Arc<ArcSwap<Router>>,
    /// The applications, in the order of the plan.
    pub apps: Vec<Arc<App>>,
    /// What the wire guard refuses.
    pub limits: Arc<Limits>,
    /// The certificates, if TCP connections are encrypted.
    pub tls: Option<Arc<Tls>>,
    /// The access log, if it is on.
    pub access_log: Option<AccessLog>,
}

/// One connection as its requests see it.
#[derive(Debug)]
pub struct Connection {
    service: Arc<Service>,
    wire: Arc<WireState>,
    peer: Arc<Peer>,
    alive: Alive,
}

impl Connection {
    /// A connection; `wire` counts its requests.
    pub fn new(service: Arc<Service>, wire: Arc<WireState>, peer: Peer, alive: Alive) -> Self {
        Self { service, wire, peer: Arc::new(peer), alive }
    }
}

/// What is known of an HTTP/1 connection when it comes here.
#[derive(Debug)]
pub enum Begun {
    /// These bytes were read already.
    With(BytesMut),
    /// Whatever it asks for gets this answer.
    Refused(Refusal),
}

/// Serves one HTTP/1 connection until it closes or the server stops.
pub async fn serve<S>(service: Arc<Service>, stream: S, peer: Peer, mut alive: Alive, begun: Begun)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let fields = service.settings.max_header_fields;
    let wire = Arc::new(WireState::default());
    let mut guard = Guard::new(stream, Arc::clone(&service.limits), Arc::clone(&wire));
    match begun {
        Begun::With(bytes) => guard.begin(bytes),
        Begun::Refused(refusal) => guard.refuse(refusal),
    }
    let connection = Arc::new(Connection::new(service, Arc::clone(&wire), peer, alive.clone()));
    let answer = service_fn(move |request| answer(Arc::clone(&connection), request));
    let mut builder = http1::Builder::new();
    if fields != HYPER_FIELDS {
        builder.max_headers(fields);
    }
    let served = builder.serve_connection(TokioIo::new(guard), answer).with_upgrades();
    tokio::pin!(served);
    // An error is the client's (it left, or broke a rule that was answered already), or an application's that was logged.
    tokio::select! {
        _ended = served.as_mut() => return,
        () = alive.reached(Phase::Draining) => {}
    }
    // One that has not asked for anything yet may still do so: hyper would close it.
    let asked = poll_fn(|cx| match served.as_mut().poll(cx) {
        Poll::Pending if !wire.idle_since().1 => Poll::Pending,
        ended => Poll::Ready(ended.is_ready()),
    });
    tokio::select! {
        ended = asked => if ended { return },
        () = alive.given_up() => {}
    }
    served.as_mut().graceful_shutdown();
    tokio::select! {
        _ended = served => {}
        () = alive.reached(Phase::Cut) => {}
    }
}

/// Answers one request.
pub async fn answer(
    connection: Arc<Connection>,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Infallible> {
    let (request, refusal) = checked(&connection, request);
    let log = connection.service.access_log.as_ref().map(|log| (log.clone(), request_line(&connection, &request)));
    let mut in_flight = InFlight::start(&connection.wire, log);
    let asked = Asked { head: request.method() == http::Method::HEAD, version: request.version() };
    let response = match refusal.or_else(|| connection.wire.take_refusal()) {
        Some(refusal) => AppResponse::Error(RequestError::closing(refusal.status, refusal.reason)),
        // In a box, so that an idle connection keeps no room for it.
        None => surviving(Box::pin(dispatch(&connection, request, &mut in_flight))).await,
    };
    Ok(response.into_response(in_flight, asked))
}

/// The wire guard has seen what came over HTTP/1; an HTTP/2 request is looked at here, and from then on looks the same.
fn checked(connection: &Connection, request: Request<Incoming>) -> (Request<Incoming>, Option<Refusal>) {
    if request.version() != Version::HTTP_2 {
        return (request, None);
    }
    let (mut parts, body) = request.into_parts();
    let refusal = check_message(&parts, &connection.service.limits).err();
    from_http2(&mut parts);
    (Request::from_parts(parts, body), refusal)
}

/// A panic of ours is a 500: it ends one request, never the connection's task or the server.
async fn surviving(dispatching: impl Future<Output = AppResponse>) -> AppResponse {
    AssertUnwindSafe(dispatching).catch_unwind().await.unwrap_or_else(|_| {
        crate::log::line(format_args!("error: rsgi itself failed (the panic is above); please report it"));
        AppResponse::Error(RequestError::new(StatusCode::INTERNAL_SERVER_ERROR, "the server failed"))
    })
}

async fn dispatch(connection: &Arc<Connection>, request: Request<Incoming>, in_flight: &mut InFlight) -> AppResponse {
    let service = &connection.service;
    let upgrade = websocket::requested(&request);
    let (first, then, root) = match decide(&service.router.load(), &request, connection.peer.tls.is_some(), upgrade) {
        Decision::App { app, root } => (app.0, None, root),
        Decision::Probe { first, then } => (first.0, Some(then.0), 0),
        Decision::NotFound => return AppResponse::Error(not_found(upgrade)),
    };
    let Some(app) = service.apps.get(first) else { return AppResponse::Error(not_found(upgrade)) };
    if upgrade {
        if let Err(busy) = in_flight.enter(app) {
            return AppResponse::Error(busy);
        }
        let (peer, alive) = (Arc::clone(&connection.peer), connection.alive.clone());
        let asked = websocket::Asked { request, root, peer, alive, in_flight };
        return Box::pin(websocket::call(app, asked, &connection.wire, &service.settings)).await;
    }
    let (parts, incoming) = request.into_parts();
    let clock = match parts.version {
        Version::HTTP_2 => BodyClock::Own(Pace::new(&service.limits)),
        _ => BodyClock::Wire(Arc::clone(&connection.wire)),
    };
    let body = RequestBody::new(incoming, service.settings.max_body, clock);
    let mut head = RequestHead::new(parts, Arc::clone(&connection.peer));
    head.root = root;
    if let (Some(length), Some(limit)) = (head.content_length(), service.settings.max_body)
        && length > limit
    {
        return AppResponse::Error(rsgi_bridge::error::BodyError::TooLarge { limit }.into());
    }
    if let Err(busy) = in_flight.enter(app) {
        return AppResponse::Error(busy);
    }
    let refusal = body.refusal();
    let call = Call { head, body, settings: &service.settings };
    let response = match then.and_then(|then| service.apps.get(then)) {
        None => app.call(call).await,
        Some(second) => Box::pin(probe::call(app, second, call, in_flight)).await,
    };
    match refusal.get() {
        Some(error) => AppResponse::Error(error.clone().into()),
        None => response,
    }
}

fn not_found(upgrade: bool) -> RequestError {
    let reason = if upgrade { "no application accepts a WebSocket here" } else { "no application serves this path" };
    RequestError::new(StatusCode::NOT_FOUND, reason)
}

fn decide(router: &Router, request: &Request<Incoming>, encrypted: bool, websocket: bool) -> Decision {
    let headers = request.headers();
    let text = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    let authority = request.uri().authority().map(http::uri::Authority::as_str);
    let preflight = if request.method() == http::Method::OPTIONS && headers.contains_key(ORIGIN) {
        text(ACCESS_CONTROL_REQUEST_METHOD)
    } else {
        None
    };
    router.route(&RouteRequest {
        method: request.method().as_str(),
        raw_path: request.uri().path(),
        host: authority.or_else(|| text(HOST)),
        websocket,
        preflight_method: preflight,
        scheme: if encrypted { Scheme::Https } else { Scheme::Http },
        headers,
    })
}

fn request_line(connection: &Connection, request: &Request<Incoming>) -> RequestLine {
    let client = match &connection.peer.client {
        Some((address, port)) if address.contains(':') => format!("[{address}]:{port}"),
        Some((address, port)) => format!("{address}:{port}"),
        None => "unix".to_owned(),
    };
    // The target cannot hold a quote or a control character: the wire guard lets neither a space nor those through. What
    // HTTP/2 lets through is refused, but in the log all the same.
    let mut target = request.uri().to_string().replace('"', "%22");
    if !target.is_ascii() {
        target = target.escape_default().to_string();
    }
    RequestLine { client, request: format!("{} {target} {}", request.method(), protocol(request.version())) }
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
