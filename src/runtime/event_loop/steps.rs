//! Runs the steps of an awaitable that an application returns.
//!
//! It knows how Python drives a coroutine, but nothing about calls.
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

/// The coroutine of what an application returned. An object with `send` and `throw` is used as it is, any other
/// awaitable by its `__await__`. For a coroutine of Python's own type, there are also `Steps`, which end without an
/// exception.
pub(super) fn coroutine_of<'py>(returned: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyAny>, Steps<'py>)> {
    static COROUTINE: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let py = returned.py();
    if returned.get_type().is(COROUTINE.import(py, "types", "CoroutineType")?) {
        // SAFETY: it is only used for `PyIter_Send`, which accepts coroutines, because their class has `am_send`.
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

/// The result of a method of a coroutine. `StopIteration` means the end (`None`).
pub(super) fn yielded<'py>(
    py: Python<'py>,
    result: PyResult<Bound<'py, PyAny>>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    match result {
        Err(error) if error.is_instance_of::<PyStopIteration>(py) => Ok(None),
        result => result.map(Some),
    }
}
