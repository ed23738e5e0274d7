//! The loops whose tasks are known here: asyncio's own, and uvloop's.
//!
//! Both make plain `asyncio.Task`s, which schedule their steps with `loop.call_soon`. So a first step can be taken from
//! the task and run at once. A loop whose methods an application has replaced is not known.
//!
//! Spec: `asyncio.loop.get_task_factory`, `asyncio.loop.get_debug`.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyFunction;

/// Whose loop it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KnownLoop {
    Asyncio,
    Uvloop,
}

impl KnownLoop {
    /// `None` if `event_loop` may handle tasks in another way.
    ///
    /// # Errors
    /// When `event_loop` is not an event loop.
    pub(super) fn of(event_loop: &Bound<'_, PyAny>) -> PyResult<Option<Self>> {
        let create_task = Self::of_method(&event_loop.getattr("create_task")?)?;
        let call_soon = Self::of_method(&event_loop.getattr("call_soon")?)?;
        // `call_soon` is replaced while a task is made. An object of the compiled class itself has no room for that.
        let replaceable = event_loop.hasattr("__dict__")?;
        Ok(create_task.filter(|known| call_soon == Some(*known) && replaceable))
    }

    /// Whose method this is.
    fn of_method(method: &Bound<'_, PyAny>) -> PyResult<Option<Self>> {
        let py = method.py();
        let (module, function) = (method.getattr("__module__")?, method.getattr_opt("__func__")?);
        // What wraps a method takes over its module.
        let Some(function) = function.filter(|_| !method.hasattr(intern!(py, "__wrapped__")).unwrap_or(true)) else {
            return Ok(None);
        };
        let python = function.is_instance_of::<PyFunction>();
        if python && module.eq("asyncio.base_events")? {
            return Ok(Some(Self::Asyncio));
        }
        // uvloop is compiled.
        Ok((!python && module.eq("uvloop.loop")?).then_some(Self::Uvloop))
    }

    /// Whether the loop makes its tasks with a task factory. An application may set one at any time.
    ///
    /// # Errors
    /// When `event_loop` is another loop.
    pub(super) fn has_task_factory(self, event_loop: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = event_loop.py();
        let factory = match self {
            Self::Asyncio => event_loop.getattr(intern!(py, "_task_factory"))?,
            Self::Uvloop => event_loop.call_method0(intern!(py, "get_task_factory"))?,
        };
        Ok(!factory.is_none())
    }

    /// Whether the loop is in debug mode: it records where tasks are made, and how long their steps take.
    ///
    /// # Errors
    /// When `event_loop` is another loop.
    pub(super) fn debugs(self, event_loop: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = event_loop.py();
        match self {
            Self::Asyncio => event_loop.getattr(intern!(py, "_debug"))?.is_truthy(),
            Self::Uvloop => event_loop.call_method0(intern!(py, "get_debug"))?.is_truthy(),
        }
    }
}
