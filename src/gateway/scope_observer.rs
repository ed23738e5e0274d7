//! Reads from the scope what the router of an ASGI application found.
//!
//! Probe mode needs this to tell a missing route from a handler's own 404. The exchange calls `read` when the
//! application sends its response.

use std::sync::{Mutex, OnceLock, PoisonError};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// What a router has written into the scope by the time the response begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteMatch {
    /// No route fits the path.
    NoRoute,
    /// A route fits the path, but not the method.
    NoMethod,
    /// The request reached a handler.
    Matched,
    /// The request reached a folder of files.
    Folder,
    /// The scope has no data that rsgi knows.
    Unknown,
}

/// Keeps the scope of one request, and reads it once when the application sends its response.
#[derive(Debug, Default)]
pub struct ScopeObserver {
    scope: Mutex<Option<Py<PyDict>>>,
    route_match: OnceLock<RouteMatch>,
}

impl ScopeObserver {
    /// Keeps the scope that the application gets.
    pub fn watch(&self, scope: &Bound<'_, PyDict>) {
        *self.scope.lock().unwrap_or_else(PoisonError::into_inner) = Some(scope.clone().unbind());
    }

    /// Reads the scope when the application sends its response. Later changes do not count.
    pub fn read(&self, py: Python<'_>) {
        let scope = self.scope.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(scope) = scope {
            // If the objects in the scope raise errors, nothing is known.
            let route_match = found(scope.bind(py)).unwrap_or(RouteMatch::Unknown);
            self.route_match.get_or_init(|| route_match);
        }
    }

    /// What the router found. `Unknown` if the scope was not read.
    pub fn route_match(&self) -> RouteMatch {
        self.route_match.get().copied().unwrap_or(RouteMatch::Unknown)
    }
}

/// What Starlette's router found. It writes itself as `router`, the match as `endpoint`, and in later versions the
/// `route`.
///
/// A mount also writes an `endpoint`: the application that it mounts. If that application has `routes`, its own router
/// ran next and found none.
fn found(scope: &Bound<'_, PyDict>) -> PyResult<RouteMatch> {
    let py = scope.py();
    if !scope.contains(intern!(py, "router"))? {
        return Ok(RouteMatch::Unknown);
    }
    let Some(endpoint) = scope.get_item(intern!(py, "endpoint"))? else { return Ok(RouteMatch::NoRoute) };
    if endpoint.hasattr(intern!(py, "routes"))? {
        return Ok(RouteMatch::NoRoute);
    }
    // Starlette's `StaticFiles`, and classes derived from it.
    if endpoint.hasattr(intern!(py, "lookup_path"))? {
        return Ok(RouteMatch::Folder);
    }
    let methods = match scope.get_item(intern!(py, "route"))? {
        Some(route) => route.getattr_opt(intern!(py, "methods"))?.filter(|methods| !methods.is_none()),
        None => None,
    };
    let method = scope.get_item(intern!(py, "method"))?;
    let fits = methods.zip(method).map(|(methods, method)| methods.contains(method)).transpose()?;
    Ok(if fits == Some(false) { RouteMatch::NoMethod } else { RouteMatch::Matched })
}
