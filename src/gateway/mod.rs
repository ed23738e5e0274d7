//! The single `match` between the two worlds: a request for an application goes to its WSGI or its ASGI gateway.
//!
//! Kept apart from the connection, which does not know what an application is, and from the gateways, which do not know
//! each other.

pub mod asgi;
mod file_message;
pub mod lifespan;
pub mod message;
pub mod probe;
mod response_messages;
mod waiters;
pub mod websocket;
pub mod wsgi;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use rsgi_bridge::scope::{ScopeKind, ScopeTemplate, UnixPath};

use crate::body::RequestBody;
use crate::head::RequestHead;
use crate::response::AppResponse;
use crate::settings::Settings;

/// One application that is served.
#[derive(Debug)]
pub struct App {
    /// Its target, such as `old:app`.
    pub name: Arc<str>,
    /// How it is called.
    pub gateway: Gateway,
    /// How many of its requests run now.
    pub running: AtomicUsize,
    /// How many may.
    pub limit: Option<usize>,
}

/// How an application is called.
#[derive(Debug)]
pub enum Gateway {
    /// Synchronously, in the thread pool.
    Wsgi(Arc<wsgi::WsgiGateway>),
    /// As a task of the event loop.
    Asgi(Arc<asgi::AsgiGateway>),
}

/// One HTTP request on its way to an application.
#[derive(Debug)]
pub struct Call<'a> {
    /// Its head.
    pub head: RequestHead,
    /// Its body.
    pub body: RequestBody,
    /// The settings of the server.
    pub settings: &'a Settings,
}

impl App {
    /// Calls the application; the answer is always one.
    pub async fn call(&self, call: Call<'_>) -> AppResponse {
        match &self.gateway {
            Gateway::Wsgi(gateway) => wsgi::call(gateway, call).await,
            Gateway::Asgi(gateway) => asgi::call(gateway, call, None).await.0,
        }
    }
}

/// The scope of one request or WebSocket.
///
/// # Errors
/// When Python is out of memory.
fn scope<'py>(
    py: Python<'py>,
    scopes: &ScopeTemplate,
    head: &RequestHead,
    kind: ScopeKind<'_>,
    state: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyDict>> {
    let target = head.target();
    let unix = head.peer.unix_path.as_deref().map(UnixPath);
    scopes.build(py, kind, &head.view(&target, None), head.raw_path().as_bytes(), unix, state)
}
