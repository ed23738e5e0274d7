//! Reads what the router of an ASGI application has written into its scope: whether a route was found.
//!
//! Probe mode needs it to tell a miss from a handler's own 404. The exchange reads it when the application answers.

use std::sync::{Mutex, OnceLock, PoisonError};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// What a router has written into the scope when its application answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteMatch {
    /// It looked, and no route fits the path.
    NoRoute,
    /// A route fits the path, but not the method.
    NoMethod,
    /// The request came to a handler.
    Matched,
    /// The request came to a folder of files.
    Folder,
    /// Nothing that is known here.
    Unknown,
}

/// Reads what the router of one request found; cheap until the application answers.
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

    /// Reads the scope, once: when the application answers. What comes later is not about routes any more.
    pub fn read(&self, py: Python<'_>) {
        let scope = self.scope.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(scope) = scope {
            // An object that cannot be looked at proves nothing.
            let route_match = found(scope.bind(py)).unwrap_or(RouteMatch::Unknown);
            self.route_match.get_or_init(|| route_match);
        }
    }

    /// What the router found, if it was read.
    pub fn route_match(&self) -> RouteMatch {
        self.route_match.get().copied().unwrap_or(RouteMatch::Unknown)
    }
}

/// Starlette's router notes itself as `router`, and what it found as `endpoint` and, in later versions, `route`.
///
/// A mount writes an `endpoint`, too: the application it stands for. If that has routes of its own, its router came
/// next and found none of them.
fn found(scope: &Bound<'_, PyDict>) -> PyResult<RouteMatch> {
    let py = scope.py();
    if !scope.contains(intern!(py, "router"))? {
        return Ok(RouteMatch::Unknown);
    }
    let Some(endpoint) = scope.get_item(intern!(py, "endpoint"))? else { return Ok(RouteMatch::NoRoute) };
    if endpoint.hasattr(intern!(py, "routes"))? {
        return Ok(RouteMatch::NoRoute);
    }
    // Starlette's `StaticFiles`, and what is derived from it.
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
