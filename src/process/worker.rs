//! Functions that Python needs before a server exists or beside it: names of processes in the log, their parents, and
//! formats.

use pyo3::prelude::*;

use crate::access_log::LineFormat;

/// Checks a format of the access log.
///
/// Raises `rsgi.StartupError` if something is wrong with it.
#[pyfunction]
pub fn check_access_log_format(format: &str) -> PyResult<()> {
    LineFormat::compile(format)?;
    Ok(())
}

/// From now on, writes each line from Rust to standard error as a JSON object.
#[pyfunction]
pub fn write_json() {
    crate::log::write_json();
}

/// Puts `name` in front of each line that Rust writes to standard error. Only the first call has an effect.
#[pyfunction]
pub fn name_process(name: String) {
    crate::log::name_process(name);
}

/// Makes this process the new parent of processes below it when their own parent has ended.
///
/// Raises `OSError` where the system does not support that.
#[pyfunction]
pub fn adopt_orphans() -> PyResult<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).map_err(std::io::Error::from)?;
    #[cfg(not(target_os = "linux"))]
    return Err(std::io::Error::from(std::io::ErrorKind::Unsupported).into());
    #[cfg(target_os = "linux")]
    Ok(())
}
