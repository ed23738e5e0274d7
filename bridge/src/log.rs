//! Writes records on the `rsgi` logger, for the developer and the operator of an application.
//!
//! An application can disable our logger by accident: `logging.config` disables every logger that it does not name.
//! Failures of the application are logged in that case too.

use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Which request of which application a record is about.
#[derive(Debug, Clone, Copy)]
pub struct LogContext<'a> {
    /// The application's name, such as `old:app`.
    pub app: &'a str,
    /// The request method, or `WEBSOCKET`.
    pub method: &'a str,
    /// The path, and the query if there is one.
    pub target: &'a str,
    /// The version of HTTP, such as `HTTP/1.1`. Empty if there was no request.
    pub protocol: &'a str,
    /// Address and port of the client, if they are known. The port is 0 if only the address is known.
    pub client: Option<(&'a str, u16)>,
    /// The request id, if there is one.
    pub request_id: Option<&'a str>,
    /// The trace id, if there is one.
    pub trace_id: Option<&'a str>,
    /// Whether this is shadow traffic: no client waits for the response, which is only compared.
    pub shadow: bool,
}

impl<'a> LogContext<'a> {
    /// The context of the lifespan of `app`, which has no request.
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

    /// The known values by name.
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

/// Logs `message`. The context is also in the record, as the attribute `rsgi`, for handlers that write structured
/// records.
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

/// The `rsgi` logger. If its records would be lost, a logger that writes to standard error.
fn logger(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    py.import("rsgi.observe.log")?.call_method0("reporting_logger")
}

/// An error in a log handler must not fail the request.
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
