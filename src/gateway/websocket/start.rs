//! Starts the task of a WebSocket, with its scope and its exchange.
//!
//! Spec: ASGI WebSocket 2.5 ("Websocket Connection Scope"), and its extension "WebSocket Denial Response".

use std::sync::Arc;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;
use rsgi_bridge::gil_lock::GilLock;
use rsgi_bridge::pipe::{PipeReader, PipeWriter};
use rsgi_bridge::request::scope::ScopeKind;
use tokio::sync::oneshot;

use super::super::asgi::AsgiGateway;
use super::super::disconnect::DisconnectFlag;
use super::super::waiters::Waiters;
use super::exchange::{HandshakeProgress, HandshakeResponse, SocketState, WebSocketExchange};
use super::handshake::subprotocols;
use super::piped::{Inbound, Outbound};
use super::turn::TaskTurn;
use crate::request::head::RequestHead;
use crate::runtime::calls::RunningCall;
use crate::runtime::event_loop::Start;
use crate::runtime::event_loop::start::start_call;
use crate::runtime::event_loop::task_callbacks::TaskCallbacks;

/// A WebSocket on its way to the thread of the loop.
#[derive(Debug)]
pub struct WebSocketStart {
    pub(super) gateway: Arc<AsgiGateway>,
    pub(super) head: Box<RequestHead>,
    pub(super) inbound: PipeReader<Inbound>,
    pub(super) outbound: PipeWriter<Outbound>,
    pub(super) reply: oneshot::Sender<HandshakeResponse>,
    pub(super) disconnect: DisconnectFlag,
    pub(super) call: RunningCall,
}

impl Start for WebSocketStart {
    /// Builds scope, `receive` and `send`, and starts the task.
    fn start(self: Box<Self>, py: Python<'_>) {
        let Self { gateway, head, inbound, outbound, reply, disconnect, call } = *self;
        let scheme = head.peer.websocket_scheme();
        let offered = subprotocols(&head.parts.fields);
        let scope = gateway.scope(py, &head, ScopeKind::WebSocket { subprotocols: &offered });
        let exchange = WebSocketExchange {
            state: GilLock::new(SocketState {
                inbound,
                progress: HandshakeProgress::Connecting { reply, outbound, told: false },
                call: Some(call),
                ended: None,
            }),
            offered,
            head,
            waiters: Waiters::default(),
            turn: TaskTurn::default(),
            disconnect,
            gateway: Arc::clone(&gateway),
        };
        let started = scope.and_then(|scope| {
            complete_scope(py, &scope, scheme)?;
            let exchange = Bound::new(py, exchange)?;
            let callbacks = TaskCallbacks::new(exchange.clone().unbind());
            let functions = functions_of(exchange.as_any())?;
            start_call(&gateway.event_loop, gateway.app.bind(py), scope, functions, callbacks);
            Ok(())
        });
        if let Err(error) = started {
            error.write_unraisable(py, None);
        }
    }
}

/// `receive` and `send` as the application gets them. `send` is marked as a coroutine function, because synchronous
/// consumers of Channels wrap it.
fn functions_of<'py>(exchange: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    static MARK: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = exchange.py();
    let send = exchange.getattr(intern!(py, "send"))?;
    let marked = MARK.import(py, "rsgi.process.loops", "coroutine_function")?.call1((send,))?;
    Ok((exchange.getattr(intern!(py, "receive"))?, marked))
}

/// Adds what only the scope of a WebSocket has: its scheme, and the extension for a denial response.
fn complete_scope(py: Python<'_>, scope: &Bound<'_, PyDict>, scheme: &str) -> PyResult<()> {
    scope.set_item(intern!(py, "scheme"), scheme)?;
    let extensions = match scope.get_item(intern!(py, "extensions"))? {
        Some(extensions) => extensions.cast_into::<PyDict>().map_err(PyErr::from)?.copy()?,
        None => PyDict::new(py),
    };
    extensions.set_item(intern!(py, "websocket.http.response"), PyDict::new(py))?;
    scope.set_item(intern!(py, "extensions"), extensions)
}
