//! Reports what went wrong in a call of an application: one record, with the traceback and the name of the application.
//!
//! Every gateway and the bridge report in the same way.

use pyo3::prelude::*;

use crate::call::{Outcome, Report};
use crate::log::{LogContext, log, log_exception, log_warning};
use crate::pool::JobHandle;
use crate::response::exchange::Ended;

/// Logs what went wrong in a WSGI call, if anything did.
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

/// Logs a body that did not have its declared length.
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

/// Logs what was remarked about a call, if anything was.
pub fn log_remark(py: Python<'_>, log_context: LogContext<'_>, job_handle: &JobHandle) {
    if let Some(remark) = job_handle.remarked() {
        log_warning(py, &format!("app `{}`: {log_context}: {remark}", log_context.app));
    }
}

/// Logs that the application raised or broke its contract.
pub fn log_failure(py: Python<'_>, log_context: LogContext<'_>, error: &PyErr) {
    log_exception(py, log_context, &format!("app `{}` failed: {log_context}", log_context.app), error);
}
