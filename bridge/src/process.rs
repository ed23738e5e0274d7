//! Which process this is: the one that calls an application, or a child that the application has forked.
//!
//! Kept apart because every place that calls an application asks for it. A forked child has its parent's memory and only the
//! thread that forked: nobody in it drives the sockets, and a lock that another thread held stays taken. So it must not go on
//! where its parent serves. The number that is asked for is read without a lock, and costs no system call.

use std::sync::atomic::{AtomicU32, Ordering};

use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

use crate::error::ClientDisconnected;

/// How many forks lie between the process that loaded this module and this one.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// The process that something was made in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process(u32);

impl Default for Process {
    fn default() -> Self {
        Self::this()
    }
}

impl Process {
    /// This one.
    pub fn this() -> Self {
        Self(FORKS.load(Ordering::Relaxed))
    }

    /// Whether it is this one, and not a parent of it.
    pub fn is_this(self) -> bool {
        self == Self::this()
    }

    /// # Errors
    /// When it is a parent of this one: the client is the parent's, and nobody here can answer it.
    pub fn check(self) -> PyResult<()> {
        if self.is_this() {
            return Ok(());
        }
        Err(ClientDisconnected::new_err(
            "this process was forked in a call of its parent, and the client is the parent's",
        ))
    }

    /// Passes on what code of an application has come to that was called in this process. In a child that it has forked
    /// the child ends instead.
    ///
    /// # Errors
    /// What the application has raised.
    pub fn returned<T>(self, py: Python<'_>, result: PyResult<T>) -> PyResult<T> {
        if !self.is_this() {
            end_with(py, "end_call", result.as_ref().err().map(|error| error.clone_ref(py).into_value(py)));
        }
        result
    }

    /// Ends a forked child that is about to await what the loop of its parent would bring.
    pub fn awaits(self, py: Python<'_>) {
        if !self.is_this() {
            end_with(py, "end_in_loop", None);
        }
    }
}

/// Calls a function of `rsgi.bridge.forked`, which ends this process.
fn end_with(py: Python<'_>, function: &str, error: Option<Py<PyBaseException>>) {
    static FORKED: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let module =
        FORKED.get_or_try_init(py, || py.import("rsgi.bridge.forked").map(|module| module.into_any().unbind()));
    let ended = module.and_then(|module| match error {
        Some(error) => module.call_method1(py, function, (error,)),
        None => module.call_method0(py, function),
    });
    if let Err(error) = ended {
        error.write_unraisable(py, None);
    }
}

#[pyfunction]
fn forked() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// Has forks counted from now on. Called once, when the module is loaded.
///
/// # Errors
/// When Python is out of memory.
pub fn count_forks(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let options = PyDict::new(py);
    options.set_item("after_in_child", wrap_pyfunction!(forked, module)?)?;
    py.import("os")?.call_method("register_at_fork", (), Some(&options)).map(|_| ())
}
