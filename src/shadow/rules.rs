//! Decides which requests are shadowed.
//!
//! These rules never decide which application answers. The same router compiles them, so paths have the same meaning as
//! in routing rules.

use pyo3::prelude::*;

use crate::config::plan::{Plan, ShadowSpec};
use crate::config::startup_error::StartupError;
use crate::route::{Mode, MountSpec, Reason, RouteRequest, Router};

/// The rules of shadow traffic, compiled.
#[derive(Debug)]
pub struct Rules {
    /// Finds the rule of a request.
    finder: Router,
    listed: Box<[ShadowRule]>,
    /// Knows the routes of the applications, without the routing rules.
    routes: Router,
}

/// One rule.
#[derive(Debug)]
pub struct ShadowRule {
    /// The index of the application that also gets the request.
    pub to: usize,
    /// How many of 10,000 requests are sampled.
    pub sample: u16,
    /// How many of 10,000 sampled requests are sent to the first application again.
    pub repeat: u16,
    /// The group of results, if no route is known.
    label: String,
    /// The rule as a Python object.
    pub parsed: Py<PyAny>,
}

impl Rules {
    /// The rules of a plan. There may be none.
    ///
    /// # Errors
    /// When rules contradict the applications or each other.
    pub fn new(py: Python<'_>, plan: &Plan) -> Result<Self, StartupError> {
        let mounts = plan.mounts();
        // Only rules decide in this router. The prefixes have no effect, but they must differ.
        let apart = |mount: &MountSpec| MountSpec { prefix: format!("/{}", mount.app.0), ..mount.clone() };
        let apart: Vec<_> = mounts.iter().map(apart).collect();
        let specs: Vec<_> = plan.shadow.iter().map(ShadowSpec::rule).collect();
        let finder = Router::new(&apart, &specs, &Mode::Mounts)?;
        let routes = Router::new(&mounts, &[], &plan.mode())?;
        let listed = plan.shadow.iter().map(|spec| ShadowRule::new(py, spec)).collect();
        Ok(Self { finder, listed, routes })
    }

    /// The rules of a new plan for a running server. `None` if the server runs without shadow traffic and the plan has
    /// none.
    ///
    /// # Errors
    /// When the server was started without shadow traffic and the plan has some, and as for [`Rules::new`].
    pub fn again(py: Python<'_>, plan: &Plan, runs: bool) -> Result<Option<Self>, StartupError> {
        let rules = Self::new(py, plan)?;
        if !runs && !rules.is_empty() {
            return Err(StartupError::new(
                "the server was started without shadow rules",
                "restart it to begin with them",
            ));
        }
        Ok(runs.then_some(rules))
    }

    /// Whether there are no rules.
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

    /// The rule at an index.
    pub fn at(&self, place: usize) -> Option<&ShadowRule> {
        self.listed.get(place)
    }

    /// The group of the result: the route in an application, the path of the rule, or the path of the request.
    pub fn label(&self, rule: Option<&ShadowRule>, request: &RouteRequest<'_>) -> String {
        let reason = self.routes.decide(request).reason;
        let route = match reason {
            Reason::Table(_) | Reason::WsgiTable(_) => self.routes.template_of(reason),
            _ => None,
        };
        match (route, rule) {
            (Some(route), _) => route.to_owned(),
            (None, Some(rule)) => rule.label.clone(),
            (None, None) => without_numbers(request.raw_path),
        }
    }
}

/// Replaces numbers and ids in a path: `/books/17` becomes `/books/{id}`.
fn without_numbers(path: &str) -> String {
    let is_id = |segment: &str| {
        let hexadecimal = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
        let digits = segment.bytes().filter(u8::is_ascii_digit).count();
        digits > 0 && (digits == segment.len() || (segment.len() >= 8 && segment.bytes().all(hexadecimal)))
    };
    let named: Vec<_> = path.split('/').map(|segment| if is_id(segment) { "{id}" } else { segment }).collect();
    named.join("/")
}

impl ShadowRule {
    fn new(py: Python<'_>, spec: &ShadowSpec) -> Self {
        let (label, parsed) = (spec.label.clone(), spec.parsed.clone_ref(py));
        Self { to: spec.to, sample: spec.sample, repeat: spec.repeat, label, parsed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_in_a_path_have_no_value() {
        for (path, expected) in [
            ("/books/17", "/books/{id}"),
            ("/17/books/", "/{id}/books/"),
            ("/a/3f2b9c1e-0d4a-4c55-9a2f-1b2c3d4e5f60/b", "/a/{id}/b"),
            ("/deadbeef", "/deadbeef"),
            ("/v2/x", "/v2/x"),
            ("/", "/"),
        ] {
            assert_eq!(without_numbers(path), expected);
        }
    }
}
