//! The plan, read once from Python: the applications, and who serves what.
//!
//! Kept apart from the settings because it is made by `python/rsgi/plan.py` from what the applications are, and from the
//! router, which knows no Python.

use pyo3::prelude::*;
use rsgi_bridge::wsgi_to_asgi::WsgiBridge;

use crate::error::StartupError;
use crate::route::{AppIndex, Interface, Mode, MountSpec, RouteKind, RouteSpec, Router, RuleSpec};

/// One application of the plan.
#[derive(Debug, FromPyObject)]
pub struct AppSpec {
    /// Its target, such as `old:app`.
    pub name: String,
    /// `wsgi` or `asgi`.
    pub interface: String,
    /// Its mount point; empty without one.
    pub prefix: String,
    /// The callable.
    pub application: Py<PyAny>,
    /// The WSGI application within, when it is a `rsgi.WsgiToAsgi`: it is called without the detour.
    pub bridge: Option<Py<WsgiBridge>>,
}

#[derive(Debug, FromPyObject)]
struct Rule {
    methods: Option<Vec<String>>,
    host: Option<String>,
    path: String,
    app: usize,
    text: String,
}

#[derive(Debug, FromPyObject)]
struct Route {
    kind: String,
    methods: Option<Vec<String>>,
    host: Option<String>,
    path: String,
}

/// Who serves what.
#[derive(Debug, FromPyObject)]
pub struct Plan {
    /// The applications; rules name them by their place.
    pub apps: Vec<AppSpec>,
    rules: Vec<Rule>,
    mode: String,
    table: Vec<Route>,
}

impl AppSpec {
    /// Whether it is called synchronously.
    pub fn is_wsgi(&self) -> bool {
        self.interface == "wsgi"
    }
}

impl Plan {
    /// Whether the ASGI application without a prefix is asked first.
    pub fn probes(&self) -> bool {
        self.mode == "probe"
    }

    /// The router of the plan.
    ///
    /// # Errors
    /// When rules or routes contradict the applications.
    pub fn router(&self) -> Result<Router, StartupError> {
        let mounts: Vec<MountSpec> = self.apps.iter().enumerate().map(mount).collect();
        let rules: Vec<RuleSpec> = self.rules.iter().map(rule).collect();
        let mode = match self.mode.as_str() {
            "table" => Mode::Table(self.table.iter().map(route).collect()),
            "probe" => Mode::Probe,
            "websocket" => Mode::WebSocketOnly,
            _ => Mode::Mounts,
        };
        Router::new(&mounts, &rules, &mode).map_err(|error| {
            StartupError::new(error.to_string(), "`rsgi serve --help` shows how apps and rules are written")
        })
    }
}

fn mount((index, app): (usize, &AppSpec)) -> MountSpec {
    let interface = if app.is_wsgi() { Interface::Wsgi } else { Interface::Asgi };
    MountSpec { app: AppIndex(index), interface, prefix: app.prefix.clone() }
}

fn rule(rule: &Rule) -> RuleSpec {
    RuleSpec {
        methods: rule.methods.clone(),
        host: rule.host.clone(),
        path: rule.path.clone(),
        app: AppIndex(rule.app),
        text: rule.text.clone(),
    }
}

fn route(route: &Route) -> RouteSpec {
    let kind = match route.kind.as_str() {
        "http" => RouteKind::Http,
        "websocket" => RouteKind::WebSocket,
        _ => RouteKind::Any,
    };
    RouteSpec { kind, methods: route.methods.clone(), host: route.host.clone(), path: route.path.clone() }
}
