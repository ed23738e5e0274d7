//! What a new connection speaks: TLS or not, and which HTTP.
//!
//! Kept apart from the connection because all of it is over before the first request: a handshake, or a look at the
//! first bytes.
//!
//! Spec: RFC 9113 3.2, 3.3, 3.4; RFC 7301 3.2.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::connection::{self, Service};
use crate::head::Peer;
use crate::shutdown::{Alive, Phase};
use crate::tls::{Secured, Tls};
use crate::wire::Refusal;

/// The first byte of a TLS connection.
const TLS_HANDSHAKE: u8 = 0x16;

/// Serves a TCP connection, with TLS when the server has a certificate.
pub async fn serve_tcp(service: Arc<Service>, stream: TcpStream, peer: Peer, alive: Alive) {
    match service.tls.clone() {
        None => serve_clear(service, stream, peer, alive).await,
        Some(tls) => serve_tls(service, &tls, stream, peer, alive).await,
    }
}

/// Serves a connection without TLS.
pub async fn serve_clear<S>(service: Arc<Service>, stream: S, peer: Peer, alive: Alive)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    connection::serve(service, stream, peer, alive, None).await;
}

async fn serve_tls(service: Arc<Service>, tls: &Tls, stream: TcpStream, mut peer: Peer, mut alive: Alive) {
    let patience = service.settings.header_timeout.0;
    let greeting = async {
        let mut first = [0];
        let seen = stream.peek(&mut first).await?;
        if seen == 0 || first == [TLS_HANDSHAKE] { tls.accept(stream).await.map(Ok) } else { Ok(Err(stream)) }
    };
    let greeted = tokio::select! {
        greeted = tokio::time::timeout(patience, greeting) => greeted,
        () = alive.reached(Phase::Draining) => return,
    };
    // Too slow, or no handshake: the client's doing, and it was told what can be told.
    let Ok(Ok(greeted)) = greeted else { return };
    match greeted {
        Ok(Secured { stream, session, .. }) => {
            peer.tls = Some(session);
            connection::serve(service, stream, peer, alive, None).await;
        }
        Err(stream) => {
            let refusal = Refusal::malformed("this port speaks HTTPS: the address begins with https://");
            connection::serve(service, stream, peer, alive, Some(refusal)).await;
        }
    }
}
