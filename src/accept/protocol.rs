//! Detects what a new connection speaks: TLS or not, and which version of HTTP.
//!
//! This ends before the first request. It needs a TLS handshake or the first bytes of the connection. Before that, a
//! proxy may send the address of the client (`proxy_protocol.rs`).
//!
//! Spec: RFC 9113 3.2, 3.3, 3.4; RFC 7301 3.2.

use std::sync::Arc;

use bytes::BytesMut;
use http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use crate::accept::proxy_protocol::introduction;
use crate::config::choice::HttpVersions;
use crate::http::h1::{self, Begun};
use crate::http::h2;
use crate::http::service::Service;
use crate::metrics::Event;
use crate::net::replayed::Replayed;
use crate::net::tls::{Secured, Tls};
use crate::request::head::Peer;
use crate::runtime::shutdown::ShutdownGuard;
use crate::wire::{Refusal, read_opening};

/// The first byte of a TLS connection.
const TLS_HANDSHAKE: u8 = 0x16;

/// Serves a TCP connection, with TLS if the server has a certificate.
pub async fn serve_tcp(service: Arc<Service>, mut stream: TcpStream, mut peer: Box<Peer>, mut guard: ShutdownGuard) {
    if is_introduced(&service, &peer)
        && let Err(unknown) = Box::pin(introduction(&service, &mut stream, &mut peer, &mut guard)).await
    {
        return Box::pin(unknown.turn_away(service, stream, peer, guard)).await;
    }
    match service.tls.clone() {
        None => serve_clear(service, stream, peer, guard).await,
        // Boxed, so that connections without TLS do not reserve memory for it.
        Some(tls) => Box::pin(serve_tls(service, &tls, stream, peer, guard)).await,
    }
}

/// Serves a connection over a Unix socket.
pub async fn serve_unix(service: Arc<Service>, mut stream: UnixStream, mut peer: Box<Peer>, mut guard: ShutdownGuard) {
    if is_introduced(&service, &peer)
        && let Err(unknown) = Box::pin(introduction(&service, &mut stream, &mut peer, &mut guard)).await
    {
        return Box::pin(unknown.turn_away(service, stream, peer, guard)).await;
    }
    serve_clear(service, stream, peer, guard).await;
}

fn is_introduced(service: &Service, peer: &Peer) -> bool {
    service.proxies.as_ref().is_some_and(|proxies| proxies.introduces(peer))
}

/// Serves a connection without TLS.
async fn serve_clear<S>(service: Arc<Service>, mut stream: S, peer: Box<Peer>, mut guard: ShutdownGuard)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    if service.settings.http == HttpVersions::One {
        return h1::serve(service, stream, peer, guard, Begun::With(BytesMut::new())).await;
    }
    let timeout = service.limits.header_timeout;
    let mut bytes = BytesMut::new();
    let http2 = tokio::select! {
        http2 = tokio::time::timeout(timeout, read_opening(&mut stream, &mut bytes)) => http2,
        () = guard.given_up() => return,
    };
    match http2 {
        Ok(Ok(true)) => Box::pin(h2::serve(service, Replayed { bytes, io: stream }, peer, guard)).await,
        // The client left, or never sent a byte.
        Ok(Err(_)) => {}
        _ if bytes.is_empty() => {}
        Ok(Ok(false)) => serve_http1(service, stream, peer, guard, bytes).await,
        Err(_) => {
            let refusal = Refusal::too_slow("the request head took too long");
            h1::serve(service, stream, peer, guard, Begun::Refused(refusal)).await;
        }
    }
}

/// Serves HTTP/1, or refuses it if only HTTP/2 is enabled.
fn serve_http1<S>(
    service: Arc<Service>,
    stream: S,
    peer: Box<Peer>,
    guard: ShutdownGuard,
    bytes: BytesMut,
) -> impl Future<Output = ()> + Send
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let begun = if service.settings.http == HttpVersions::Two {
        Begun::Refused(Refusal::new(StatusCode::HTTP_VERSION_NOT_SUPPORTED, "this port speaks only HTTP/2"))
    } else {
        Begun::With(bytes)
    };
    h1::serve(service, stream, peer, guard, begun)
}

async fn serve_tls(service: Arc<Service>, tls: &Tls, stream: TcpStream, mut peer: Box<Peer>, mut guard: ShutdownGuard) {
    let timeout = service.limits.header_timeout;
    let greeting = async {
        let mut first = [0];
        let seen = stream.peek(&mut first).await?;
        if seen == 0 || first == [TLS_HANDSHAKE] { tls.accept(stream).await.map(Ok) } else { Ok(Err(stream)) }
    };
    let greeted = tokio::select! {
        greeted = tokio::time::timeout(timeout, greeting) => greeted,
        () = guard.given_up() => return,
    };
    // The client was too slow or the handshake failed. rustls has sent an alert if it could. Here it is only counted.
    let failed = |event| service.metrics.iter().for_each(|metrics| metrics.count(event));
    let greeted = match greeted {
        Ok(Ok(greeted)) => greeted,
        Ok(Err(_)) => return failed(Event::TlsHandshake),
        Err(_) => return failed(Event::TlsTimeout),
    };
    match greeted {
        Ok(Secured { stream, session, http2 }) => {
            peer.tls = Some(session.into());
            if http2 {
                h2::serve(service, stream, peer, guard).await;
            } else {
                serve_http1(service, stream, peer, guard, BytesMut::new()).await;
            }
        }
        Err(stream) => {
            failed(Event::TlsNone);
            let refusal = Refusal::malformed("this port speaks HTTPS: use an address with https://");
            h1::serve(service, stream, peer, guard, Begun::Refused(refusal)).await;
        }
    }
}
