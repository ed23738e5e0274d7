//! The texts of rules, prefixes and routes, and a number for each.
//!
//! Only explanations, logs and metrics need them.

use super::share::Percent;
use super::{AppIndex, Mode, MountSpec, Reason, RouteSpec, Router, RuleSpec};

/// The texts as the operator wrote them, to explain decisions.
#[derive(Debug)]
pub(super) struct RuleNames {
    pub(super) rules: Box<[String]>,
    /// The configured shares.
    shares: Box<[Option<Percent>]>,
    rule_paths: Box<[String]>,
    prefixes: Box<[String]>,
    routes: Box<[String]>,
    wsgi_routes: Box<[String]>,
}

/// A rule with a share.
#[derive(Debug, Clone, Copy)]
pub struct SharedRule<'a> {
    /// Its index.
    pub rule: usize,
    /// Its text without the share. It is unique among the rules with a share.
    pub text: &'a str,
    /// Its application.
    pub app: AppIndex,
    /// Its current share.
    pub share: Percent,
    /// Its configured share.
    pub configured: Percent,
}

impl Router {
    /// The rule, prefix or route that decided, as it was written.
    #[must_use]
    pub fn name_of(&self, reason: Reason) -> Option<&str> {
        let (names, index) = match reason {
            Reason::Rule(index) => (&self.names.rules, index),
            Reason::Mount(index) => (&self.names.prefixes, index),
            Reason::Table(index) | Reason::TableRefusal(index) => (&self.names.routes, index),
            Reason::WsgiTable(index) => (&self.names.wsgi_routes, index),
            _ => return None,
        };
        names.get(index).map(String::as_str)
    }

    /// The path of the rule, prefix or route that decided.
    #[must_use]
    pub fn template_of(&self, reason: Reason) -> Option<&str> {
        match reason {
            Reason::Rule(index) => self.names.rule_paths.get(index).map(String::as_str),
            // For this row, the request does not go to the application.
            Reason::TableRefusal(_) => None,
            _ => self.name_of(reason),
        }
    }

    /// The number of a rule, prefix or route among all of them, for callers that keep something for each.
    #[must_use]
    pub fn place_of(&self, reason: Reason) -> Option<usize> {
        let RuleNames { rules, prefixes, routes, .. } = &self.names;
        match reason {
            Reason::Rule(index) => Some(index),
            Reason::Mount(index) => Some(rules.len() + index),
            Reason::Table(index) => Some(rules.len() + prefixes.len() + index),
            Reason::WsgiTable(index) => Some(rules.len() + prefixes.len() + routes.len() + index),
            _ => None,
        }
    }

    /// How many of these numbers there are.
    #[must_use]
    pub fn places(&self) -> usize {
        let RuleNames { rules, prefixes, routes, wsgi_routes, .. } = &self.names;
        rules.len() + prefixes.len() + routes.len() + wsgi_routes.len()
    }

    /// The rules with a share.
    pub fn shares(&self) -> impl Iterator<Item = SharedRule<'_>> {
        self.rules.shares().filter_map(|(rule, share)| {
            let (text, configured) = (self.names.rules.get(rule)?, *self.names.shares.get(rule)?);
            Some(SharedRule { rule, text, app: *self.targets.get(rule)?, share: share.now(), configured: configured? })
        })
    }

    /// A reason in words, such as ``the rule `GET /x=new` ``.
    #[must_use]
    pub fn describe(&self, reason: Reason) -> String {
        let quoted = |what: &str| format!("the {what} `{}`", self.name_of(reason).unwrap_or("?"));
        match reason {
            Reason::Rule(_) => quoted("rule"),
            Reason::Mount(_) => quoted("prefix"),
            Reason::Table(_) => quoted("route"),
            Reason::WsgiTable(_) => quoted("route") + " of the WSGI application, which is preferred",
            Reason::TableRefusal(_) => {
                format!(
                    "the ASGI application looks no further than `{}`, and refuses it",
                    self.name_of(reason).unwrap_or("?")
                )
            }
            Reason::TableMiss => "no route of the ASGI application matches".to_owned(),
            Reason::Probe => "the ASGI application is asked first".to_owned(),
            Reason::OnlyApp => "the application without a prefix".to_owned(),
            Reason::WebSocketOnly => "HTTP goes to WSGI, WebSockets go to ASGI".to_owned(),
            Reason::NoWebSocket => "no ASGI application takes this WebSocket".to_owned(),
            Reason::NotFound => "no application is mounted there".to_owned(),
        }
    }
}

impl RuleNames {
    pub(super) fn new(mounts: &[MountSpec], rules: &[RuleSpec], mode: &Mode) -> Self {
        let (routes, wsgi_routes) = tables_of(mode);
        let paths = |routes: &[RouteSpec]| routes.iter().map(|route| route.path.clone()).collect();
        Self {
            rules: rules.iter().map(|rule| rule.text.clone()).collect(),
            shares: rules.iter().map(|rule| rule.share).collect(),
            rule_paths: rules.iter().map(|rule| rule.path.shown()).collect(),
            prefixes: mounts.iter().map(|mount| mount.prefix.clone()).collect(),
            routes: paths(routes),
            wsgi_routes: paths(wsgi_routes),
        }
    }
}

/// The routes of the ASGI and of the WSGI application in a mode.
fn tables_of(mode: &Mode) -> (&[RouteSpec], &[RouteSpec]) {
    match mode {
        Mode::Table(routes) => (routes, &[]),
        Mode::WsgiFirst { routes, then } => (tables_of(then).0, routes),
        Mode::Mounts | Mode::Probe | Mode::WebSocketOnly => (&[], &[]),
    }
}
