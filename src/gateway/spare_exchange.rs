//! Reuses `receive` and `send` of a finished request for the next one.
//!
//! Making the exchange and its two bound methods takes half as long as building a scope, and most applications keep no
//! reference to them. If an application has kept one, or still waits for something, the next request gets new objects.
//!
//! Spec: ASGI "Applications".

use std::sync::atomic::AtomicBool;

use pyo3::intern;
use pyo3::prelude::*;
use rsgi_bridge::gil_lock::GilLock;
use rsgi_bridge::process::Process;
use rsgi_bridge::spare::{Spare, has_only};

use super::http_exchange::{ExchangeState, HttpExchange};
use super::waiters::Waiters;

/// An exchange and its two methods, as the application gets them.
pub(super) struct Given<'py> {
    pub(super) exchange: Bound<'py, HttpExchange>,
    pub(super) receive: Bound<'py, PyAny>,
    pub(super) send: Bound<'py, PyAny>,
}

/// An exchange that no request uses.
#[derive(Debug)]
pub struct SpareExchange {
    exchange: Py<HttpExchange>,
    receive: Py<PyAny>,
    send: Py<PyAny>,
}

impl<'py> Given<'py> {
    /// The exchange for a request that begins: a spare one if there is one.
    ///
    /// # Errors
    /// When Python is out of memory.
    pub(super) fn new(py: Python<'py>, spare: &Spare<SpareExchange>, state: ExchangeState) -> PyResult<Self> {
        if let Some(SpareExchange { exchange, receive, send }) = spare.take(py) {
            let exchange = exchange.into_bound(py);
            let before = std::mem::replace(&mut *exchange.get().state.lock(py), state);
            drop(before);
            return Ok(Self { exchange, receive: receive.into_bound(py), send: send.into_bound(py) });
        }
        let (stepping, waiters) = (AtomicBool::new(false), Waiters::default());
        let exchange =
            Bound::new(py, HttpExchange { state: GilLock::new(state), stepping, waiters, process: Process::this() })?;
        let method = |name| exchange.as_any().getattr(name);
        let (receive, send) = (method(intern!(py, "receive"))?, method(intern!(py, "send"))?);
        Ok(Self { exchange, receive, send })
    }

    /// Gives the exchange back after the call's first step. It becomes spare only if the call has ended and nothing
    /// else refers to the exchange.
    pub(super) fn give_back(self, spare: &Spare<SpareExchange>) {
        let Self { exchange, receive, send } = self;
        // Each bound method holds a reference to the exchange, so 3 references are expected.
        if has_only(&receive, 1) && has_only(&send, 1) && has_only(&exchange, 3) && exchange.get().waiters.are_unused()
        {
            let py = exchange.py();
            let given_back =
                SpareExchange { exchange: exchange.unbind(), receive: receive.unbind(), send: send.unbind() };
            spare.give_back(py, given_back);
        }
    }
}
