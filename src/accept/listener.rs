//! Accepts connections from bound sockets, until the server drains.
//!
//! [`binding`](crate::net::binding) has bound the sockets before the server runs. [`back_off`](crate::net::back_off)
//! handles errors of `accept`.
//!
//! Spec: RFC 4291 2.5.5.2 (IPv4 clients of an IPv6 socket).

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::task::{Context, Poll, ready};

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::accept::protocol;
use crate::http::service::Service;
use crate::net::admission::ConnectionPermit;
use crate::net::back_off::BackOff;
use crate::net::binding::Bound;
use crate::request::head::Peer;
use crate::runtime::shutdown::{Phase, Shutdown, ShutdownGuard};

/// The most connections that are accepted from the queue of the kernel when the server drains.
const MOST_WAITING: usize = 65536;

/// The sockets to accept from, and who learns that accepting has begun.
#[derive(Debug)]
pub struct Listening {
    /// The sockets.
    pub bound: Vec<Bound>,
    /// Whether the sockets belong to a supervisor. A supervisor prints `listening on …` itself, when all its workers
    /// are ready.
    pub shared: bool,
    /// Gets one message when accepting begins.
    pub ready: Sender<()>,
    /// Set when accepting begins.
    pub accepting: Arc<AtomicBool>,
}

impl Listening {
    /// Starts to accept.
    pub fn begin(self, service: &Arc<Service>, shutdown: &Shutdown) {
        // Set before `listening on …` is printed, because a reader of that line may check this at once.
        self.accepting.store(true, Ordering::Release);
        for bound in self.bound {
            let url = bound.url(service.tls.is_some());
            let turns = AcceptTurns { shared: self.shared };
            let accepting = Accepting {
                turns,
                back_off: BackOff::new(url.clone(), service.metrics.clone()),
                guard: shutdown.guard(),
            };
            tokio::spawn(accept(bound, accepting, Arc::clone(service)));
            if !self.shared {
                crate::log::line(format_args!("listening on {url}"));
            }
        }
        // Fails if the server has no supervisor, because nobody waits for it then.
        let _unheard = self.ready.send(());
    }
}

/// Lets other processes accept too.
#[derive(Debug, Clone, Copy)]
struct AcceptTurns {
    shared: bool,
}

impl AcceptTurns {
    /// Yields after each connection, so that connections that arrive at the same time are spread over all processes.
    async fn give(self) {
        if self.shared {
            std::thread::yield_now();
            tokio::task::yield_now().await;
        }
    }
}

/// The state of accepting from one socket.
struct Accepting {
    turns: AcceptTurns,
    back_off: BackOff,
    guard: ShutdownGuard,
}

/// Accepts connections until the server drains.
async fn accept(bound: Bound, accepting: Accepting, service: Arc<Service>) {
    match bound {
        Bound::Tcp(listener, _) => match TcpListener::from_std(listener) {
            Ok(listener) => accept_tcp(listener, accepting, service).await,
            Err(error) => crate::log::line(format_args!("error: cannot accept connections: {error}")),
        },
        Bound::Unix(listener, path) => match UnixListener::from_std(listener) {
            Ok(listener) => accept_unix(listener, accepting, path.shown(), service).await,
            Err(error) => crate::log::line(format_args!("error: cannot accept connections: {error}")),
        },
    }
}

/// The next connection, with its permit if `--max-connections` limits them. Without a free permit, nothing is accepted.
fn admitted<T>(
    service: &Service,
    context: &mut Context<'_>,
    accept: impl FnOnce(&mut Context<'_>) -> Poll<io::Result<T>>,
) -> Poll<io::Result<(Option<ConnectionPermit>, T)>> {
    let Some(admission) = &service.admission else { return accept(context).map_ok(|accepted| (None, accepted)) };
    ready!(admission.poll_room(context));
    accept(context).map_ok(|accepted| (Some(admission.take()), accepted))
}

async fn accept_tcp(listener: TcpListener, accepting: Accepting, service: Arc<Service>) {
    let Accepting { turns, mut back_off, guard } = accepting;
    let serve = |stream: TcpStream, client: SocketAddr, guard: ShutdownGuard| {
        // Without this, a small response may wait for the client's acknowledgement. An error only costs latency.
        let _unsupported = stream.set_nodelay(true);
        let server = stream.local_addr().ok().map(named);
        let trusted = service.proxies.as_ref().is_some_and(|proxies| proxies.trusts(Some(client.ip())));
        let peer = Peer { client: Some(named(client)), server, trusted, ..Peer::default() };
        tokio::spawn(protocol::serve_tcp(Arc::clone(&service), stream, Box::new(peer), guard));
    };
    loop {
        let accepted = tokio::select! {
            accepted = poll_fn(|context| admitted(&service, context, |context| listener.poll_accept(context))) => accepted,
            () = guard.reached(Phase::Draining) => break,
            () = back_off.over() => continue,
        };
        match accepted {
            Ok((permit, (stream, client))) => {
                serve(stream, client, guard.of_connection(permit));
                turns.give().await;
            }
            Err(error) => back_off.failed(&error).await,
        }
    }
    let Ok(listener) = listener.into_std() else { return };
    for (stream, client) in waiting(|| listener.accept()) {
        if stream.set_nonblocking(true).is_ok()
            && let Ok(stream) = TcpStream::from_std(stream)
        {
            serve(stream, client, guard.of_connection(None));
        }
    }
}

/// An address in the form for applications. An IPv4 client of an IPv6 socket gets its IPv4 address.
fn named(address: SocketAddr) -> (String, u16) {
    (address.ip().to_canonical().to_string(), address.port())
}

async fn accept_unix(listener: UnixListener, accepting: Accepting, path: &str, service: Arc<Service>) {
    let Accepting { turns, mut back_off, guard } = accepting;
    let serve = |stream: UnixStream, guard: ShutdownGuard| {
        let trusted = service.proxies.as_ref().is_some_and(|proxies| proxies.trusts(None));
        let peer = Peer { unix_path: Some(path.to_owned()), trusted, ..Peer::default() };
        tokio::spawn(protocol::serve_unix(Arc::clone(&service), stream, Box::new(peer), guard));
    };
    loop {
        let accepted = tokio::select! {
            accepted = poll_fn(|context| admitted(&service, context, |context| listener.poll_accept(context))) => accepted,
            () = guard.reached(Phase::Draining) => break,
            () = back_off.over() => continue,
        };
        match accepted {
            Ok((permit, (stream, _))) => {
                serve(stream, guard.of_connection(permit));
                turns.give().await;
            }
            Err(error) => back_off.failed(&error).await,
        }
    }
    let Ok(listener) = listener.into_std() else { return };
    for (stream, _) in waiting(|| listener.accept()) {
        if stream.set_nonblocking(true).is_ok()
            && let Ok(stream) = UnixStream::from_std(stream)
        {
            serve(stream, guard.of_connection(None));
        }
    }
}

/// The connections in the queue of the kernel. They would be reset when their socket closes.
fn waiting<S>(accept: impl Fn() -> io::Result<S>) -> impl Iterator<Item = S> {
    (0..MOST_WAITING).map_while(move |_| accept().ok())
}
