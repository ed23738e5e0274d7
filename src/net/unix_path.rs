//! Unix sockets: their files, modes and abstract names.
//!
//! A socket file stays when its process ends. A file on which nobody listens is replaced. At the end, only our own file
//! is removed.
//!
//! Spec: unix(7) (pathname and abstract sockets).

use std::fs::{Metadata, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;

use socket2::{Domain, SockAddr, Socket, Type};

use crate::config::settings::Settings;
use crate::config::startup_error::StartupError;

/// The path of a Unix socket, or `@name`. When it is dropped, the file is removed if this process made it.
#[derive(Debug)]
pub struct UnixPath {
    shown: String,
    made: Option<File>,
}

/// The identity of a socket file, and the process that made it.
#[derive(Debug, PartialEq, Eq)]
struct File {
    device: u64,
    inode: u64,
    process: u32,
}

impl File {
    fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino(), process: std::process::id() }
    }

    fn at(path: &str) -> Option<Self> {
        std::fs::symlink_metadata(path).ok().as_ref().map(Self::of)
    }
}

impl UnixPath {
    /// The path or name of a socket that another process has bound. `None` if its address has neither.
    pub fn inherited(address: &SockAddr) -> Option<Self> {
        let path = address.as_pathname().map(|path| path.to_string_lossy().into_owned());
        let name = || Some(format!("@{}", String::from_utf8_lossy(address.as_abstract_namespace()?)));
        path.or_else(name).map(|shown| Self { shown, made: None })
    }

    /// `/path` or `@name`.
    pub fn shown(&self) -> &str {
        &self.shown
    }
}

impl Drop for UnixPath {
    fn drop(&mut self) {
        if self.made.is_none() || self.made != File::at(&self.shown) {
            return; // another server has put its own there
        }
        if let Err(error) = std::fs::remove_file(&self.shown)
            && error.kind() != ErrorKind::NotFound
        {
            crate::log::line(format_args!("warning: could not remove the socket `{}`: {error}", self.shown));
        }
    }
}

/// Binds a path, or the abstract name `@name`, and listens.
///
/// # Errors
/// Why the path cannot be bound, and how to fix it.
pub fn listen(path: &str, settings: &Settings) -> Result<(UnixListener, UnixPath), StartupError> {
    let bound = match path.strip_prefix('@') {
        Some(name) => listen_abstract(name, settings),
        None => listen_file(path, settings),
    };
    bound
        .map_err(|error| StartupError::new(format!("cannot listen on `unix:{path}`: {}", reason(&error)), hint(&error)))
}

fn listen_abstract(name: &str, settings: &Settings) -> io::Result<(UnixListener, UnixPath)> {
    let socket = bound(&SockAddr::unix(format!("\0{name}"))?)?;
    socket.listen(settings.backlog)?;
    Ok((OwnedFd::from(socket).into(), UnixPath { shown: format!("@{name}"), made: None }))
}

fn listen_file(path: &str, settings: &Settings) -> io::Result<(UnixListener, UnixPath)> {
    remove_stale(path)?;
    let socket = bound(&SockAddr::unix(path)?)?;
    let made = UnixPath { shown: path.to_owned(), made: File::at(path) };
    if let Some(mode) = settings.socket_mode() {
        // This comes before `listen`, so nobody can connect with another mode.
        std::fs::set_permissions(path, Permissions::from_mode(mode))?;
    }
    socket.listen(settings.backlog)?;
    Ok((OwnedFd::from(socket).into(), made))
}

fn bound(address: &SockAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// Removes a socket file on which nobody listens. A server that was killed leaves it behind.
fn remove_stale(path: &str) -> io::Result<()> {
    let Ok(metadata) = std::fs::symlink_metadata(path) else { return Ok(()) };
    if !metadata.file_type().is_socket() {
        return Err(io::Error::new(ErrorKind::AlreadyExists, "this file is not a socket"));
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // Non-blocking, because the queue of a busy server may be full.
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(error),
        _ => Err(ErrorKind::AddrInUse.into()),
    }
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::AddrInUse => "another server listens there".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::AddrInUse => "stop the other server, or choose another path",
        ErrorKind::PermissionDenied => {
            "the server's user has to be allowed to write in the folder, and to replace what is there"
        }
        ErrorKind::NotFound => "the folder has to be there",
        ErrorKind::InvalidInput => "a path has at most 107 bytes; a relative one may be shorter",
        _ => "choose another path with `--uds` or `--bind unix:/path`",
    }
}
