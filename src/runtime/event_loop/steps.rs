//! The steps of whatever awaitable an application returns.
//!
//! Kept apart from the coroutine around it, which knows what a call is and not how Python drives one.
//!
//! Spec: PEP 492 (awaitables, the coroutine protocol).
#![expect(
    unsafe_code,
    reason = "PyO3 sends only to iterators, which a coroutine is not called, though Python sends to it the same way"
)]

use pyo3::exceptions::{PyStopIteration, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::iterator::PySendResult;
use pyo3::types::{PyIterator, PyNone, PyType};
use rsgi_bridge::error::short;

pub(super) type Steps<'py> = Option<Bound<'py, PyIterator>>;

/// A coroutine is taken as it is; any other awaitable by its `__await__`. The steps of Python's own end without an exception.
pub(super) fn coroutine_of<'py>(returned: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyAny>, Steps<'py>)> {
    static COROUTINE: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let py = returned.py();
    if returned.get_type().is(COROUTINE.import(py, "types", "CoroutineType")?) {
        // SAFETY: it is used for `PyIter_Send` alone, which takes coroutines: their class has `am_send`.
        let steps = unsafe { returned.clone().cast_into_unchecked() };
        return Ok((returned.clone(), Some(steps)));
    }
    if returned.hasattr(intern!(py, "send"))? && returned.hasattr(intern!(py, "throw"))? {
        return Ok((returned.clone(), None));
    }
    if returned.hasattr(intern!(py, "__await__"))? {
        return Ok((returned.call_method0(intern!(py, "__await__"))?, None));
    }
    Err(PyTypeError::new_err(format!(
        "an ASGI application must return an awaitable (is it declared `async def`?), not {}",
        short(returned)
    )))
}

pub(super) fn go_on<'py>(
    coroutine: &Bound<'py, PyAny>,
    steps: Option<&Bound<'py, PyIterator>>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let none = PyNone::get(coroutine.py());
    match steps {
        Some(steps) => match steps.send(&none)? {
            PySendResult::Next(awaited) => Ok(Some(awaited)),
            PySendResult::Return(_) => Ok(None),
        },
        None => yielded(coroutine.py(), coroutine.call_method1(intern!(coroutine.py(), "send"), (none,))),
    }
}

/// What a method of a coroutine has come to, which raises `StopIteration` at the end.
pub(super) fn yielded<'py>(
    py: Python<'py>,
    result: PyResult<Bound<'py, PyAny>>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    match result {
        Err(error) if error.is_instance_of::<PyStopIteration>(py) => Ok(None),
        result => result.map(Some),
    }
}
