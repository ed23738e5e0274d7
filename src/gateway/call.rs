//! The request that a connection passes to a gateway.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use rsgi_bridge::request::scope::{ScopeKind, ScopeTemplate, UnixPath};

use super::client_state::ClientState;
use crate::config::settings::Settings;
use crate::request::body::RequestBody;
use crate::request::head::RequestHead;

/// One HTTP request on its way to an application.
#[derive(Debug)]
pub struct Call<'a> {
    /// Its head.
    pub head: Box<RequestHead>,
    /// Its body.
    pub body: RequestBody,
    /// The settings of the server.
    pub settings: &'a Settings,
    /// For timeouts, and to learn whether the client has left.
    pub client: &'a ClientState,
}

/// The scope of one request or WebSocket.
///
/// # Errors
/// When Python is out of memory.
pub(super) fn scope<'py>(
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
