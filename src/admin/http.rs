//! Answers the requests of the admin listener.
//!
//! All requests are read-only, except those for `shares.rs` and `publish.rs`. Each connection serves one request and has a timeout. When
//! there are too many connections, the oldest is closed, so that clients which send nothing do not lock out others.
//!
//! Spec: RFC 9110 9.3.2 (HEAD), 15.5.2 (401), 15.5.5 (404), 15.5.6 (405), 15.6.4 (503); RFC 6750 3.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::task::AbortHandle;

use super::address::{Access, AccessDecision};
use super::browser::{names_this_machine, secure};
use super::process::{Process, Readiness};
use super::status::{self, ServerFacts};
use super::workers::Workers;
use super::{publish, shadow, shares};
use crate::config::live_shares::{SetShare, ShareStatus};
use crate::dashboard::{Board, EventBody, LastTaken, asset};
use crate::metrics::{Samples, TextFormat};
use crate::net::binding::Bound;

/// How long a connection may take from beginning to end. For a stream: how long the client may take nothing.
const DEADLINE: Duration = Duration::from_secs(10);

/// How long the client may take to send its request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// The most connections at a time.
const MOST_CONNECTIONS: usize = 64;

const TEXT: &str = "text/plain; charset=utf-8";

/// The longest request head, in bytes. hyper needs at least 8 KiB.
const MOST_HEAD: usize = 16 * 1024;

/// What an admin listener shows, and to whom.
#[derive(Debug)]
pub struct Show {
    /// Who has access.
    pub access: Access,
    /// Facts about the server.
    pub facts: ServerFacts,
    /// Where the numbers come from.
    pub source: NumberSource,
    /// The dashboard.
    pub board: Arc<Board>,
}

/// Where the numbers come from.
#[derive(Debug)]
pub enum NumberSource {
    /// From this process.
    Process(Arc<Process>),
    /// From its workers.
    Workers(Arc<Workers>),
}

impl NumberSource {
    fn readiness(&self) -> Readiness {
        match self {
            Self::Process(process) => process.readiness(),
            Self::Workers(workers) => workers.readiness(),
        }
    }

    async fn samples(&self) -> Samples {
        match self {
            Self::Process(process) => Workers::of_one(&process.report(), process.state()),
            Self::Workers(workers) => workers.samples().await,
        }
    }

    /// The rules with a share.
    pub(super) async fn shares(&self) -> Vec<ShareStatus> {
        match self {
            Self::Process(process) => process.share_list(),
            Self::Workers(workers) => workers.shares().await,
        }
    }

    /// The result of the comparison of shadow traffic, for each process that has one.
    async fn shadow_summaries(&self) -> Vec<String> {
        match self {
            Self::Process(process) => process.shadow_summary().into_iter().collect(),
            Self::Workers(workers) => workers.shadow_summaries().await,
        }
    }

    /// Sets shares. Returns how many processes use them, and how many processes there are.
    pub(super) async fn set_shares(&self, set: &[SetShare]) -> (usize, usize) {
        match self {
            Self::Process(process) => {
                process.shares.add(set);
                (1, 1)
            }
            Self::Workers(workers) => workers.set_shares(set).await,
        }
    }

    /// Publishes items; `None` when no client is held here.
    pub(super) fn publish(&self, items: &str) -> Option<Result<(), String>> {
        match self {
            Self::Process(process) => Some(process.hub.as_ref()?.publish_everywhere(items)),
            Self::Workers(workers) => workers.holds().then(|| workers.publish(items)),
        }
    }

    async fn document(&self, facts: &ServerFacts) -> serde_json::Value {
        match self {
            Self::Process(process) => {
                let report = process.report();
                facts.document(process.state(), vec![status::worker(1, process.state(), true, &report.status)])
            }
            Self::Workers(workers) => facts.document(workers.state(), workers.statuses().await),
        }
    }
}

trait AdminStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> AdminStream for S {}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    fn new(bound: Bound) -> io::Result<(Self, Option<Bound>)> {
        Ok(match bound {
            Bound::Tcp(listener, _) => (Self::Tcp(TcpListener::from_std(listener)?), None),
            // Dropping this removes the file of the socket, so keep it until the end.
            Bound::Unix(listener, path) => {
                let again = listener.try_clone()?;
                (Self::Unix(UnixListener::from_std(again)?), Some(Bound::Unix(listener, path)))
            }
        })
    }

    async fn accept(&self) -> io::Result<Box<dyn AdminStream>> {
        Ok(match self {
            Self::Tcp(listener) => Box::new(listener.accept().await?.0),
            Self::Unix(listener) => Box::new(listener.accept().await?.0),
        })
    }
}

/// Accepts connections and answers, until this future is dropped.
pub async fn serve(bound: Bound, show: Arc<Show>) {
    let (listener, _path) = match Listener::new(bound) {
        Ok(listening) => listening,
        Err(error) => return crate::log::line(format_args!("error: the admin listener: {error}")),
    };
    let mut connections: VecDeque<(AbortHandle, Arc<LastTaken>)> = VecDeque::new();
    loop {
        match listener.accept().await {
            Ok(stream) => {
                // Streams have their own limit.
                connections.retain(|(connection, taken)| !connection.is_finished() && !taken.is_stream());
                if connections.len() >= MOST_CONNECTIONS
                    && let Some((oldest, _)) = connections.pop_front()
                {
                    oldest.abort();
                }
                let taken = Arc::new(LastTaken::default());
                let connection = serve_connection(stream, Arc::clone(&show), Arc::clone(&taken));
                connections.push_back((tokio::spawn(connection).abort_handle(), taken));
            }
            // The process may be out of descriptors. Try again later.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn serve_connection(stream: Box<dyn AdminStream>, show: Arc<Show>, taken: Arc<LastTaken>) {
    let streamed = Arc::clone(&taken);
    let service = service_fn(move |request| {
        let (show, taken) = (Arc::clone(&show), Arc::clone(&taken));
        async move { Ok::<_, Infallible>(handle(request, &show, &taken).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(REQUEST_TIMEOUT).keep_alive(false).max_buf_size(MOST_HEAD);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    // Errors of a connection concern only its client. A stream lasts as long as its client takes the events.
    while tokio::time::timeout(DEADLINE, connection.as_mut()).await.is_err() {
        if !streamed.within(DEADLINE) {
            return;
        }
    }
}

type AdminResponse = Response<Either<Full<Bytes>, EventBody>>;

/// The paths with data.
const PATHS: [&str; 10] = [
    "/healthz",
    "/readyz",
    "/metrics",
    "/status.json",
    "/shares",
    "/shadow.json",
    "/routes.json",
    "/history.json",
    "/events",
    "/publish/",
];

async fn handle(request: Request<Incoming>, show: &Show, taken: &Arc<LastTaken>) -> AdminResponse {
    let path = match request.uri().path() {
        "/publish" => "/publish/",
        path => path,
    };
    let file = asset(path);
    let verdict = show.access.check(request.headers());
    // The page has no data, so it needs no token. It asks the user for the token.
    if verdict != AccessDecision::Granted && file.is_none() {
        return unauthorized(verdict);
    }
    if file.is_none() && !PATHS.contains(&path) {
        return with(respond(StatusCode::NOT_FOUND, not_here().into()), CONTENT_TYPE, TEXT);
    }
    if matches!(show.access, Access::Open) && is_dashboard(path) && !names_this_machine(request.headers()) {
        return text(StatusCode::FORBIDDEN, "use an IP address or localhost here, or set `--admin-token`\n");
    }
    if path == "/publish/" {
        if *request.method() != Method::POST {
            return with(text(StatusCode::METHOD_NOT_ALLOWED, "this method is not allowed\n"), ALLOW, "POST");
        }
        let (status, said) = publish::handle(request, &show.source).await;
        return with(respond(status, format!("{said}\n").into()), CONTENT_TYPE, TEXT);
    }
    let changes = path == "/shares" && *request.method() == Method::PUT;
    if !changes && !matches!(*request.method(), Method::GET | Method::HEAD) {
        let allowed = if path == "/shares" { "GET, HEAD, PUT" } else { "GET, HEAD" };
        return with(text(StatusCode::METHOD_NOT_ALLOWED, "this method is not allowed\n"), ALLOW, allowed);
    }
    if let Some((kind, file)) = file {
        let mut response = with(respond(StatusCode::OK, file.into()), CONTENT_TYPE, kind);
        secure(response.headers_mut());
        return response;
    }
    match path {
        "/healthz" => text(StatusCode::OK, "ok\n"),
        "/readyz" => match show.source.readiness() {
            Readiness::Ready => text(StatusCode::OK, "ready\n"),
            Readiness::Starting => text(StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
            Readiness::Draining => text(StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
        },
        "/metrics" => scrape(request.headers(), show).await,
        "/shares" => match shares::handle(request, show).await {
            Ok((status, document)) => json(status, &document),
            Err((status, why)) => with(respond(status, format!("{why}\n").into()), CONTENT_TYPE, TEXT),
        },
        "/routes.json" => compact(show.board.routes(&show.source.scene(&show.facts).await).to_string()),
        "/history.json" => compact(show.board.history().to_string()),
        "/events" => stream(*request.method() == Method::HEAD, show, taken),
        "/shadow.json" => match shadow::document(show.source.shadow_summaries().await).await {
            Some(document) => with(respond(StatusCode::OK, document.into()), CONTENT_TYPE, "application/json"),
            None => text(StatusCode::NOT_FOUND, "there is no shadow traffic: see `--shadow`\n"),
        },
        _ => json(StatusCode::OK, &show.source.document(&show.facts).await),
    }
}

fn is_dashboard(path: &str) -> bool {
    matches!(path, "/routes.json" | "/history.json" | "/events") || asset(path).is_some()
}

fn not_here() -> String {
    format!("only / and {} are here\n", PATHS.join(", "))
}

/// A stream of events that ends when the client leaves or the server stops.
fn stream(is_head: bool, show: &Show, taken: &Arc<LastTaken>) -> AdminResponse {
    const EVENTS: &str = "text/event-stream";
    if is_head {
        return with(respond(StatusCode::OK, Bytes::new()), CONTENT_TYPE, EVENTS);
    }
    let Some(body) = show.board.stream(taken) else {
        let response = text(StatusCode::SERVICE_UNAVAILABLE, "too many streams of events are open\n");
        return with(response, RETRY_AFTER, "10");
    };
    let response = respond(StatusCode::OK, Bytes::new()).map(|_| Either::Right(body));
    with(response, CONTENT_TYPE, EVENTS)
}

fn json(status: StatusCode, document: &serde_json::Value) -> AdminResponse {
    // Names and numbers can always be serialized.
    let mut json = serde_json::to_string_pretty(document).unwrap_or_default();
    json.push('\n');
    with(respond(status, json.into()), CONTENT_TYPE, "application/json")
}

/// JSON for programs, which read it often.
fn compact(document: String) -> AdminResponse {
    with(respond(StatusCode::OK, document.into()), CONTENT_TYPE, "application/json")
}

async fn scrape(headers: &HeaderMap, show: &Show) -> AdminResponse {
    let accept: Vec<_> = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let format = TextFormat::wanted(&accept.join(","));
    match format.write(show.source.samples().await) {
        Ok(text) => with(respond(StatusCode::OK, text.into()), CONTENT_TYPE, format.content_type()),
        Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the numbers cannot be written\n"),
    }
}

fn unauthorized(verdict: AccessDecision) -> AdminResponse {
    let response = text(StatusCode::UNAUTHORIZED, "send the token: `Authorization: Bearer TOKEN`\n");
    let challenge = match verdict {
        AccessDecision::Wrong => "Bearer realm=\"rsgi\", error=\"invalid_token\"",
        AccessDecision::Granted | AccessDecision::Missing => "Bearer realm=\"rsgi\"",
    };
    with(response, WWW_AUTHENTICATE, challenge)
}

fn text(status: StatusCode, text: &'static str) -> AdminResponse {
    with(respond(status, text.into()), CONTENT_TYPE, TEXT)
}

fn respond(status: StatusCode, body: Bytes) -> AdminResponse {
    let mut response = Response::new(Either::Left(Full::new(body)));
    *response.status_mut() = status;
    let response = with(response, CACHE_CONTROL, "no-store");
    with(response, X_CONTENT_TYPE_OPTIONS, "nosniff")
}

fn with(mut response: AdminResponse, name: HeaderName, value: &'static str) -> AdminResponse {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}
