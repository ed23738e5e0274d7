//! Tells the process that serves from a child that the application has forked.
//!
//! A forked child has the memory of its parent, but only the thread that forked. Nobody in it drives the sockets, and a
//! lock that another thread held stays locked. So the child must not continue in code that serves. Every place that
//! calls an application checks this. The check reads a number, without a lock and without a system call.

use std::sync::atomic::{AtomicU32, Ordering};

use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

use crate::error::ClientDisconnected;

/// The number of forks between the process that loaded this module and this one.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// The process in which something was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process(u32);

impl Default for Process {
    fn default() -> Self {
        Self::this()
    }
}

impl Process {
    /// The current process.
    pub fn this() -> Self {
        Self(FORKS.load(Ordering::Relaxed))
    }

    /// Whether it is the current process, and not a parent of it.
    pub fn is_this(self) -> bool {
        self == Self::this()
    }

    /// Refuses to continue in a forked child.
    ///
    /// # Errors
    /// When it is a parent of the current process. The client belongs to the parent, and nobody here can answer it.
    pub fn check(self) -> PyResult<()> {
        if self.is_this() {
            return Ok(());
        }
        Err(ClientDisconnected::new_err(
            "this process was forked in a call of its parent, and the client is the parent's",
        ))
    }

    /// Returns the result of the application's code, if that code was called in this process. In a child that the
    /// application has forked, ends the child instead.
    ///
    /// # Errors
    /// The exception of the application.
    pub fn returned<T>(self, py: Python<'_>, result: PyResult<T>) -> PyResult<T> {
        if !self.is_this() {
            end_with(py, "end_call", result.as_ref().err().map(|error| error.clone_ref(py).into_value(py)));
        }
        result
    }

    /// Ends a forked child that is about to await something, because the loop of its parent does not run in it.
    pub fn awaits(self, py: Python<'_>) {
        if !self.is_this() {
            end_with(py, "end_in_loop", None);
        }
    }
}

/// Calls a function of `rsgi.bridge.forked` that ends this process.
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

/// Starts to count forks. Called once, when the module is loaded.
///
/// # Errors
/// When Python is out of memory.
pub fn count_forks(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let options = PyDict::new(py);
    options.set_item("after_in_child", wrap_pyfunction!(forked, module)?)?;
    py.import("os")?.call_method("register_at_fork", (), Some(&options)).map(|_| ())
}
