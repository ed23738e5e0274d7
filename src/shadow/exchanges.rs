//! Brings both responses to the thread that compares them in Python.
//!
//! The sender never waits. The thread waits without the GIL. If it is behind, further exchanges are dropped.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::copied_request::{CopiedRequest, SHADOW};
use super::counters::Counters;
use super::record::ShadowRecord;
use super::rules::Rules;
use crate::config::settings::Seconds;

/// How many exchanges may wait for the comparison.
const MOST: usize = 64;

/// A request with the response of one application, or of both.
#[derive(Debug)]
pub struct Exchange {
    /// The group of its result.
    pub label: String,
    /// The request.
    pub request: Arc<CopiedRequest>,
    /// The application that answered the client.
    pub app: Arc<str>,
    /// Its response.
    pub primary: Arc<ShadowRecord>,
    /// The other application; `None` if the request is only recorded.
    pub second: Option<Second>,
}

/// The response of the second application.
#[derive(Debug)]
pub struct Second {
    /// The rules, and the index of the rule that matched.
    pub rule: (Arc<Rules>, usize),
    /// Its name.
    pub app: Arc<str>,
    /// Its response.
    pub record: ShadowRecord,
    /// A repeated response of the first application.
    pub repeat: Option<ShadowRecord>,
}

/// The exchanges that wait for the comparison.
#[derive(Debug, Default)]
pub struct Handed {
    state: Mutex<QueueState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct QueueState {
    exchanges: VecDeque<Box<Exchange>>,
    closed: bool,
}

impl Handed {
    /// Adds an exchange. Returns `false` if there is no room.
    pub fn push(&self, exchange: Box<Exchange>) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.closed || state.exchanges.len() >= MOST {
            return false;
        }
        state.exchanges.push_back(exchange);
        self.changed.notify_one();
        true
    }

    fn next(&self, timeout: Seconds) -> Option<Box<Exchange>> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let empty = |state: &mut QueueState| state.exchanges.is_empty() && !state.closed;
        let waited = self.changed.wait_timeout_while(state, timeout.0, empty);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.exchanges.pop_front()
    }

    fn is_over(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.closed && state.exchanges.is_empty()
    }

    fn close(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.closed = true;
        self.changed.notify_all();
    }
}

/// Gives the exchanges to the thread of the comparison.
#[pyclass(frozen, module = "rsgi._rsgi")]
#[derive(Debug)]
pub struct ShadowExchanges {
    /// The exchanges that wait.
    pub handed: Arc<Handed>,
    counters: Arc<Counters>,
}

impl ShadowExchanges {
    /// Without exchanges yet.
    pub fn new(counters: &Arc<Counters>) -> Self {
        Self { handed: Arc::default(), counters: Arc::clone(counters) }
    }
}

type FieldTuples = Vec<(Py<PyBytes>, Py<PyBytes>)>;
type RequestTuple = (String, String, FieldTuples, Py<PyBytes>);
type Response = (u16, FieldTuples, Py<PyBytes>, u64, bool, f64, Option<&'static str>);
type Other = (Py<PyAny>, String, Response, Option<Response>);
type ExchangeTuple = (String, RequestTuple, String, Response, Option<Other>);

#[pymethods]
impl ShadowExchanges {
    /// Waits up to `timeout` seconds for an exchange, without the GIL. Returns `None` if there is none.
    fn next(&self, py: Python<'_>, timeout: Seconds) -> Option<ExchangeTuple> {
        let exchange = py.detach(|| self.handed.next(timeout))?;
        let Exchange { label, request, app, primary, second } = *exchange;
        let other = second.and_then(|Second { rule: (rules, place), app, record, repeat }| {
            let parsed = rules.at(place)?.parsed.clone_ref(py);
            let repeat = repeat.map(|repeat| response(py, &repeat));
            Some((parsed, app.to_string(), response(py, &record), repeat))
        });
        let parts = request.parts();
        let target = parts.uri.path_and_query().map_or_else(|| parts.uri.to_string(), ToString::to_string);
        let body = PyBytes::new(py, &request.body.bytes).unbind();
        let request = (parts.method.to_string(), target, tuples(py, parts.fields.iter()), body);
        Some((label, request, app.to_string(), response(py, &primary), other))
    }

    /// Sets the results of the comparison: how many requests it compared, how many of them differ, and its summary as
    /// JSON.
    fn publish(&self, compared: u64, differing: u64, summary: String) {
        self.counters.publish(compared, differing, summary);
    }

    /// Whether no exchange is left and none will come.
    #[getter]
    fn over(&self) -> bool {
        self.handed.is_over()
    }

    /// Accepts no more exchanges. Those that wait can still be taken.
    fn close(&self) {
        self.handed.close();
    }
}

fn tuples<'a>(py: Python<'_>, given: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> FieldTuples {
    let bytes = |bytes: &[u8]| PyBytes::new(py, bytes).unbind();
    // The client did not send the field that marks shadow requests.
    let given = given.filter(|(name, _)| *name != SHADOW.as_str().as_bytes());
    given.map(|(name, value)| (bytes(name), bytes(value))).collect()
}

fn response(py: Python<'_>, record: &ShadowRecord) -> Response {
    let ShadowRecord { status, fields, body, took, error } = record;
    let mapped = fields.iter().map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()));
    let bytes = PyBytes::new(py, &body.bytes).unbind();
    (*status, tuples(py, mapped), bytes, body.size, body.is_complete(), took.as_secs_f64(), *error)
}
