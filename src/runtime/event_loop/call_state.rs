//! The state of one call of an application.
//!
//! `coroutine.rs` moves a call from one state to the next.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyIterator};

use super::task_callbacks::TaskCallbacks;

/// A call of an application that has not begun.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) call: CallState,
    pub(super) callbacks: TaskCallbacks,
}

/// The state of a call.
#[derive(Debug)]
pub(super) enum CallState {
    /// The task has not begun.
    Due { app: Py<PyAny>, scope: Py<PyDict>, receive: Py<PyAny>, send: Py<PyAny> },
    /// The application has returned this coroutine. `steps` continues a coroutine of Python's own type. Any other
    /// awaitable is continued with its `send()`.
    Running { coroutine: Py<PyAny>, steps: Option<Py<PyIterator>> },
    /// Like `Running`, after a first step. The task does not know yet what that step awaits.
    Begun { coroutine: Py<PyAny>, steps: Option<Py<PyIterator>>, awaited: Py<PyAny> },
    /// Like `Running`, but the task was cancelled during the first step. The application gets the error when it
    /// continues.
    Cancelled { coroutine: Py<PyAny>, steps: Option<Py<PyIterator>>, error: PyErr },
    /// The call has ended. The task does not know that yet.
    Over(Option<PyErr>),
    /// No coroutine: the application is being called, its call failed at once, or the task was cancelled before it
    /// began.
    Nothing,
}

impl CallState {
    /// The application's coroutine, if the application has been called.
    pub(super) fn coroutine(&self) -> Option<&Py<PyAny>> {
        match self {
            Self::Running { coroutine, .. } | Self::Begun { coroutine, .. } | Self::Cancelled { coroutine, .. } => {
                Some(coroutine)
            }
            Self::Due { .. } | Self::Over(_) | Self::Nothing => None,
        }
    }
}
