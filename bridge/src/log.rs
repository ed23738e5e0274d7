//! Writes records on the `rsgi` logger, for the developer and the operator of an application.
//!
//! An application may switch our logger off without meaning to: `logging.config` does so to every logger that it does not
//! name. Its failures are logged all the same.

use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Which request of which application a record is about.
#[derive(Debug, Clone, Copy)]
pub struct LogContext<'a> {
    /// The application's name, such as `old:app`.
    pub app: &'a str,
    /// The request method, or `WEBSOCKET`.
    pub method: &'a str,
    /// What was asked for: the path, and the query if there is one.
    pub target: &'a str,
    /// The version of HTTP, such as `HTTP/1.1`; empty when there was no request.
    pub protocol: &'a str,
    /// Address and port of the client, where they are known; the port is 0 where only the address is.
    pub client: Option<(&'a str, u16)>,
    /// What the request is called in logs, if it has a name.
    pub request_id: Option<&'a str>,
    /// The trace that it belongs to.
    pub trace_id: Option<&'a str>,
    /// Whether no client waits for the response, which is only compared with another.
    pub shadow: bool,
}

impl<'a> LogContext<'a> {
    /// The lifespan of `app`, which no client asked for.
    pub fn lifespan(app: &'a str) -> Self {
        Self {
            app,
            method: "LIFESPAN",
            target: "",
            protocol: "",
            client: None,
            request_id: None,
            trace_id: None,
            shadow: false,
        }
    }

    /// All that is known, by name.
    fn fields<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let fields = PyDict::new(py);
        let known = [("app", self.app), ("method", self.method), ("target", self.target), ("protocol", self.protocol)];
        for (name, text) in known.into_iter().filter(|(_, text)| !text.is_empty()) {
            fields.set_item(name, text)?;
        }
        if let Some((address, port)) = self.client {
            let host = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
            fields.set_item("client", format!("{host}:{port}"))?;
        }
        for (name, id) in [("request_id", self.request_id), ("trace_id", self.trace_id)] {
            if let Some(id) = id {
                fields.set_item(name, id)?;
            }
        }
        if self.shadow {
            fields.set_item("shadow", true)?;
        }
        Ok(fields)
    }
}

/// Logs a warning on the `rsgi` logger.
pub fn log_warning(py: Python<'_>, message: &str) {
    log(py, None, "warning", message, None);
}

/// Logs an error with its traceback.
pub fn log_exception(py: Python<'_>, log_context: LogContext<'_>, message: &str, error: &PyErr) {
    log(py, Some(log_context), "error", message, Some(error));
}

/// Logs `message`. What it is about is in the record as well, as the attribute `rsgi`, for handlers that write no text.
pub fn log(py: Python<'_>, log_context: Option<LogContext<'_>>, level: &str, message: &str, error: Option<&PyErr>) {
    let logged = logger(py).and_then(|logger| {
        let options = PyDict::new(py);
        if let Some(error) = error {
            options.set_item("exc_info", (error.get_type(py), error.value(py), error.traceback(py)))?;
        }
        if let Some(log_context) = log_context {
            let extra = PyDict::new(py);
            extra.set_item("rsgi", log_context.fields(py)?)?;
            options.set_item("extra", extra)?;
        }
        logger.call_method(level, ("%s", message), Some(&options))
    });
    unraisable(py, logged);
}

/// The `rsgi` logger, or one that writes to stderr where that one reaches nobody.
fn logger(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    py.import("rsgi.observe.log")?.call_method0("reporting_logger")
}

/// A log handler that fails must not take the request with it.
fn unraisable(py: Python<'_>, result: PyResult<Bound<'_, PyAny>>) {
    if let Err(error) = result {
        error.write_unraisable(py, None);
    }
}

impl std::fmt::Display for LogContext<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.shadow {
            formatter.write_str("the shadow request ")?;
        }
        write!(formatter, "{} {}", self.method, self.target)?;
        if !self.protocol.is_empty() {
            write!(formatter, " {}", self.protocol)?;
        }
        match self.client {
            Some((address, 0)) => write!(formatter, " from {address}")?,
            Some((address, port)) if address.contains(':') => write!(formatter, " from [{address}]:{port}")?,
            Some((address, port)) => write!(formatter, " from {address}:{port}")?,
            None => {}
        }
        for (what, id) in [("request", self.request_id), ("trace", self.trace_id)] {
            if let Some(id) = id {
                write!(formatter, " {what} {id}")?;
            }
        }
        Ok(())
    }
}
