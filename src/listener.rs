//! Listening sockets: bind (TCP, Unix), take over those of a supervisor, and accept with back-off.
//!
//! Kept apart because binding happens before anything runs, so that a bad address is a start-up error.
//!
//! Spec: RFC 3986 3.2.2 (IPv6 literals in brackets).

use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::FileTypeExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::admission::Place;
use crate::connection::Service;
use crate::error::StartupError;
use crate::head::Peer;
use crate::metrics::Event;
use crate::protocol;
use crate::settings::Settings;
use crate::shutdown::{Alive, Phase, Shutdown};

/// Connections that the kernel keeps until they are accepted.
const BACKLOG: i32 = 2048;

/// A bound socket that nobody accepts from yet.
#[derive(Debug)]
pub enum Bound {
    /// `host:port`.
    Tcp(std::net::TcpListener, SocketAddr),
    /// A path in the file system, removed at the end by the process that bound it.
    Unix(std::os::unix::net::UnixListener, UnixPath),
}

/// The path of a Unix socket; if it is of our making the file goes with it.
#[derive(Debug)]
pub struct UnixPath {
    path: String,
    ours: bool,
}

impl Drop for UnixPath {
    fn drop(&mut self) {
        if self.ours {
            // Somebody else may have removed it.
            let _gone = std::fs::remove_file(&self.path);
        }
    }
}

impl Bound {
    /// Takes over a socket that another process has bound and listens on.
    ///
    /// # Errors
    /// When it is not a TCP or Unix socket with an address.
    pub fn inherited(descriptor: OwnedFd) -> io::Result<Self> {
        let socket = Socket::from(descriptor);
        let address = socket.local_addr()?;
        if let Some(address) = address.as_socket() {
            return Ok(Self::Tcp(socket.into(), address));
        }
        let path = address.as_pathname().and_then(std::path::Path::to_str).map(str::to_owned);
        let path = path.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the socket has no address"))?;
        Ok(Self::Unix(OwnedFd::from(socket).into(), UnixPath { path, ours: false }))
    }

    /// Closes it here, for who accepts from it elsewhere; gives its path, which is removed with that.
    pub fn release(self) -> Option<UnixPath> {
        match self {
            Self::Tcp(..) => None,
            Self::Unix(_, path) => Some(path),
        }
    }

    /// The number of the descriptor, to be handed to a child.
    pub fn descriptor(&self) -> RawFd {
        match self {
            Self::Tcp(listener, _) => listener.as_raw_fd(),
            Self::Unix(listener, _) => listener.as_raw_fd(),
        }
    }

    /// Whether clients come over TCP.
    pub fn is_tcp(&self) -> bool {
        matches!(self, Self::Tcp(..))
    }

    /// The address as it is shown and as a browser takes it. TCP may be `encrypted`; a Unix socket never is.
    pub fn url(&self, encrypted: bool) -> String {
        match self {
            Self::Tcp(_, address) if encrypted => format!("https://{address}"),
            Self::Tcp(_, address) => format!("http://{address}"),
            Self::Unix(_, path) => format!("unix:{}", path.path),
        }
    }
}

/// Binds every address that the settings name.
///
/// # Errors
/// Which address could not be had, why, and what to do.
pub fn bind(settings: &Settings) -> Result<Vec<Bound>, StartupError> {
    let mut bound = Vec::new();
    if let Some(path) = &settings.uds {
        bound.push(bind_unix(path)?);
    }
    for address in &settings.bind {
        bound.push(bind_address(address)?);
    }
    if bound.is_empty() {
        let host = settings.host.trim_start_matches('[').trim_end_matches(']');
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        bound.push(bind_tcp(&format!("{host}:{}", settings.port))?);
    }
    Ok(bound)
}

/// Binds one address: `host:port`, `[::1]:port` or `unix:/path`.
///
/// # Errors
/// As for [`bind`].
pub fn bind_address(address: &str) -> Result<Bound, StartupError> {
    match address.strip_prefix("unix:") {
        Some(path) => bind_unix(path),
        None => bind_tcp(address),
    }
}

fn bind_tcp(text: &str) -> Result<Bound, StartupError> {
    let failed =
        |error: io::Error| StartupError::new(format!("cannot listen on `{text}`: {}", reason(&error)), hint(&error));
    let mut addresses = text.to_socket_addrs().map_err(|error| {
        StartupError::new(
            format!("`{text}` is not an address to listen on: {error}"),
            "write it as `host:port`, `[::1]:port` or `unix:/path`",
        )
    })?;
    let address = addresses.next().ok_or_else(|| failed(io::Error::other("the name has no address")))?;
    let listener = listen_tcp(address).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok(Bound::Tcp(listener, address))
}

fn listen_tcp(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn bind_unix(path: &str) -> Result<Bound, StartupError> {
    let failed = |error: io::Error| {
        StartupError::new(format!("cannot listen on `unix:{path}`: {}", reason(&error)), hint(&error))
    };
    remove_stale(path).map_err(failed)?;
    let listener = std::os::unix::net::UnixListener::bind(path).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(Bound::Unix(listener, UnixPath { path: path.to_owned(), ours: true }))
}

/// Removes a socket file that nobody answers on: a server that was killed leaves it behind.
fn remove_stale(path: &str) -> io::Result<()> {
    let Ok(metadata) = std::fs::symlink_metadata(path) else { return Ok(()) };
    if !metadata.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is a file that is not a socket"));
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => Err(io::ErrorKind::AddrInUse.into()),
        Err(_) => std::fs::remove_file(path),
    }
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "the address is in use".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

fn hint(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "stop the other server, or choose another port with `--port` (0 for any free one)",
        io::ErrorKind::PermissionDenied => "ports below 1024 need privileges; choose another with `--port`",
        io::ErrorKind::AddrNotAvailable => {
            "this machine does not have that address; `--host 0.0.0.0` listens on all it has"
        }
        _ => "choose another address with `--host` and `--port`, or `--bind`",
    }
    .to_owned()
}

/// Sockets to accept from, and who is told when that begins.
#[derive(Debug)]
pub struct Listening {
    /// The sockets.
    pub bound: Vec<Bound>,
    /// Whether a supervisor has bound them, which says so itself when all its workers are ready.
    pub inherited: bool,
    /// Hears of the beginning once.
    pub ready: Sender<()>,
    /// Says whether it has come, for who asks.
    pub accepting: Arc<AtomicBool>,
}

impl Listening {
    /// Starts to accept, and says so.
    pub fn begin(self, service: &Arc<Service>, shutdown: &Shutdown) {
        // Whoever reads that the server listens may ask at once whether it does.
        self.accepting.store(true, Ordering::Release);
        for bound in self.bound {
            let url = bound.url(service.tls.is_some());
            let turns = Turns { shared: self.inherited };
            tokio::spawn(accept(bound, turns, Arc::clone(service), shutdown.alive()));
            if !self.inherited {
                crate::log::line(format_args!("listening on {url}"));
            }
        }
        // Nobody waits for it in a server that runs alone.
        let _unheard = self.ready.send(());
    }
}

/// Who may accept next.
#[derive(Debug, Clone, Copy)]
struct Turns {
    shared: bool,
}

impl Turns {
    /// After each connection: of several processes, all should get some of those that come at once.
    async fn give(self) {
        if self.shared {
            std::thread::yield_now();
            tokio::task::yield_now().await;
        }
    }
}

/// Accepts connections until the server drains.
async fn accept(bound: Bound, turns: Turns, service: Arc<Service>, alive: Alive) {
    match bound {
        Bound::Tcp(listener, _) => match TcpListener::from_std(listener) {
            Ok(listener) => accept_tcp(listener, turns, service, alive).await,
            Err(error) => crate::log::line(format_args!("error: cannot accept connections: {error}")),
        },
        Bound::Unix(listener, path) => match UnixListener::from_std(listener) {
            Ok(listener) => accept_unix(listener, turns, &path.path, service, alive).await,
            Err(error) => crate::log::line(format_args!("error: cannot accept connections: {error}")),
        },
    }
}

/// The next connection, with its place if these are limited. It is not accepted before there is room.
fn admitted<T>(
    service: &Service,
    context: &mut Context<'_>,
    accept: impl FnOnce(&mut Context<'_>) -> Poll<io::Result<T>>,
) -> Poll<io::Result<(Option<Place>, T)>> {
    let Some(admission) = &service.admission else { return accept(context).map_ok(|accepted| (None, accepted)) };
    ready!(admission.poll_room(context));
    accept(context).map_ok(|accepted| (Some(admission.take()), accepted))
}

async fn accept_tcp(listener: TcpListener, turns: Turns, service: Arc<Service>, mut alive: Alive) {
    let serve = |stream: TcpStream, client: SocketAddr, alive: Alive| {
        // Without it a small answer may wait for the client's acknowledgement; with it only latency is at stake.
        let _unsupported = stream.set_nodelay(true);
        let server = stream.local_addr().ok().map(|address| (address.ip().to_string(), address.port()));
        let trusted = service.proxies.as_ref().is_some_and(|proxies| proxies.trusts(Some(client.ip())));
        let client = Some((client.ip().to_string(), client.port()));
        let peer = Peer { client, server, trusted, ..Peer::default() };
        tokio::spawn(protocol::serve_tcp(Arc::clone(&service), stream, Box::new(peer), alive));
    };
    loop {
        let accepted = tokio::select! {
            accepted = poll_fn(|context| admitted(&service, context, |context| listener.poll_accept(context))) => accepted,
            () = alive.reached(Phase::Draining) => break,
        };
        match accepted {
            Ok((place, (stream, client))) => {
                serve(stream, client, alive.of_connection(place));
                turns.give().await;
            }
            Err(error) => back_off(&error, &service).await,
        }
    }
    let Ok(listener) = listener.into_std() else { return };
    for (stream, client) in waiting(|| listener.accept()) {
        if stream.set_nonblocking(true).is_ok()
            && let Ok(stream) = TcpStream::from_std(stream)
        {
            serve(stream, client, alive.of_connection(None));
        }
    }
}

async fn accept_unix(listener: UnixListener, turns: Turns, path: &str, service: Arc<Service>, mut alive: Alive) {
    let serve = |stream: UnixStream, alive: Alive| {
        let trusted = service.proxies.as_ref().is_some_and(|proxies| proxies.trusts(None));
        let peer = Peer { unix_path: Some(path.to_owned()), trusted, ..Peer::default() };
        tokio::spawn(protocol::serve_unix(Arc::clone(&service), stream, Box::new(peer), alive));
    };
    loop {
        let accepted = tokio::select! {
            accepted = poll_fn(|context| admitted(&service, context, |context| listener.poll_accept(context))) => accepted,
            () = alive.reached(Phase::Draining) => break,
        };
        match accepted {
            Ok((place, (stream, _))) => {
                serve(stream, alive.of_connection(place));
                turns.give().await;
            }
            Err(error) => back_off(&error, &service).await,
        }
    }
    let Ok(listener) = listener.into_std() else { return };
    for (stream, _) in waiting(|| listener.accept()) {
        if stream.set_nonblocking(true).is_ok()
            && let Ok(stream) = UnixStream::from_std(stream)
        {
            serve(stream, alive.of_connection(None));
        }
    }
}

/// The connections that the kernel has let in already: when their socket closes they would be reset.
fn waiting<S>(accept: impl Fn() -> io::Result<S>) -> impl Iterator<Item = S> {
    (0..BACKLOG).map_while(move |_| accept().ok())
}

/// A connection that was given up before it was accepted is nothing; when descriptors or memory run out, waiting helps.
async fn back_off(error: &io::Error, service: &Service) {
    if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
        return;
    }
    service.metrics.iter().for_each(|metrics| metrics.count(Event::AcceptFailed));
    crate::log::line(format_args!("error: cannot accept a connection: {error}; trying again in 100 ms"));
    tokio::time::sleep(Duration::from_millis(100)).await;
}
