//! Reports errors of a call: one record, with the traceback and the name of the application.
//!
//! All gateways and the bridge use it, so all reports look the same.

use pyo3::prelude::*;

use crate::call::{Outcome, Report};
use crate::log::{LogContext, log, log_exception, log_warning};
use crate::pool::JobHandle;
use crate::response::exchange::Ended;

/// Logs the errors of a WSGI call, if there are any.
pub fn report_call(py: Python<'_>, log_context: LogContext<'_>, report: Report) {
    match report.outcome {
        Outcome::Failed(error) => log_failure(py, log_context, &error),
        Outcome::Sent(ended) => log_length(py, log_context, ended),
        Outcome::ClientGone => {}
    }
    if let Some(error) = report.close_error {
        let message = format!("close() of the response of app `{}` failed: {log_context}", log_context.app);
        log_exception(py, log_context, &message, &error);
    }
}

/// Logs a body without its declared length.
pub fn log_length(py: Python<'_>, log_context: LogContext<'_>, ended: Ended) {
    let app = log_context.app;
    match ended {
        Ended::Whole => {}
        Ended::OverLength => {
            let message =
                format!("app `{app}` sent more than its Content-Length: {log_context}; the rest was left out");
            log(py, Some(log_context), "warning", &message, None);
        }
        Ended::Missing(missing) => {
            let message = format!(
                "app `{app}` sent {missing} bytes less than its Content-Length: {log_context}; the connection was cut"
            );
            log(py, Some(log_context), "warning", &message, None);
        }
    }
}

/// Logs the remark about a call, if there is one.
pub fn log_remark(py: Python<'_>, log_context: LogContext<'_>, job_handle: &JobHandle) {
    if let Some(remark) = job_handle.remarked() {
        log_warning(py, &format!("app `{}`: {log_context}: {remark}", log_context.app));
    }
}

/// Logs that the application raised an exception or violated its specification.
pub fn log_failure(py: Python<'_>, log_context: LogContext<'_>, error: &PyErr) {
    log_exception(py, log_context, &format!("app `{}` failed: {log_context}", log_context.app), error);
}
