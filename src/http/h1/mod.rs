//! One HTTP/1 connection, from its first byte to its last.
//!
//! Reading order: `connection` is the state machine. `reading` waits for a head, `inflow` brings the body that follows
//! it, and `client` listens meanwhile. `responding` sends the response, with `lines` for its head, `sending` for its body
//! and `output` for bytes that wait. `handed_on` is a connection that has switched protocols. This file decides how a
//! connection ends when the server stops. (`http/connection.rs` answers the requests of HTTP/1 and HTTP/2.)
//!
//! Spec: RFC 9112 9.3, 9.6.

mod client;
mod connection;
#[cfg(any(test, fuzzing))]
mod function_service;
#[cfg(any(test, fuzzing))]
#[allow(clippy::indexing_slicing, clippy::panic, reason = "only tests see it")]
pub mod fuzzing;
mod handed_on;
mod inflow;
mod lines;
mod output;
mod reading;
mod responding;
mod sending;

#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite};

use self::connection::{Http1, Respond, ServerPhase};
use crate::gateway::client_state::ClientState;
use crate::http::connection::{ChosenResponse, Connection};
use crate::http::direct::{PendingResponse, respond_http1};
use crate::http::service::Service;
use crate::metrics::Protocol;
use crate::request::body::RawBody;
use crate::request::head::Peer;
use crate::request::parts::RequestParts;
use crate::response::own_fields::OwnFields;
use crate::runtime::shutdown::{Phase, ShutdownGuard};
use crate::wire::{Limits, Refusal};

/// How a connection begins.
#[derive(Debug)]
pub enum Begun {
    /// These bytes were read from it already.
    With(BytesMut),
    /// Anything that it sends gets this refusal.
    Refused(Refusal),
}

/// Serves one HTTP/1 connection until it closes or the server stops. It is not `async`, so that an idle connection does
/// not keep the arguments in memory.
pub fn serve<S>(
    service: Arc<Service>,
    stream: S,
    peer: Box<Peer>,
    guard: ShutdownGuard,
    begun: Begun,
) -> impl Future<Output = ()> + Send
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let connection = Arc::new(Connection::new(service, peer, guard.clone(), Protocol::Http1));
    let mut served = match begun {
        Begun::With(bytes) => Http1::new(stream, connection, bytes),
        Begun::Refused(refusal) => Http1::refusing(stream, connection, refusal),
    };
    async move {
        // An error is the client's (it left, or violated a rule and was told so), or an application's, which was
        // logged.
        if let Some(Ok(())) = until_ended(&mut served, &guard).await {
            served.hand_on();
        }
    }
}

/// The end of a connection. `None` if the server cuts it.
async fn until_ended<S>(served: &mut Http1<S, Arc<Connection>>, guard: &ShutdownGuard) -> Option<io::Result<()>>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    if guard.phase() == Phase::Serving
        && let Some(ended) = guard.unless(Phase::Leaving, pin!(poll_fn(|cx| served.poll_end(cx)))).await
    {
        return Some(ended);
    }
    // A proxy that keeps connections learns of the end from the next response on each, not from a close while it sends
    // a request.
    served.server = ServerPhase::Leaving;
    if let Some(ended) = guard.unless(Phase::Draining, pin!(poll_fn(|cx| served.poll_end(cx)))).await {
        return Some(ended);
    }
    let requests = poll_fn(|cx| match served.poll_end(cx) {
        Poll::Pending if served.expects_request() => Poll::Pending,
        Poll::Pending => Poll::Ready(None),
        Poll::Ready(ended) => Poll::Ready(Some(ended)),
    });
    tokio::select! {
        ended = requests => if ended.is_some() { return ended },
        // Boxed, so that a connection that serves does not reserve memory for it.
        () = Box::pin(guard.given_up()) => {}
    }
    served.server = ServerPhase::Draining;
    guard.unless(Phase::Cut, pin!(poll_fn(|cx| served.poll_end(cx)))).await
}

impl Respond for Arc<Connection> {
    fn limits(&self) -> &Arc<Limits> {
        &self.service.limits
    }

    fn respond(&self, parts: RequestParts, body: RawBody) -> PendingResponse {
        respond_http1(self, parts, body)
    }

    fn refuse(&self, refusal: &Refusal, line: Vec<u8>) -> Box<ChosenResponse> {
        Connection::refuse(self, refusal, line)
    }

    fn client(&self) -> &ClientState {
        &self.client
    }

    fn own_fields(&self) -> &OwnFields {
        &self.service.own_fields
    }

    fn is_dated(&self) -> bool {
        self.service.settings.is_dated()
    }

    fn hints(&self) -> bool {
        self.service.settings.asgi_extensions.iter().any(|name| name == "early_hint")
    }
}
