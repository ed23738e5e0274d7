//! A service that answers like the server's gateways, and a client that sends raw bytes.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use rsgi_bridge::pipe::{PipeReader, pipe};
use rsgi_bridge::response::response_fields::ResponseFields;
use rsgi_bridge::response::response_head::ResponseHead;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::time::{sleep, timeout};

use crate::gateway::client_state::ClientState;
use crate::http::h1::connection::Http1;
use crate::http::h1::function_service::{FunctionService, LaterResponse};
use crate::request::body::RequestBody;
use crate::request::error::RequestError;
use crate::request::parts::RequestParts;
use crate::request::upgrade::Upgrade;
use crate::response::app_response::AppResponse;
use crate::wire::Limits;

pub(super) const BIG: usize = 4 << 20;
const PIECE: usize = 64 << 10;

/// A body that must not be taken for a head.
pub(super) const LIKE_A_HEAD: &str = "HTTP/1.1 200 OK\r\nx-between: 1\r\nset-cookie: a\r\n\r\n";

/// Set when the response for `/stay` was dropped.
#[derive(Clone, Default)]
pub(super) struct ResponseDropped(pub(super) Arc<AtomicBool>);

struct SetOnDrop(ResponseDropped);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::SeqCst);
    }
}

fn whole(status: StatusCode, headers: HeaderMap, body: impl Into<Bytes>) -> AppResponse {
    AppResponse::Whole(ResponseHead::own(status, headers), body.into())
}

fn ok(body: impl Into<Bytes>) -> AppResponse {
    whole(StatusCode::OK, HeaderMap::new(), body)
}

/// Responds with fields in an order that a map cannot represent.
fn ordered(body: impl Into<Bytes>) -> AppResponse {
    let fields = [("set-cookie", "a"), ("x-between", "1"), ("set-cookie", "b"), ("x-between", "2")];
    let fields = fields.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    AppResponse::Whole(ResponseHead::own(StatusCode::OK, ResponseFields::from_iter(fields)), body.into())
}

async fn echo(mut body: RequestBody) -> AppResponse {
    match body.collect().await {
        Ok(body) => ok(body),
        Err(error) => {
            let error = RequestError::from(error);
            let text = format!("{}: {}", error.status.as_u16(), error.reason);
            whole(error.status, HeaderMap::new(), text)
        }
    }
}

/// Answers 101, then sends back what comes.
fn upgrade(parts: &mut RequestParts) -> AppResponse {
    let upgrade = Upgrade::of(parts);
    tokio::spawn(async move {
        let mut io = upgrade.upgraded().await.unwrap();
        let mut bytes = [0; 64];
        while let Ok(count @ 1..) = io.read(&mut bytes).await {
            io.write_all(&bytes[..count]).await.unwrap();
        }
    });
    let fields = [("connection", "upgrade"), ("upgrade", "x")];
    let fields = fields.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    whole(StatusCode::SWITCHING_PROTOCOLS, fields.into_iter().collect(), "")
}

/// A stream that never ends, or breaks off.
fn stream(breaks: bool) -> AppResponse {
    let (writer, reader): (_, PipeReader<Bytes>) = pipe(1024);
    tokio::spawn(async move {
        writer.push(Bytes::from_static(b"first")).unwrap();
        if !breaks {
            poll_fn(|cx| writer.poll_closed(cx)).await;
        }
    });
    AppResponse::Stream(ResponseHead::own(StatusCode::OK, HeaderMap::new()), reader)
}

/// A stream whose pieces are all there already.
fn pieces() -> AppResponse {
    let (writer, reader): (_, PipeReader<Bytes>) = pipe(BIG);
    for _ in 0..BIG / PIECE {
        writer.push(vec![b'x'; PIECE].into()).unwrap();
    }
    writer.finish();
    AppResponse::Stream(ResponseHead::own(StatusCode::OK, HeaderMap::new()), reader)
}

/// Chooses the response by the path.
async fn respond(
    mut parts: RequestParts,
    mut body: RequestBody,
    dropped: ResponseDropped,
    client: Arc<ClientState>,
) -> AppResponse {
    match parts.uri.path() {
        "/echo" => echo(body).await,
        "/upgrade" => upgrade(&mut parts),
        "/ordered" => ordered(""),
        "/ordered/body" => ordered(LIKE_A_HEAD),
        "/ordered/read" => ordered(body.collect().await.unwrap()),
        "/slow" => {
            sleep(Duration::from_millis(200)).await;
            ok("slow")
        }
        "/slower" => {
            let mut told = false;
            let nap = Box::pin(sleep(Duration::from_millis(900)));
            client.half_closed.watch(nap, || told = true).await;
            ok(if told { "told" } else { "not told" })
        }
        "/stay" => {
            let _set = SetOnDrop(dropped);
            sleep(Duration::from_secs(60)).await;
            ok("")
        }
        "/big" => ok(vec![b'x'; BIG]),
        "/pieces" => pieces(),
        "/stream" => stream(false),
        "/broken" => stream(true),
        "/close" => ok("bye"),
        _ => ok("hello"),
    }
}

/// Serves one connection. The handle ends with it.
pub(super) fn serve<S>(io: S, limits: Limits, dropped: ResponseDropped) -> tokio::task::JoinHandle<Result<(), String>>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let respond =
        move |parts, body, client| -> LaterResponse { Box::pin(respond(parts, body, dropped.clone(), client)) };
    let service = FunctionService::new(limits, respond, |refusal| {
        whole(refusal.status, HeaderMap::new(), format!("{}: {}", refusal.status.as_u16(), refusal.reason))
    });
    let mut served = Http1::new(io, service, BytesMut::new());
    tokio::spawn(async move {
        let ended = poll_fn(|cx| served.poll_end(cx)).await;
        if ended.is_ok() {
            served.hand_on();
        }
        ended.map_err(|error| error.to_string())
    })
}

/// A client of one connection.
pub(super) struct TestClient {
    pub(super) io: DuplexStream,
    pub(super) served: tokio::task::JoinHandle<Result<(), String>>,
}

impl TestClient {
    pub(super) fn new(limits: Limits) -> Self {
        let (io, other) = tokio::io::duplex(64 << 10);
        let served = serve(other, limits, ResponseDropped::default());
        Self { io, served }
    }

    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.io.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Reads up to and including `end`.
    pub(super) async fn read_until(&mut self, end: &str) -> String {
        let mut text = Vec::new();
        while !text.ends_with(end.as_bytes()) {
            let read = timeout(Duration::from_secs(5), self.io.read_buf(&mut text)).await;
            let read = read.unwrap_or_else(|_| panic!("no {end:?} after {}", text.escape_ascii()));
            assert_ne!(read.unwrap(), 0, "no {end:?} at the end of {}", text.escape_ascii());
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Reads until the connection is closed. Fails if it stays open.
    pub(super) async fn read_to_end(&mut self) -> String {
        let mut text = Vec::new();
        let read = timeout(Duration::from_secs(5), self.io.read_to_end(&mut text)).await;
        assert!(read.is_ok(), "still open after {}", text.escape_ascii());
        String::from_utf8_lossy(&text).into_owned()
    }
}

/// The status and the body of each response in `text`.
pub(super) fn responses(text: &str) -> Vec<(u16, String)> {
    let mut responses = Vec::new();
    let mut rest = text;
    while let Some((head, after)) = rest.split_once("\r\n\r\n") {
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
        responses.push((head[9..12].parse().unwrap(), after[..length].to_owned()));
        rest = &after[length..];
    }
    responses
}

pub(super) fn one(status: u16, body: &str) -> Vec<(u16, String)> {
    vec![(status, body.to_owned())]
}
