//! The exchange that a call of an application belongs to, and what it hears of the call.
//!
//! Kept apart from the coroutine, which is the same for both kinds of exchange.
//!
//! Spec: ASGI HTTP 2.5, ASGI WebSocket 2.5.

use pyo3::prelude::*;

use crate::gateway::http_exchange::HttpExchange;
use crate::gateway::websocket::WebSocketExchange;
use crate::runtime::calls::CallHandle;

/// Who is told when the application's call has ended.
#[derive(Debug)]
pub enum Conversation {
    /// One HTTP request.
    Http(Py<HttpExchange>),
    /// One WebSocket.
    WebSocket(Py<WebSocketExchange>),
}

impl Conversation {
    pub(super) fn clone_ref(&self, py: Python<'_>) -> Self {
        match self {
            Self::Http(exchange) => Self::Http(exchange.clone_ref(py)),
            Self::WebSocket(exchange) => Self::WebSocket(exchange.clone_ref(py)),
        }
    }

    /// Whether it is about `call`.
    pub(super) fn is_of(&self, call: &CallHandle) -> bool {
        match self {
            Self::Http(exchange) => exchange.get().is_of(call),
            Self::WebSocket(exchange) => exchange.get().is_of(call),
        }
    }

    pub(super) fn resumed(&self) {
        if let Self::Http(exchange) = self {
            exchange.get().resumed();
        }
    }

    pub(super) fn suspended(&self, py: Python<'_>) {
        match self {
            Self::Http(exchange) => HttpExchange::suspended(exchange, py),
            Self::WebSocket(_) => {}
        }
    }

    pub(super) fn ended(&self, py: Python<'_>, result: PyResult<()>) {
        match self {
            Self::Http(exchange) => exchange.get().ended(py, result),
            Self::WebSocket(exchange) => exchange.get().ended(py, result),
        }
    }
}
