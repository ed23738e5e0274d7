//! Starts the task of a call.
//!
//! It is separate because it needs the loop, its tasks and the coroutine, and none of them needs it.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use rsgi_bridge::process::Process;

use super::EventLoop;
use super::call_state::{CallState, Due};
use super::task_callbacks::TaskCallbacks;

/// Starts a task that calls the application with a scope, `receive` and `send`. `callbacks` learns of the end, also if
/// the call itself fails. Called on the loop's thread.
pub fn start_call<'py>(
    event_loop: &EventLoop,
    app: &Bound<'py, PyAny>,
    scope: Bound<'py, PyDict>,
    (receive, send): (Bound<'py, PyAny>, Bound<'py, PyAny>),
    callbacks: TaskCallbacks,
) {
    let py = app.py();
    let (app, scope) = (app.clone().unbind(), scope.unbind());
    let call = CallState::Due { app, scope, receive: receive.unbind(), send: send.unbind() };
    let told = callbacks.clone_ref(py);
    let started = event_loop.tasks().and_then(|tasks| tasks.start(py, Process::this(), Due { call, callbacks }));
    if let Err(error) = started {
        told.ended(py, Err(error));
    }
}
