//! One HTTP/1 connection: hyper over the wire guard while there is something to say, and the rest in between.
//!
//! Kept apart from `connection.rs`, which answers the requests of both kinds. hyper has a buffer of 8 KiB for each connection, and
//! keeps it while nobody speaks. So a connection that has lain idle for a moment, or has not asked yet, is the guard alone; at
//! the next byte it gets another hyper.
//!
//! Spec: RFC 9112 9.3.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1::{Builder, UpgradeableConnection};
use hyper::service::Service as HyperService;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::connection::{Answer, Connection, Service, answer};
use crate::head::Peer;
use crate::metrics::Protocol;
use crate::response::ResponseBody;
use crate::shutdown::{Alive, Phase};
use crate::wire::{Guard, Refusal, WireState};

/// hyper's own limit, up to which it needs no memory of its own for a head.
const HYPER_FIELDS: usize = 100;

/// What is known of a connection when it comes here.
#[derive(Debug)]
pub enum Begun {
    /// These bytes were read already.
    With(BytesMut),
    /// Whatever it asks for gets this answer.
    Refused(Refusal),
}

/// Serves one HTTP/1 connection until it closes or the server stops. Not `async`, so that an idle connection keeps nothing of what
/// it was made from.
pub fn serve<S>(
    service: Arc<Service>,
    stream: S,
    peer: Box<Peer>,
    mut alive: Alive,
    begun: Begun,
) -> impl Future<Output = ()> + Send
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let wire = Arc::new(WireState::default());
    let mut guard = Guard::new(stream, Arc::clone(&service.limits), Arc::clone(&wire));
    match begun {
        Begun::With(bytes) => guard.begin(bytes),
        Begun::Refused(refusal) => guard.refuse(refusal),
    }
    let connection = Arc::new(Connection::new(service, wire, peer, alive.clone(), Protocol::Http1));
    let mut served = Served { connection, turn: Turn::Resting(Box::new(guard)) };
    async move {
        // An error is the client's (it left, or broke a rule that was answered already), or an application's that was logged.
        if alive.phase() == Phase::Serving && alive.unless(Phase::Leaving, Pin::new(&mut served)).await.is_some() {
            return;
        }
        // A proxy that keeps connections hears of the end with its next answer on each, and not by a close under a request.
        served.connection.wire.leave();
        if alive.unless(Phase::Draining, Pin::new(&mut served)).await.is_some() {
            return;
        }
        let asked = poll_fn(|cx| match Pin::new(&mut served).poll(cx) {
            Poll::Pending if served.expects_request() => Poll::Pending,
            ended => Poll::Ready(ended.is_ready()),
        });
        tokio::select! {
            ended = asked => if ended { return },
            () = alive.given_up() => {}
        }
        served.graceful_shutdown();
        let _ended = alive.unless(Phase::Cut, Pin::new(&mut served)).await;
    }
}

/// A connection until it is closed, by whoever closes it.
struct Served<S> {
    connection: Arc<Connection>,
    turn: Turn<S>,
}

/// Who has the socket.
enum Turn<S> {
    /// hyper, since there is, or was until a moment ago, a request.
    Speaking(Box<Speaking<S>>),
    /// The guard alone: between two requests.
    Resting(Box<Guard<S>>),
    /// Nobody: it is closed, or not HTTP any more.
    Over,
}

type Speaking<S> = UpgradeableConnection<TokioIo<Guard<S>>, Requests>;

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Served<S> {
    /// Whether a request may be on its way: nothing was asked yet, or something a moment ago. hyper would close under it.
    fn expects_request(&self) -> bool {
        matches!(self.turn, Turn::Speaking(_)) || !self.connection.wire.idle_since().1
    }

    /// Closes the connection when its request, if there is one, is answered.
    fn graceful_shutdown(&mut self) {
        if let Turn::Resting(_) = self.turn {
            self.speak();
        }
        if let Turn::Speaking(speaking) = &mut self.turn {
            Pin::new(&mut **speaking).graceful_shutdown();
        }
    }

    fn speak(&mut self) {
        self.turn = match std::mem::replace(&mut self.turn, Turn::Over) {
            Turn::Resting(guard) => {
                self.connection.wire.speak();
                let mut builder = Builder::new();
                let fields = self.connection.service.settings.max_header_fields;
                if fields != HYPER_FIELDS {
                    builder.max_headers(fields);
                }
                builder.auto_date_header(self.connection.service.settings.is_dated());
                let requests = Requests(Arc::clone(&self.connection));
                Turn::Speaking(Box::new(builder.serve_connection(TokioIo::new(*guard), requests).with_upgrades()))
            }
            turn => turn,
        }
    }

    fn rest(&mut self) {
        self.turn = match std::mem::replace(&mut self.turn, Turn::Over) {
            // There is nothing in hyper's buffers: what came was answered, and the answer is out.
            Turn::Speaking(speaking) => match speaking.into_parts() {
                Some(parts) => {
                    debug_assert!(parts.read_buf.is_empty(), "bytes of a request that was never made");
                    Turn::Resting(Box::new(parts.io.into_inner()))
                }
                None => Turn::Over,
            },
            turn => turn,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Future for Served<S> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        loop {
            match &mut this.turn {
                Turn::Speaking(speaking) => {
                    if Pin::new(&mut **speaking).poll(cx).is_ready() {
                        return Poll::Ready(());
                    }
                    if !this.connection.wire.rests() {
                        return Poll::Pending;
                    }
                    this.rest();
                }
                Turn::Resting(guard) => {
                    ready!(guard.poll_wake(cx));
                    this.speak();
                }
                Turn::Over => return Poll::Ready(()),
            }
        }
    }
}

/// Where hyper takes the requests.
struct Requests(Arc<Connection>);

impl HyperService<Request<Incoming>> for Requests {
    type Response = hyper::Response<ResponseBody>;
    type Error = std::convert::Infallible;
    type Future = Answer;

    fn call(&self, request: Request<Incoming>) -> Answer {
        answer(Arc::clone(&self.0), request)
    }
}
