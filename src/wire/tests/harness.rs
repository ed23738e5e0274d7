//! A service that uses the guard as the server's connection does, and a client that sends raw bytes.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::time::{sleep, timeout};

use crate::wire::{Guard, Limits, Refusal, WireState};

pub(super) const BIG: usize = 4 << 20;

/// A body that must not be taken for a head.
pub(super) const LIKE_A_HEAD: &str = "HTTP/1.1 200 OK\r\nx-between: 1\r\nset-cookie: a\r\n\r\n";

struct InFlight(Arc<WireState>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.request_ended();
    }
}

/// Set when the service's future for `/stay` was dropped.
#[derive(Clone, Default)]
pub(super) struct Dropped(pub(super) Arc<AtomicBool>);

struct SetOnDrop(Dropped);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::SeqCst);
    }
}

fn refuse(refusal: &Refusal) -> Response<Full<Bytes>> {
    let body = format!("{}: {}", refusal.status.as_u16(), refusal.reason);
    let response = Response::builder().status(refusal.status).header("connection", "close");
    response.body(Full::from(body)).unwrap()
}

async fn echo(wire: &WireState, request: Request<Incoming>) -> Response<Full<Bytes>> {
    match request.into_body().collect().await {
        Ok(body) => Response::new(Full::from(body.to_bytes())),
        Err(_) => match wire.body_failure() {
            Some(refusal) => refuse(&refusal),
            None => Response::builder().status(StatusCode::IM_A_TEAPOT).body(Full::default()).unwrap(),
        },
    }
}

/// Answers with fields in an order that a map cannot hold.
fn ordered(wire: &WireState, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let fields = [("set-cookie", "a"), ("x-between", "1"), ("set-cookie", "b"), ("x-between", "2")];
    wire.order_fields(fields.iter().map(|(name, _)| HeaderName::from_static(name)).collect());
    let response = fields.iter().fold(Response::builder(), |response, (name, value)| response.header(*name, *value));
    response.body(Full::from(body.into())).unwrap()
}

/// Answers 101, then sends back what comes.
fn upgrade(wire: &WireState, mut request: Request<Incoming>) -> Response<Full<Bytes>> {
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let mut io = TokioIo::new(upgraded.await.unwrap());
        let mut bytes = [0; 64];
        while let Ok(count @ 1..) = io.read(&mut bytes).await {
            io.write_all(&bytes[..count]).await.unwrap();
        }
    });
    wire.upgraded();
    let response = Response::builder().status(101).header("connection", "upgrade").header("upgrade", "x");
    response.body(Full::default()).unwrap()
}

async fn answer(wire: Arc<WireState>, dropped: Dropped, request: Request<Incoming>) -> Response<Full<Bytes>> {
    wire.request_started();
    let _in_flight = InFlight(Arc::clone(&wire));
    if let Some(refusal) = wire.take_refusal() {
        return refuse(&refusal.0);
    }
    match request.uri().path() {
        "/echo" => echo(&wire, request).await,
        "/upgrade" => upgrade(&wire, request),
        "/ordered" => ordered(&wire, ""),
        "/ordered/body" => ordered(&wire, LIKE_A_HEAD),
        "/ordered/read" => ordered(&wire, request.into_body().collect().await.unwrap().to_bytes()),
        "/ordered/early" => {
            tokio::spawn(request.into_body().collect());
            ordered(&wire, "")
        }
        "/slow" => {
            sleep(Duration::from_millis(200)).await;
            Response::new(Full::from("slow"))
        }
        "/stay" => {
            let _set = SetOnDrop(dropped);
            sleep(Duration::from_secs(60)).await;
            Response::new(Full::default())
        }
        "/big" => Response::new(Full::from(vec![b'x'; BIG])),
        "/close" => Response::builder().header("connection", "close").body(Full::from("bye")).unwrap(),
        _ => Response::new(Full::from("hello")),
    }
}

/// Serves one connection; the handle ends with it.
pub(super) fn serve<S>(io: S, limits: Limits, dropped: Dropped) -> tokio::task::JoinHandle<Result<(), String>>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let wire = Arc::new(WireState::default());
    let guard = Guard::new(io, Arc::new(limits), Arc::clone(&wire));
    let service = service_fn(move |request| {
        let answer = answer(Arc::clone(&wire), dropped.clone(), request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let served = http1::Builder::new().serve_connection(TokioIo::new(guard), service).with_upgrades();
    tokio::spawn(async move { served.await.map_err(|error| error.to_string()) })
}

/// A client of one connection.
pub(super) struct Client {
    pub(super) io: DuplexStream,
    pub(super) served: tokio::task::JoinHandle<Result<(), String>>,
    pub(super) dropped: Dropped,
}

impl Client {
    pub(super) fn new(limits: Limits) -> Self {
        let (io, other) = tokio::io::duplex(64 << 10);
        let dropped = Dropped::default();
        let served = serve(other, limits, dropped.clone());
        Self { io, served, dropped }
    }

    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.io.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Reads until `end` has come.
    pub(super) async fn read_until(&mut self, end: &str) -> String {
        let mut text = Vec::new();
        while !text.ends_with(end.as_bytes()) {
            let read = timeout(Duration::from_secs(5), self.io.read_buf(&mut text)).await;
            let read = read.unwrap_or_else(|_| panic!("no {end:?} after {}", text.escape_ascii()));
            assert_ne!(read.unwrap(), 0, "no {end:?} at the end of {}", text.escape_ascii());
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Reads until the connection is closed, and expects it to be.
    pub(super) async fn read_to_end(&mut self) -> String {
        let mut text = Vec::new();
        let read = timeout(Duration::from_secs(5), self.io.read_to_end(&mut text)).await;
        assert!(read.is_ok(), "still open after {}", text.escape_ascii());
        String::from_utf8_lossy(&text).into_owned()
    }
}

/// The status and the body of each answer in `text`.
pub(super) fn answers(text: &str) -> Vec<(u16, String)> {
    let mut answers = Vec::new();
    let mut rest = text;
    while let Some((head, after)) = rest.split_once("\r\n\r\n") {
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
        answers.push((head[9..12].parse().unwrap(), after[..length].to_owned()));
        rest = &after[length..];
    }
    answers
}

pub(super) fn one(status: u16, body: &str) -> Vec<(u16, String)> {
    vec![(status, body.to_owned())]
}
