//! The Python interface of the dashboard of a serving process.
//!
//! Python lists the routes and keeps the history. `supervisor.rs` has the same for a supervisor, which lists nothing.

use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::dashboard::{Board, MapCell, counters};
use crate::metrics::{Metrics, Samples};

/// What a serving process provides for the dashboard. The dashboard is here, or at the supervisor.
#[pyclass(frozen, module = "rsgi._rsgi")]
#[derive(Debug, Clone)]
pub struct Dashboard {
    pub(super) metrics: Arc<Metrics>,
    pub(super) board: Arc<Board>,
    pub(super) map: Arc<MapCell>,
}

impl Dashboard {
    /// A dashboard for these counters.
    pub fn new(metrics: &Arc<Metrics>) -> Self {
        Self { metrics: Arc::clone(metrics), board: Arc::default(), map: Arc::default() }
    }
}

#[pymethods]
impl Dashboard {
    /// Sets the list of routes, as JSON.
    fn show_routes(&self, text: &str) {
        self.map.set(text);
    }

    /// All counters, as JSON, for the history.
    fn counters(&self, py: Python<'_>) -> String {
        py.detach(|| {
            let (mut own, mut samples) = (Vec::new(), Samples::default());
            self.metrics.samples(&mut own);
            samples.add("1", &own);
            counters(&samples, &self.map)
        })
    }

    /// Sets the history, as JSON.
    ///
    /// Raises `ValueError` if the text is not JSON.
    fn show_history(&self, text: &str) -> PyResult<()> {
        self.board.set_history(text).map_err(|error| PyValueError::new_err(error.to_string()))
    }
}
