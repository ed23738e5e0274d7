//! Tells asgiref which event loop a WSGI thread belongs to.
//!
//! In a thread that belongs to an ASGI server, `async_to_sync` runs coroutines in the loop of that server. In any other
//! thread, it makes a new loop. But objects of the first loop do not work in a new one: an in-memory channel layer, a
//! connection pool, a lock. So a WSGI thread beside a running loop gets that loop.
//!
//! Spec: asgiref, `SyncToAsync.threadlocal` (`main_event_loop`, `main_event_loop_pid`), the same since 3.4.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

/// Makes `async_to_sync` in this thread use `event_loop`, if there is a loop and asgiref is already imported. Called
/// before each call, because code that asgiref runs in this thread may have set another loop.
///
/// # Errors
/// When Python is out of memory.
pub fn offer(py: Python<'_>, event_loop: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
    let Some(event_loop) = event_loop else { return Ok(()) };
    let Some(thread_local) = thread_local(py)? else { return Ok(()) };
    let known = thread_local.getattr_opt(intern!(py, "main_event_loop"))?;
    if known.is_some_and(|known| known.is(event_loop)) {
        return Ok(());
    }
    thread_local.setattr(intern!(py, "main_event_loop"), event_loop)?;
    thread_local.setattr(intern!(py, "main_event_loop_pid"), std::process::id())
}

fn thread_local(py: Python<'_>) -> PyResult<Option<Bound<'_, PyAny>>> {
    static MODULES: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
    static THREAD_LOCAL: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    if let Some(found) = THREAD_LOCAL.get(py) {
        return Ok(Some(found.bind(py).clone()));
    }
    let Some(module) = MODULES.import(py, "sys", "modules")?.get_item(intern!(py, "asgiref.sync"))? else {
        return Ok(None);
    };
    // Another thread may be importing the module, so it may be incomplete.
    let Some(class) = module.getattr_opt(intern!(py, "SyncToAsync"))? else { return Ok(None) };
    let Some(found) = class.getattr_opt(intern!(py, "threadlocal"))? else { return Ok(None) };
    Ok(Some(THREAD_LOCAL.get_or_init(py, || found.unbind()).bind(py).clone()))
}
