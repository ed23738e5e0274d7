//! The list of all routes, which Python makes.
//!
//! A worker sends it to its supervisor as text when it has changed. The names of the fields are those in
//! `/routes.json`.

use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::both::Which;

/// All routes of all applications.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RouteMap {
    /// How the applications without a prefix divide the rest.
    pub mode: String,
    /// Why, in words.
    pub reason: String,
    /// The progress of the migration, in words.
    pub summary: String,
    /// Routes of the old applications that have moved.
    pub migrated: usize,
    /// Routes of the old applications.
    pub old: usize,
    /// Whether WSGI has HTTP and ASGI has WebSockets, so that no route has to move.
    pub by_protocol: bool,
    /// The applications.
    pub apps: Vec<AppEntry>,
    /// All routes, sorted by path.
    pub routes: Vec<RouteEntry>,
}

/// One application.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct AppEntry {
    /// Its name.
    pub name: String,
    /// `wsgi` or `asgi`.
    pub interface: String,
    /// The prefix of its mount.
    pub prefix: String,
    /// Its framework, if it is known.
    pub framework: Option<String>,
    /// Whether all its routes are known.
    pub complete: bool,
    /// Why not all are known.
    pub why: Option<String>,
}

/// One route: those methods of a path that have everything else in common.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RouteEntry {
    /// The host, if the route is for one host.
    pub host: Option<String>,
    /// The template.
    pub path: String,
    /// `GET` and so on; `*` for all other methods, `WS` for a WebSocket.
    pub methods: Vec<String>,
    /// The status, in the words of `rsgi routes`.
    pub status: String,
    /// The application that answers, by the settings.
    pub served_by: Option<String>,
    /// The application that answers if the first has no such route.
    pub then: Option<String>,
    /// What decides, in words.
    pub decided_by: String,
    /// A remark.
    pub note: String,
    /// The rule with a share that is checked for this route.
    pub rule: Option<String>,
    /// The route in the old application.
    pub old: Option<RouteSide>,
    /// The route in the new application.
    pub new: Option<RouteSide>,
}

impl RouteEntry {
    /// The route in one of the applications.
    pub fn side(&self, which: Which) -> Option<&RouteSide> {
        match which {
            Which::Old => self.old.as_ref(),
            Which::New => self.new.as_ref(),
        }
    }
}

/// A route in one application.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RouteSide {
    /// The application.
    pub app: String,
    /// The values of the label `route` of its metrics.
    pub routes: Vec<String>,
    /// The name of the route in the application.
    pub name: Option<String>,
    /// Where its code is defined.
    pub defined: Option<String>,
}

/// The list of routes of a process as text, and its version.
#[derive(Debug, Default)]
pub struct MapCell(Mutex<(u64, Option<Arc<str>>)>);

impl MapCell {
    /// Replaces the list, and counts up the version if it has changed.
    pub fn set(&self, text: &str) {
        let mut cell = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if cell.1.as_deref() != Some(text) {
            *cell = (cell.0 + 1, Some(text.into()));
        }
    }

    /// The version and the text.
    pub fn get(&self) -> (u64, Option<Arc<str>>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
