//! Which requests are shadowed.
//!
//! Apart from the routing rules, because these never decide who answers. They are compiled by the same router, so that their
//! paths mean the same.

use std::sync::Arc;

use pyo3::prelude::*;

use super::Shadowing;
use crate::config::plan::{Plan, ShadowSpec};
use crate::config::startup_error::StartupError;
use crate::route::{Mode, MountSpec, Reason, RouteRequest, Router};

/// The rules of shadow traffic, compiled.
#[derive(Debug)]
pub struct Rules {
    /// Finds the rule of a request.
    finder: Router,
    listed: Box<[ShadowRule]>,
    /// Knows the routes of the applications, whatever the routing rules say.
    routes: Router,
}

/// One rule.
#[derive(Debug)]
pub struct ShadowRule {
    /// The place of the application that gets the request too.
    pub to: usize,
    /// How many of 10,000 requests are sent.
    pub sample: u16,
    /// How many of 10,000 of those are sent to the first application again.
    pub repeat: u16,
    /// What results are grouped by, unless a route says it more closely.
    label: String,
    /// The rule as Python made it.
    pub parsed: Py<PyAny>,
}

impl Rules {
    /// The rules of a plan; there may be none.
    ///
    /// # Errors
    /// When they contradict the applications or each other.
    pub fn new(py: Python<'_>, plan: &Plan) -> Result<Self, StartupError> {
        let mounts = plan.mounts();
        // Only rules decide here. What the prefixes are does not count, but they have to be different.
        let apart = |mount: &MountSpec| MountSpec { prefix: format!("/{}", mount.app.0), ..mount.clone() };
        let apart: Vec<_> = mounts.iter().map(apart).collect();
        let specs: Vec<_> = plan.shadow.iter().map(ShadowSpec::rule).collect();
        let finder = Router::new(&apart, &specs, &Mode::Mounts)?;
        let routes = Router::new(&mounts, &[], &plan.mode())?;
        let listed = plan.shadow.iter().map(|spec| ShadowRule::new(py, spec)).collect();
        Ok(Self { finder, listed, routes })
    }

    /// The rules of another plan for a server that runs; `None` when it has no shadow traffic, and is to have none.
    ///
    /// # Errors
    /// When it has none and is to have some, and as for [`Rules::new`].
    pub fn again(py: Python<'_>, plan: &Plan, running: Option<&Arc<Shadowing>>) -> Result<Option<Self>, StartupError> {
        let rules = Self::new(py, plan)?;
        if running.is_none() && !rules.is_empty() {
            return Err(StartupError::new(
                "the server was started without shadow rules",
                "restart it to begin with them",
            ));
        }
        Ok(running.map(|_| rules))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// The rule of a request, if it has one.
    pub fn find(&self, request: &RouteRequest<'_>) -> Option<(usize, &ShadowRule)> {
        match self.finder.decide(request).reason {
            Reason::Rule(place) => Some((place, self.listed.get(place)?)),
            _ => None,
        }
    }

    /// A rule by its place.
    pub fn at(&self, place: usize) -> Option<&ShadowRule> {
        self.listed.get(place)
    }

    /// What the results of a request are grouped by: the route of an application, or the path of the rule at `place`.
    pub fn label(&self, place: usize, request: &RouteRequest<'_>) -> String {
        let reason = self.routes.decide(request).reason;
        let route = match reason {
            Reason::Table(_) | Reason::WsgiTable(_) => self.routes.template_of(reason),
            _ => None,
        };
        let own = || self.listed.get(place).map(|rule| rule.label.clone()).unwrap_or_default();
        route.map_or_else(own, str::to_owned)
    }
}

impl ShadowRule {
    fn new(py: Python<'_>, spec: &ShadowSpec) -> Self {
        let (label, parsed) = (spec.label.clone(), spec.parsed.clone_ref(py));
        Self { to: spec.to, sample: spec.sample, repeat: spec.repeat, label, parsed }
    }
}
