//! What Python asks of Rust before or beside a server: the names of processes in the log, their parents, and formats.

use pyo3::prelude::*;

use crate::access_log::LineFormat;

/// Says what is wrong with a format of the access log.
///
/// Raises `rsgi.StartupError` when something is.
#[pyfunction]
pub fn check_access_log_format(format: &str) -> PyResult<()> {
    LineFormat::compile(format)?;
    Ok(())
}

/// Makes each line that this process writes to standard error from Rust a JSON object, from now on.
#[pyfunction]
pub fn write_json() {
    crate::log::write_json();
}

/// Puts `name` before every line that this process writes to standard error from Rust. Only the first call counts.
#[pyfunction]
pub fn name_process(name: String) {
    crate::log::name_process(name);
}

/// Makes this process the parent of every process below it whose own parent has ended.
///
/// Raises `OSError` where the system cannot do that.
#[pyfunction]
pub fn adopt_orphans() -> PyResult<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).map_err(std::io::Error::from)?;
    #[cfg(not(target_os = "linux"))]
    return Err(std::io::Error::from(std::io::ErrorKind::Unsupported).into());
    #[cfg(target_os = "linux")]
    Ok(())
}
