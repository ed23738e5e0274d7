//! `rsgi.publish`: publishes from any thread or task of an application.
//!
//! Apart because it is the only file here that knows Python.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use super::hub::Hub;

/// The hubs of the servers of this process.
static HUBS: Mutex<Vec<Weak<Hub>>> = Mutex::new(Vec::new());

/// Lets applications of this process publish to `hub`.
pub(super) fn serve(hub: &Arc<Hub>) {
    let mut hubs = HUBS.lock().unwrap_or_else(PoisonError::into_inner);
    hubs.retain(|hub| hub.strong_count() > 0);
    hubs.push(Arc::downgrade(hub));
}

/// Publishes items, which are JSON as the admin listener takes it.
///
/// Raises `ValueError` when they are something else, and `RuntimeError` when no server of this process has `--grip`.
#[pyfunction]
pub fn publish(py: Python<'_>, items: &str) -> PyResult<()> {
    let hubs: Vec<_> = {
        let hubs = HUBS.lock().unwrap_or_else(PoisonError::into_inner);
        hubs.iter().filter_map(Weak::upgrade).collect()
    };
    if hubs.is_empty() {
        return Err(PyRuntimeError::new_err("rsgi.publish() works in an application that rsgi serves with `--grip`"));
    }
    py.detach(|| hubs.iter().try_for_each(|hub| hub.publish_everywhere(items))).map_err(PyValueError::new_err)
}
