//! An error that keeps the server from starting. The operator sees its message and its hint.

use pyo3::prelude::*;

/// The server cannot start. It becomes a `rsgi.StartupError` in Python.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct StartupError {
    /// What went wrong, in one sentence.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl StartupError {
    /// An error with a hint.
    pub fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: Some(hint.into()) }
    }

    /// From a Python exception. A `rsgi.StartupError` keeps its message and hint.
    pub fn from_python(py: Python<'_>, error: &PyErr) -> Self {
        let value = error.value(py);
        let text = |name| value.getattr(name).and_then(|text| text.extract::<Option<String>>()).ok().flatten();
        Self { message: text("message").unwrap_or_else(|| error.to_string()), hint: text("hint") }
    }
}

impl From<StartupError> for PyErr {
    fn from(error: StartupError) -> Self {
        Python::attach(|py| {
            let made = py
                .import("rsgi.errors")
                .and_then(|module| module.getattr("StartupError"))
                .and_then(|class| class.call1((error.message, error.hint)));
            made.map_or_else(|error| error, PyErr::from_value)
        })
    }
}
