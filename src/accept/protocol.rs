//! Detects what a new connection speaks: TLS or not, and which version of HTTP.
//!
//! This ends before the first request. It needs a TLS handshake or the first bytes of the connection. Before that, a
//! proxy may send the address of the client (`proxy_protocol.rs`).
//!
//! Spec: RFC 9113 3.2, 3.3, 3.4; RFC 7301 3.2.

use std::sync::Arc;

use bytes::BytesMut;
use futures::FutureExt;
use futures::future::OptionFuture;
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
///
/// It is not `async`, so that an idle connection keeps nothing of its beginning in memory.
pub fn serve_tcp(
    service: Arc<Service>,
    stream: TcpStream,
    peer: Box<Peer>,
    guard: ShutdownGuard,
) -> impl Future<Output = ()> + Send {
    opened(open_tcp(service, stream, peer, guard))
}

/// Serves a connection over a Unix socket.
pub fn serve_unix(
    service: Arc<Service>,
    stream: UnixStream,
    peer: Box<Peer>,
    guard: ShutdownGuard,
) -> impl Future<Output = ()> + Send {
    opened(open_unix(service, stream, peer, guard))
}

/// Runs the beginning of a connection, which has memory of its own, and then the rest, if it returns any.
fn opened<F: Future<Output = ()> + Send>(
    opening: impl Future<Output = Option<F>> + Send,
) -> impl Future<Output = ()> + Send {
    Box::pin(opening).then(OptionFuture::from).map(drop)
}

/// Finds out what the client speaks. Returns the rest of a connection that speaks HTTP/1 without TLS. Serves any other.
///
/// What few connections need is boxed, so that a client that sends nothing holds no memory for it.
async fn open_tcp(
    service: Arc<Service>,
    stream: TcpStream,
    peer: Box<Peer>,
    guard: ShutdownGuard,
) -> Option<impl Future<Output = ()> + Send> {
    let (stream, peer, guard) = introduced(&service, stream, peer, guard).await?;
    let Some(tls) = service.tls.clone() else { return open_clear(service, stream, peer, guard).await };
    Box::pin(serve_tls(service, &tls, stream, peer, guard)).await;
    None
}

async fn open_unix(
    service: Arc<Service>,
    stream: UnixStream,
    peer: Box<Peer>,
    guard: ShutdownGuard,
) -> Option<impl Future<Output = ()> + Send> {
    let (stream, peer, guard) = introduced(&service, stream, peer, guard).await?;
    open_clear(service, stream, peer, guard).await
}

/// The connection after what a proxy says about its client. `None` if it was turned away.
async fn introduced<S>(
    service: &Arc<Service>,
    mut stream: S,
    mut peer: Box<Peer>,
    guard: ShutdownGuard,
) -> Option<(S, Box<Peer>, ShutdownGuard)>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    if service.proxies.as_ref().is_some_and(|proxies| proxies.introduces(&peer))
        && let Err(unknown) = Box::pin(introduction(service, &mut stream, &mut peer, &guard)).await
    {
        Box::pin(unknown.turn_away(Arc::clone(service), stream, peer, guard)).await;
        return None;
    }
    Some((stream, peer, guard))
}

/// The same for a connection without TLS.
async fn open_clear<S>(
    service: Arc<Service>,
    mut stream: S,
    peer: Box<Peer>,
    guard: ShutdownGuard,
) -> Option<impl Future<Output = ()> + Send>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    if service.settings.http == HttpVersions::One {
        return Some(h1::serve(service, stream, peer, guard, Begun::With(BytesMut::new())));
    }
    let timeout = service.limits.header_timeout;
    let mut bytes = BytesMut::new();
    let http2 = tokio::select! {
        http2 = tokio::time::timeout(timeout, read_opening(&mut stream, &mut bytes)) => http2,
        () = guard.given_up() => return None,
    };
    match http2 {
        Ok(Ok(true)) => {
            Box::pin(h2::serve(service, Replayed { bytes, io: stream }, peer, guard)).await;
            None
        }
        // The client left, or never sent a byte.
        Ok(Err(_)) => None,
        _ if bytes.is_empty() => None,
        Ok(Ok(false)) => {
            let begun = begun(&service, bytes);
            Some(h1::serve(service, stream, peer, guard, begun))
        }
        Err(_) => {
            let refusal = Refusal::too_slow("the request head took too long");
            Some(h1::serve(service, stream, peer, guard, Begun::Refused(refusal)))
        }
    }
}

/// HTTP/1 after these bytes, or its refusal if only HTTP/2 is enabled.
fn begun(service: &Service, bytes: BytesMut) -> Begun {
    if service.settings.http == HttpVersions::Two {
        Begun::Refused(Refusal::new(StatusCode::HTTP_VERSION_NOT_SUPPORTED, "this port speaks only HTTP/2"))
    } else {
        Begun::With(bytes)
    }
}

async fn serve_tls(service: Arc<Service>, tls: &Tls, stream: TcpStream, mut peer: Box<Peer>, guard: ShutdownGuard) {
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
                let begun = begun(&service, BytesMut::new());
                h1::serve(service, stream, peer, guard, begun).await;
            }
        }
        Err(stream) => {
            failed(Event::TlsNone);
            let refusal = Refusal::malformed("this port speaks HTTPS: use an address with https://");
            h1::serve(service, stream, peer, guard, Begun::Refused(refusal)).await;
        }
    }
}
