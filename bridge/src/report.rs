//! Reports what went wrong in a call of an application: one record, with the traceback and the name of the application.
//!
//! Every gateway and the bridge report in the same way.

use pyo3::prelude::*;

use crate::call::{Outcome, Report};
use crate::log::{Subject, log, log_exception, log_warning};
use crate::pool::Ticket;
use crate::response::exchange::Ended;

/// Logs what went wrong in a WSGI call, if anything did.
pub fn report_call(py: Python<'_>, subject: Subject<'_>, report: Report) {
    match report.outcome {
        Outcome::Failed(error) => log_failure(py, subject, &error),
        Outcome::Sent(ended) => log_length(py, subject, ended),
        Outcome::ClientGone => {}
    }
    if let Some(error) = report.close_error {
        let message = format!("close() of the response of app `{}` failed: {subject}", subject.app);
        log_exception(py, subject, &message, &error);
    }
}

/// Logs a body that did not have its declared length.
pub fn log_length(py: Python<'_>, subject: Subject<'_>, ended: Ended) {
    let app = subject.app;
    match ended {
        Ended::Whole => {}
        Ended::OverLength => {
            let message = format!("app `{app}` sent more than its Content-Length: {subject}; the rest was left out");
            log(py, Some(subject), "warning", &message, None);
        }
        Ended::Missing(missing) => {
            let message = format!(
                "app `{app}` sent {missing} bytes less than its Content-Length: {subject}; the connection was cut"
            );
            log(py, Some(subject), "warning", &message, None);
        }
    }
}

/// Logs what was remarked about a call, if anything was.
pub fn log_remark(py: Python<'_>, subject: Subject<'_>, ticket: &Ticket) {
    if let Some(remark) = ticket.remarked() {
        log_warning(py, &format!("app `{}`: {subject}: {remark}", subject.app));
    }
}

/// Logs that the application raised or broke its contract.
pub fn log_failure(py: Python<'_>, subject: Subject<'_>, error: &PyErr) {
    log_exception(py, subject, &format!("app `{}` failed: {subject}", subject.app), error);
}
