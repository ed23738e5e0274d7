//! The Python interface of listening sockets.
//!
//! A supervisor binds the sockets, and its workers take them over. To trust a bare number as a descriptor is `unsafe`:
//! it may be closed or belong to somebody else. So Python makes one socket after another the standard input, from which
//! safe Rust can copy it.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;

use crate::config::settings::Settings;
use crate::net::binding::Bound;
use crate::net::unix_path::UnixPath;

/// Bound sockets that listen.
#[pyclass(frozen, module = "rsgi._rsgi")]
#[derive(Debug, Default)]
pub struct Listeners {
    bound: Mutex<Vec<Bound>>,
    /// The socket on which the supervisor's admin listener asks this worker.
    admin: Mutex<Option<UnixStream>>,
    /// The paths of sockets that were closed in this process.
    paths: Mutex<Vec<UnixPath>>,
}

impl Listeners {
    /// Takes all sockets, once.
    pub fn take(&self) -> Vec<Bound> {
        std::mem::take(&mut *self.bound.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, bound: Bound) {
        self.bound.lock().unwrap_or_else(PoisonError::into_inner).push(bound);
    }

    /// Takes the socket to the supervisor's admin listener, if there is one, once.
    pub fn take_admin(&self) -> Option<UnixStream> {
        self.admin.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The URLs of the sockets. `encrypted` says whether TCP uses TLS.
    pub fn addresses(&self, encrypted: bool) -> Vec<String> {
        self.each(|bound| bound.url(encrypted))
    }

    /// Reads the sockets that were not taken.
    pub fn with<Found>(&self, look: impl FnOnce(&[Bound]) -> Found) -> Found {
        look(&self.bound.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn each<Found>(&self, found: impl Fn(&Bound) -> Found) -> Vec<Found> {
        self.with(|bound| bound.iter().map(found).collect())
    }
}

#[pymethods]
impl Listeners {
    /// Makes an empty list.
    #[new]
    fn new() -> Self {
        Self::default()
    }

    /// Binds one address with the options of `config`.
    ///
    /// Raises `rsgi.StartupError` if the address cannot be bound.
    fn listen(&self, address: &str, config: Settings) -> PyResult<()> {
        self.add(Bound::listen(address, &config)?);
        Ok(())
    }

    /// Adds the socket that is standard input.
    ///
    /// Raises `OSError` if standard input is not a socket.
    fn add_stdin(&self) -> PyResult<()> {
        let descriptor = std::io::stdin().as_fd().try_clone_to_owned()?;
        self.add(Bound::inherited(descriptor)?);
        Ok(())
    }

    /// Takes standard input as the socket to the supervisor's admin listener.
    ///
    /// Raises `OSError` if there are no file descriptors left.
    fn take_admin_line(&self) -> PyResult<()> {
        let descriptor = std::io::stdin().as_fd().try_clone_to_owned()?;
        *self.admin.lock().unwrap_or_else(PoisonError::into_inner) = Some(UnixStream::from(descriptor));
        Ok(())
    }

    /// Closes the sockets in this process. So when the last worker has closed them too, no client can connect any more.
    /// The files of Unix sockets stay until this is dropped, for workers that still accept.
    fn release(&self) {
        let paths = self.take().into_iter().filter_map(Bound::release);
        self.paths.lock().unwrap_or_else(PoisonError::into_inner).extend(paths);
    }

    /// Closes the sockets that were not taken, and removes our own socket files.
    fn close(&self) {
        drop(self.take());
        self.paths.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The file descriptors.
    #[getter]
    fn descriptors(&self) -> Vec<i32> {
        self.each(Bound::descriptor)
    }

    /// The URLs of the sockets, such as `http://127.0.0.1:8000`. `encrypted` says whether TCP uses TLS.
    fn urls(&self, encrypted: bool) -> Vec<String> {
        self.addresses(encrypted)
    }
}
