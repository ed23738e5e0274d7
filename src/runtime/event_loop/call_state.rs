//! How far one call of an application has come.
//!
//! Kept apart from the coroutine that a task sees, which leads from one state to the next.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyIterator};

use super::task_callbacks::TaskCallbacks;

/// A call of an application that is to begin.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) call: CallState,
    pub(super) callbacks: TaskCallbacks,
}

/// How far the application's call has come.
#[derive(Debug)]
pub(super) enum CallState {
    /// The task has not begun.
    Due { app: Py<PyAny>, scope: Py<PyDict>, receive: Py<PyAny>, send: Py<PyAny> },
    /// It has returned this coroutine, which goes on by its `steps`; what is none of Python's own goes on by its `send()`.
    Running { coroutine: Py<PyAny>, steps: Option<Py<PyIterator>> },
    /// As running; its task has yet to hear what it waits for.
    Begun { coroutine: Py<PyAny>, steps: Option<Py<PyIterator>>, awaited: Py<PyAny> },
    /// As running; it was cancelled while it ran, and hears of it when it goes on.
    Cancelled { coroutine: Py<PyAny>, steps: Option<Py<PyIterator>>, error: PyErr },
    /// It is over; its task has yet to hear of it.
    Over(Option<PyErr>),
    /// There is none: it is being called, has failed at once, or was cancelled before its task began.
    Nothing,
}

impl CallState {
    /// The application's coroutine, if it has been called.
    pub(super) fn coroutine(&self) -> Option<&Py<PyAny>> {
        match self {
            Self::Running { coroutine, .. } | Self::Begun { coroutine, .. } | Self::Cancelled { coroutine, .. } => {
                Some(coroutine)
            }
            Self::Due { .. } | Self::Over(_) | Self::Nothing => None,
        }
    }
}
