//! The Python interface of listening sockets.
//!
//! `binding.rs` does not know Python. A supervisor binds the sockets, and its workers take them over. A number
//! alone does not prove that a descriptor is open and ours, and trusting it is `unsafe`. So Python puts one socket after
//! another on its standard input, which safe code may borrow.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;

use crate::config::settings::Settings;
use crate::net::binding::Bound;
use crate::net::unix_path::UnixPath;

/// Sockets that are bound and listen.
#[pyclass(frozen, module = "rsgi._rsgi")]
#[derive(Debug, Default)]
pub struct Listeners {
    bound: Mutex<Vec<Bound>>,
    /// Where the supervisor asks for numbers.
    admin: Mutex<Option<UnixStream>>,
    /// Of those that are closed here.
    paths: Mutex<Vec<UnixPath>>,
}

impl Listeners {
    /// All of them, once.
    pub fn take(&self) -> Vec<Bound> {
        std::mem::take(&mut *self.bound.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, bound: Bound) {
        self.bound.lock().unwrap_or_else(PoisonError::into_inner).push(bound);
    }

    /// The line to the supervisor's admin listener, once, if it has one.
    pub fn take_admin(&self) -> Option<UnixStream> {
        self.admin.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Where they listen; with TLS if it is `encrypted`.
    pub fn addresses(&self, encrypted: bool) -> Vec<String> {
        self.each(|bound| bound.url(encrypted))
    }

    /// Looks at the sockets that were not taken.
    pub fn with<Found>(&self, look: impl FnOnce(&[Bound]) -> Found) -> Found {
        look(&self.bound.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn each<Found>(&self, found: impl Fn(&Bound) -> Found) -> Vec<Found> {
        self.with(|bound| bound.iter().map(found).collect())
    }
}

#[pymethods]
impl Listeners {
    /// There are none yet.
    #[new]
    fn new() -> Self {
        Self::default()
    }

    /// Binds one address; `config` says how.
    ///
    /// Raises `rsgi.StartupError` when it cannot be had.
    fn listen(&self, address: &str, config: Settings) -> PyResult<()> {
        self.add(Bound::listen(address, &config)?);
        Ok(())
    }

    /// Adds the socket that is standard input.
    ///
    /// Raises `OSError` when that is none.
    fn add_stdin(&self) -> PyResult<()> {
        let descriptor = std::io::stdin().as_fd().try_clone_to_owned()?;
        self.add(Bound::inherited(descriptor)?);
        Ok(())
    }

    /// Takes the socket that is standard input for the line to the supervisor's admin listener.
    ///
    /// Raises `OSError` when there are no descriptors left.
    fn take_admin_line(&self) -> PyResult<()> {
        let descriptor = std::io::stdin().as_fd().try_clone_to_owned()?;
        *self.admin.lock().unwrap_or_else(PoisonError::into_inner) = Some(UnixStream::from(descriptor));
        Ok(())
    }

    /// Closes the sockets here: when the last worker has closed them, too, nobody is let in who would not be served. The files of
    /// Unix sockets stay until these are dropped, for workers that still accept.
    fn release(&self) {
        let paths = self.take().into_iter().filter_map(Bound::release);
        self.paths.lock().unwrap_or_else(PoisonError::into_inner).extend(paths);
    }

    /// Closes those that nobody has taken; socket files of our making are removed.
    fn close(&self) {
        drop(self.take());
        self.paths.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The numbers of the descriptors.
    #[getter]
    fn descriptors(&self) -> Vec<i32> {
        self.each(Bound::descriptor)
    }

    /// Where they listen, such as `http://127.0.0.1:8000`; with TLS if it is `encrypted`.
    fn urls(&self, encrypted: bool) -> Vec<String> {
        self.addresses(encrypted)
    }
}
