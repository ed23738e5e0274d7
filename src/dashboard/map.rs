//! The list of all routes, as Python makes it.
//!
//! A worker sends it to its supervisor as text, and only when it has changed. The names of its fields are those of
//! `/routes.json`.

use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::both::Which;

/// All routes of all applications.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RouteMap {
    /// How the applications without a prefix share the rest.
    pub mode: String,
    /// Why, in words.
    pub reason: String,
    /// How far the migration is, in words.
    pub summary: String,
    /// Routes of the old applications that have moved.
    pub migrated: usize,
    /// Routes of the old applications.
    pub old: usize,
    /// Whether HTTP and WebSocket are divided, so that nothing has to move.
    pub by_protocol: bool,
    /// The applications.
    pub apps: Vec<AppEntry>,
    /// Sorted by path.
    pub routes: Vec<RouteEntry>,
}

/// One application.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct AppEntry {
    /// Its name.
    pub name: String,
    /// `wsgi` or `asgi`.
    pub interface: String,
    /// Where it is mounted.
    pub prefix: String,
    /// Its framework, if it is known.
    pub framework: Option<String>,
    /// Whether all its routes are known.
    pub complete: bool,
    /// Why not.
    pub why: Option<String>,
}

/// One route: methods of one path that have everything else in common.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RouteEntry {
    /// The host, if it is for one only.
    pub host: Option<String>,
    /// The template.
    pub path: String,
    /// `GET`, …; `*` for all others, `WS` for a WebSocket.
    pub methods: Vec<String>,
    /// As `rsgi routes` says it.
    pub status: String,
    /// Who answers, by the settings.
    pub served_by: Option<String>,
    /// Who answers if that one has no such route.
    pub then: Option<String>,
    /// What decides, in words.
    pub decided_by: String,
    /// A remark.
    pub note: String,
    /// The rule with a share that is checked for it.
    pub rule: Option<String>,
    /// It in the old application.
    pub old: Option<RouteSide>,
    /// It in the new application.
    pub new: Option<RouteSide>,
}

impl RouteEntry {
    /// It in one of the applications.
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
    /// The name that the application knows it by.
    pub name: Option<String>,
    /// Where its code is.
    pub defined: Option<String>,
}

/// The text of the list that a process has, and how often it has changed.
#[derive(Debug, Default)]
pub struct MapCell(Mutex<(u64, Option<Arc<str>>)>);

impl MapCell {
    /// Replaces it.
    pub fn set(&self, text: &str) {
        let mut cell = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if cell.1.as_deref() != Some(text) {
            *cell = (cell.0 + 1, Some(text.into()));
        }
    }

    /// The number of its changes, and the text.
    pub fn get(&self) -> (u64, Option<Arc<str>>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
