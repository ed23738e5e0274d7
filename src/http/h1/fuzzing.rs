//! What the fuzz target `connection` does: a whole connection in memory, between a client that sends any bytes in pieces
//! and closes its side, and an application that sends back the body. The slow reader says which responses must come.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use rsgi_bridge::response::response_head::ResponseHead;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::time::timeout;

use super::connection::Http1;
use super::function_service::{FunctionService, LaterResponse};
use crate::gateway::client_state::ClientState;
use crate::request::body::RequestBody;
use crate::request::error::RequestError;
use crate::request::parts::RequestParts;
use crate::response::app_response::AppResponse;
use crate::wire::comparison::{limits, same_refusal};
use crate::wire::fuzzing::cuts;
use crate::wire::reference::{self, End};

/// Sends back the body of a request.
fn echo(_: RequestParts, mut body: RequestBody, _: Arc<ClientState>) -> LaterResponse {
    Box::pin(async move {
        match body.collect().await {
            Ok(body) => whole(StatusCode::OK, body),
            Err(error) => whole(RequestError::from(error).status, Bytes::new()),
        }
    })
}

fn whole(status: StatusCode, body: Bytes) -> AppResponse {
    AppResponse::Whole(ResponseHead::own(status, HeaderMap::new()), body)
}

/// The bytes of a client, in pieces.
///
/// # Panics
/// When other responses come than the slow reader says, or the connection stays open.
pub fn connection(data: &[u8]) {
    let (cuts, bytes) = cuts(data);
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_time().build() else { return };
    let sent = runtime.block_on(exchange(bytes, &cuts));
    let (requests, end) = reference::read(bytes, &limits());
    let (mut rest, mut open) = (sent.as_slice(), true);
    for request in &requests {
        let is_head = request.method == b"HEAD";
        let (status, body) = next_response(&mut rest, is_head).unwrap_or_else(|| missing(bytes, &sent));
        let shown = if is_head || !request.whole { &b""[..] } else { &request.body };
        let expected = if request.whole { 200..=200 } else { 400..=431 };
        let fits = expected.contains(&status) && body == shown;
        assert!(fits, "{} got {}", bytes.escape_ascii(), sent.escape_ascii());
        open &= request.keep_alive && request.whole;
        // What follows is for the other protocol, which nobody speaks here.
        if !open || request.upgrade {
            return;
        }
    }
    match end {
        End::Refused(status) => {
            let (found, _) = next_response(&mut rest, false).unwrap_or_else(|| missing(bytes, &sent));
            let same = same_refusal(End::Refused(found), End::Refused(status));
            assert!(same, "{} got {}", bytes.escape_ascii(), sent.escape_ascii());
        }
        End::Waiting | End::Broken => {}
    }
    assert!(rest.is_empty(), "{} got {}", bytes.escape_ascii(), sent.escape_ascii());
}

fn missing(bytes: &[u8], sent: &[u8]) -> ! {
    panic!("{} got only {}", bytes.escape_ascii(), sent.escape_ascii())
}

/// Everything that the server sends until it closes.
async fn exchange(bytes: &[u8], cuts: &[usize]) -> Vec<u8> {
    let (mut client, other) = duplex(1 << 20);
    let service = FunctionService::new(limits(), echo, |refusal| whole(refusal.status, Bytes::new()));
    let mut served = Http1::new(other, service, BytesMut::new());
    let serving = async move { drop(poll_fn(|cx| served.poll_end(cx)).await) };
    let talking = async {
        let mut at = 0;
        for cut in cuts.iter().chain([&bytes.len()]) {
            let piece = bytes.get(at..(*cut).clamp(at, bytes.len())).unwrap_or_default();
            at += piece.len();
            // The server may have closed already.
            if client.write_all(piece).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        let _closed = client.shutdown().await;
        let mut sent = Vec::new();
        let _ended = client.read_to_end(&mut sent).await;
        sent
    };
    let both = async { futures::join!(talking, serving).0 };
    let within = timeout(Duration::from_secs(5), both).await;
    within.unwrap_or_else(|_| panic!("the connection stays open after {}", bytes.escape_ascii()))
}

/// The status and the body of the next final response.
fn next_response(rest: &mut &[u8], is_head: bool) -> Option<(u16, Vec<u8>)> {
    loop {
        let end = rest.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&rest[..end]).ok()?;
        let version = head.get(..9).filter(|version| ["HTTP/1.0 ", "HTTP/1.1 "].contains(version))?;
        let status: u16 = head.get(version.len()..12)?.parse().ok()?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length = length.filter(|_| !is_head).map_or(Some(0), |length| length.parse().ok())?;
        let body = rest.get(end + 4..end + 4 + length)?.to_vec();
        *rest = &rest[end + 4 + length..];
        if status != 100 {
            return Some((status, body));
        }
    }
}
