//! What the event loop tells the exchange of a call.
//!
//! The event loop runs the calls of HTTP and WebSocket requests, but does not know their exchanges, which belong to the
//! gateways. So each kind of exchange gives it a table of functions.
//!
//! Spec: ASGI HTTP 2.5, ASGI WebSocket 2.5.

use pyo3::PyClass;
use pyo3::prelude::*;

use crate::runtime::calls::CallHandle;

/// An exchange, as the event loop sees it. All methods are called on the loop's thread.
pub trait TaskExchange: PyClass<Frozen = pyo3::pyclass::boolean_struct::True> + Sync {
    /// Whether a call usually ends in its first step. Then a prepared task is used for it.
    const SHORT: bool;

    /// Whether the exchange belongs to `call`.
    fn is_of(&self, py: Python<'_>, call: &CallHandle) -> bool;

    /// The application continues.
    fn resumed(&self) {}

    /// The application waits for something.
    fn suspended(_this: &Bound<'_, Self>) {}

    /// The call of the application has ended.
    fn ended(&self, py: Python<'_>, result: PyResult<()>);
}

/// The exchange of a call, with its functions.
#[derive(Debug)]
pub struct TaskCallbacks {
    exchange: Py<PyAny>,
    table: &'static CallbackTable,
}

/// The functions for one kind of exchange. The first argument of each is an exchange of that kind.
#[derive(Debug)]
struct CallbackTable {
    short: bool,
    is_of: fn(&Bound<'_, PyAny>, &CallHandle) -> bool,
    resumed: fn(&Bound<'_, PyAny>),
    suspended: fn(&Bound<'_, PyAny>),
    ended: fn(&Bound<'_, PyAny>, PyResult<()>),
}

impl TaskCallbacks {
    /// The callbacks of `exchange`.
    pub fn new<E: TaskExchange>(exchange: Py<E>) -> Self {
        Self { exchange: exchange.into_any(), table: const { &CallbackTable::of::<E>() } }
    }

    pub(super) fn clone_ref(&self, py: Python<'_>) -> Self {
        Self { exchange: self.exchange.clone_ref(py), table: self.table }
    }

    pub(super) fn is_short(&self) -> bool {
        self.table.short
    }

    pub(super) fn is_of(&self, py: Python<'_>, call: &CallHandle) -> bool {
        (self.table.is_of)(self.exchange.bind(py), call)
    }

    pub(super) fn resumed(&self, py: Python<'_>) {
        (self.table.resumed)(self.exchange.bind(py));
    }

    pub(super) fn suspended(&self, py: Python<'_>) {
        (self.table.suspended)(self.exchange.bind(py));
    }

    pub(super) fn ended(&self, py: Python<'_>, result: PyResult<()>) {
        (self.table.ended)(self.exchange.bind(py), result);
    }
}

impl CallbackTable {
    const fn of<E: TaskExchange>() -> Self {
        Self {
            short: E::SHORT,
            is_of: |exchange, call| {
                exchange.cast::<E>().is_ok_and(|exchange| exchange.get().is_of(exchange.py(), call))
            },
            resumed: |exchange| {
                if let Ok(exchange) = exchange.cast::<E>() {
                    exchange.get().resumed();
                }
            },
            suspended: |exchange| {
                if let Ok(exchange) = exchange.cast::<E>() {
                    E::suspended(exchange);
                }
            },
            ended: |exchange, result| {
                if let Ok(exchange) = exchange.cast::<E>() {
                    exchange.get().ended(exchange.py(), result);
                }
            },
        }
    }
}
