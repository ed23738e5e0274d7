//! Binds addresses, and takes over sockets that another process has bound.
//!
//! This happens before the server runs, so a bad address is a start-up error.
//!
//! Spec: RFC 3986 3.2.2 (IPv6 literals in brackets), RFC 3493 5.3 (`IPV6_V6ONLY`).

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use socket2::{Domain, Socket, Type};

use crate::config::settings::Settings;
use crate::config::startup_error::StartupError;
use crate::net::unix_path::{self, UnixPath};

/// A bound socket from which nobody accepts yet.
#[derive(Debug)]
pub enum Bound {
    /// `host:port`.
    Tcp(std::net::TcpListener, SocketAddr),
    /// A path or an abstract name. The process that bound a path removes it at the end.
    Unix(std::os::unix::net::UnixListener, UnixPath),
}

impl Bound {
    /// Binds one address: `host:port` or `unix:/path`.
    ///
    /// # Errors
    /// Why the address cannot be bound, and how to fix it.
    pub fn listen(address: &str, settings: &Settings) -> Result<Self, StartupError> {
        match address.strip_prefix("unix:") {
            Some(path) => {
                let (listener, path) = unix_path::listen(path, settings)?;
                Ok(Self::Unix(listener, path))
            }
            None => listen_tcp(address, settings),
        }
    }

    /// Takes over a socket that another process has bound and listens on.
    ///
    /// # Errors
    /// When it is not a TCP or Unix socket with an address.
    pub fn inherited(descriptor: OwnedFd) -> io::Result<Self> {
        let socket = Socket::from(descriptor);
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        if let Some(address) = address.as_socket() {
            return Ok(Self::Tcp(socket.into(), address));
        }
        let path = UnixPath::inherited(&address);
        let path = path.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the socket has no address"))?;
        Ok(Self::Unix(OwnedFd::from(socket).into(), path))
    }

    /// Closes the socket in this process. Other processes still accept from it. Returns its path, which is removed when
    /// the result is dropped.
    pub fn release(self) -> Option<UnixPath> {
        match self {
            Self::Tcp(..) => None,
            Self::Unix(_, path) => Some(path),
        }
    }

    /// The file descriptor, to pass it to a child process.
    pub fn descriptor(&self) -> RawFd {
        match self {
            Self::Tcp(listener, _) => listener.as_raw_fd(),
            Self::Unix(listener, _) => listener.as_raw_fd(),
        }
    }

    /// The path of a Unix socket, or its `@name`.
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Tcp(..) => None,
            Self::Unix(_, path) => Some(path.shown()),
        }
    }

    /// The address of a TCP socket.
    pub fn socket_address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(_, address) => Some(*address),
            Self::Unix(..) => None,
        }
    }

    /// Whether it is a TCP socket.
    pub fn is_tcp(&self) -> bool {
        matches!(self, Self::Tcp(..))
    }

    /// The address as a URL for messages. `encrypted` says whether TCP connections use TLS; Unix sockets never do.
    pub fn url(&self, encrypted: bool) -> String {
        match self {
            Self::Tcp(_, address) if encrypted => format!("https://{address}"),
            Self::Tcp(_, address) => format!("http://{address}"),
            Self::Unix(_, path) => format!("unix:{}", path.shown()),
        }
    }
}

fn listen_tcp(text: &str, settings: &Settings) -> Result<Bound, StartupError> {
    let failed =
        |error: io::Error| StartupError::new(format!("cannot listen on `{text}`: {}", reason(&error)), hint(&error));
    let mut addresses = text.to_socket_addrs().map_err(|error| {
        StartupError::new(
            format!("`{text}` is not an address to listen on: {error}"),
            "write it as `host:port`, `[::1]:port`, `unix:/path` or `fd://3`",
        )
    })?;
    let address = addresses.next().ok_or_else(|| failed(io::Error::other("the name has no address")))?;
    let listener = tcp_socket(address, settings).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok(Bound::Tcp(listener, address))
}

fn tcp_socket(address: SocketAddr, settings: &Settings) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    if settings.reuse_port {
        socket.set_reuse_port(true)?;
    }
    if address.is_ipv6() && address.ip().is_unspecified() {
        // Fails on a system without IPv4, where it has no effect anyway.
        let _unsupported = socket.set_only_v6(is_for_itself(address.port(), settings));
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(settings.backlog)?;
    Ok(socket.into())
}

/// Whether an IPv4 address with the same port is also bound. Then `[::]` must not accept IPv4.
fn is_for_itself(port: u16, settings: &Settings) -> bool {
    let is_other = |other: &String| {
        let parsed: Option<SocketAddr> = other.parse().ok();
        parsed.is_some_and(|other| other.is_ipv4() && other.port() == port && port != 0)
    };
    settings.bind.iter().any(is_other)
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
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 are root's: choose another with `--port`, start as root with `--user`, or let systemd pass a socket"
        }
        io::ErrorKind::AddrNotAvailable => {
            "this machine does not have that address; `--host 0.0.0.0` listens on all it has"
        }
        _ => "choose another address with `--host` and `--port`, or `--bind`",
    }
    .to_owned()
}
