//! A process that is one of several, as Python sees it: its listening sockets, and its name in the log.
//!
//! Kept apart from `listener.rs` and `log.rs`, which know no Python. A supervisor binds the sockets and its workers take them
//! over. A number alone does not prove that a descriptor is open and ours, and what takes it at its word is `unsafe`, so a worker
//! lays one socket after another on its standard input, which safe code may borrow.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;

use crate::access_log::Format;
use crate::listener::{self, Bound, UnixPath};
use crate::settings::Settings;

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
    /// Binds every address that the settings name; without settings there are none.
    ///
    /// Raises `rsgi.StartupError` when an address cannot be had.
    #[new]
    #[pyo3(signature = (config = None))]
    fn new(config: Option<Settings>) -> PyResult<Self> {
        let bound = config.map(|config| listener::bind(&config)).transpose()?;
        Ok(Self { bound: Mutex::new(bound.unwrap_or(Vec::new())), ..Self::default() })
    }

    /// Adds the socket that is standard input.
    ///
    /// Raises `OSError` when that is none.
    fn add_stdin(&self) -> PyResult<()> {
        let descriptor = std::io::stdin().as_fd().try_clone_to_owned()?;
        self.bound.lock().unwrap_or_else(PoisonError::into_inner).push(Bound::inherited(descriptor)?);
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

/// Says what is wrong with a format of the access log.
///
/// Raises `rsgi.StartupError` when something is.
#[pyfunction]
pub fn check_access_log_format(format: &str) -> PyResult<()> {
    Format::compile(format)?;
    Ok(())
}

/// Makes each line that this process writes to standard error from Rust a JSON object, from now on.
#[pyfunction]
pub fn write_json() {
    crate::log::write_json();
}

/// Puts `name` before every line that this process writes to standard error from Rust. Only the first call counts.
#[pyfunction]
pub fn name_process(name: String) {
    crate::log::name_process(name);
}
