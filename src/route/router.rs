//! Decides which application answers a request. The order is: rules, mounts, applications without a prefix.
//!
//! The complete order is in this file. Only ASGI applications get WebSockets, so WebSockets skip rules and mounts of
//! WSGI applications.

use std::borrow::Cow;

use super::cover::{Claim, refuse_idle};
use super::error::RouteError;
use super::method::RequestMethods;
use super::mount::{Mounts, require_distinct};
use super::names::RuleNames;
use super::own_route::OwnRoutes;
use super::path::decode;
use super::share::{CheckedShare, Draw, Percent, Sharing};
use super::table::{Found, Query, Table};
use super::{
    AppIndex, Decision, Interface, Miss, Mode, MountSpec, Reason, RouteKind, RouteRequest, RouteSpec, RuleSpec,
    SharingSpec,
};

/// Decides which application answers a request. Built once, then only read.
#[derive(Debug)]
pub struct Router {
    pub(super) rules: Table,
    /// The application of each rule.
    pub(super) targets: Box<[AppIndex]>,
    /// `None` if no rule has a share.
    sharing: Option<Sharing>,
    mounts: Mounts,
    rest: Rest,
    /// Whether the path matters. It does not if there is only one application, and then it is not decoded.
    reads_path: bool,
    pub(super) names: RuleNames,
    pub(super) own_routes: OwnRoutes,
}

/// A decision with its reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decided {
    /// Where the request goes.
    pub decision: Decision,
    /// Why.
    pub reason: Reason,
    /// The share that was checked, if any was.
    pub share: Option<CheckedShare>,
    /// The rules whose shares were checked, as bits. Only the first 64 rules have one.
    pub checked: u64,
}

/// How the requests that match no rule and no prefix are divided.
#[derive(Debug)]
enum Rest {
    Nobody,
    One { app: AppIndex, interface: Interface },
    Table { wsgi: AppIndex, asgi: AppIndex, table: Table },
    Probe { wsgi: AppIndex, asgi: AppIndex },
    WebSocketOnly { wsgi: AppIndex, asgi: AppIndex },
    WsgiFirst { wsgi: AppIndex, table: Table, then: Box<Self> },
}

impl Router {
    /// Compiles a plan.
    ///
    /// # Errors
    ///
    /// When a template or prefix cannot be read, a rule names an application that is not among the mounts, or the
    /// applications without a prefix do not fit the mode.
    pub fn new(mounts: &[MountSpec], rules: &[RuleSpec], mode: &Mode) -> Result<Self, RouteError> {
        require_distinct(mounts)?;
        let names = RuleNames::new(mounts, rules, mode);
        let rest = Rest::new(mounts, mode)?;
        let (rules, targets) = compile_rules(mounts, rules)?;
        let mounts = Mounts::new(mounts)?;
        let reads_path = !rules.is_empty() || !mounts.is_empty() || rest.reads_path();
        let sharing = rules.shares().next().map(|_| Sharing::new(&SharingSpec::default())).transpose()?;
        let own_routes = OwnRoutes::default();
        Ok(Self { rules, targets, sharing, mounts, rest, reads_path, names, own_routes })
    }

    /// Sets where the buckets of clients come from. The default is our own cookie.
    ///
    /// # Errors
    ///
    /// When a name is not valid for a header field.
    pub fn sharing(mut self, spec: &SharingSpec) -> Result<Self, RouteError> {
        let compiled = Sharing::new(spec)?;
        self.sharing = self.sharing.map(|_| compiled);
        Ok(self)
    }

    /// Changes the share of a rule, from the next request on.
    pub fn set_share(&self, rule: usize, share: Percent) {
        if let Some((_, own)) = self.rules.shares().find(|(index, _)| *index == rule) {
            own.set(share);
        }
    }

    /// The value of `Vary` for responses after a share was checked.
    #[must_use]
    pub fn vary(&self) -> Option<&http::HeaderValue> {
        self.sharing.as_ref().map(Sharing::vary)
    }

    /// Where a request goes.
    #[must_use]
    pub fn route(&self, request: &RouteRequest<'_>) -> Decision {
        self.explain(request).0
    }

    /// Where a request goes, and why. As cheap as [`Router::route`].
    #[must_use]
    pub fn explain(&self, request: &RouteRequest<'_>) -> (Decision, Reason) {
        let Decided { decision, reason, .. } = self.decide(request);
        (decision, reason)
    }

    /// Where a request goes, with all reasons. As cheap as [`Router::route`].
    #[must_use]
    pub fn decide(&self, request: &RouteRequest<'_>) -> Decided {
        if !self.reads_path {
            let (decision, reason) = self.rest.decide(&[], request);
            return Decided { decision, reason, share: None, checked: 0 };
        }
        let path: Cow<'_, [u8]> = decode(request.raw_path);
        let draw = self.sharing.as_ref().map(|sharing| Draw::new(sharing, request));
        let query = Query { draw: draw.as_ref(), ..rule_query(request) };
        let rule = match self.rules.find(&path, &query) {
            Found::Row(index) => Some(index),
            Found::Refused(_) | Found::Nothing => None,
        };
        let share = draw.as_ref().and_then(|draw| draw.part(rule));
        let checked = draw.as_ref().map_or(0, |draw| draw.checked(rule));
        let ruled = rule.and_then(|index| Some((whole(*self.targets.get(index)?), Reason::Rule(index))));
        // After a rule, the application gets the whole path, even if it is also mounted at a prefix.
        let (decision, reason) = ruled.unwrap_or_else(|| self.unruled(&path, request));
        Decided { decision, reason, share, checked }
    }

    /// Where a request goes that matches no rule.
    fn unruled(&self, path: &[u8], request: &RouteRequest<'_>) -> (Decision, Reason) {
        if let Some(mounted) = self.mounts.find(path, request.raw_path, request.websocket) {
            let decision = Decision::App { app: mounted.app, root: mounted.root };
            return (decision, Reason::Mount(mounted.index));
        }
        self.rest.decide(path, request)
    }
}

/// An application that gets the whole path.
fn whole(app: AppIndex) -> Decision {
    Decision::App { app, root: 0 }
}

/// The query for rules. The method counts, for a WebSocket that of its handshake.
fn rule_query<'a>(request: &RouteRequest<'a>) -> Query<'a> {
    let methods = if request.websocket {
        RequestMethods::HANDSHAKE
    } else {
        RequestMethods::of_rule(request.method, request.preflight_method)
    };
    query(request, methods)
}

fn query<'a>(request: &RouteRequest<'a>, methods: RequestMethods<'a>) -> Query<'a> {
    let RouteRequest { websocket, host, scheme, fields, .. } = *request;
    Query { websocket, methods, host, scheme, fields, draw: None }
}

/// The query for the route table of an application. An OPTIONS request that is not a preflight asks about the path, so
/// any route with that path matches. The route of a WebSocket has no methods.
pub(super) fn table_query<'a>(request: &RouteRequest<'a>) -> Query<'a> {
    let about_the_path = request.method == "OPTIONS" && request.preflight_method.is_none();
    let methods = if request.websocket || about_the_path {
        RequestMethods::ANY
    } else {
        RequestMethods::of_route(request.method, request.preflight_method)
    };
    query(request, methods)
}

impl Rest {
    fn new(mounts: &[MountSpec], mode: &Mode) -> Result<Self, RouteError> {
        Ok(match mode {
            Mode::Mounts => Self::only(mounts)?,
            Mode::Table(routes) => {
                let (wsgi, asgi) = one_of_each(mounts, "table")?;
                Self::Table { wsgi, asgi, table: compile_routes(routes)? }
            }
            Mode::Probe => {
                let (wsgi, asgi) = one_of_each(mounts, "probe")?;
                Self::Probe { wsgi, asgi }
            }
            Mode::WebSocketOnly => {
                let (wsgi, asgi) = one_of_each(mounts, "websocket")?;
                Self::WebSocketOnly { wsgi, asgi }
            }
            Mode::WsgiFirst { routes, then } => {
                let (wsgi, _) = one_of_each(mounts, "table")?;
                Self::WsgiFirst { wsgi, table: compile_routes(routes)?, then: Box::new(Self::new(mounts, then)?) }
            }
        })
    }

    fn reads_path(&self) -> bool {
        matches!(self, Self::Table { .. } | Self::WsgiFirst { .. })
    }

    fn only(mounts: &[MountSpec]) -> Result<Self, RouteError> {
        let mut rest = mounts.iter().filter(|mount| mount.prefix.is_empty());
        match (rest.next(), rest.next()) {
            (None, _) => Ok(Self::Nobody),
            (Some(mount), None) => Ok(Self::One { app: mount.app, interface: mount.interface }),
            (Some(_), Some(_)) => {
                Err(RouteError::Prefixless { mode: "mounts", needs: "at most one application without a prefix" })
            }
        }
    }

    fn decide(&self, path: &[u8], request: &RouteRequest<'_>) -> (Decision, Reason) {
        match self {
            // WebSockets that nobody can answer come first.
            Self::Nobody | Self::One { interface: Interface::Wsgi, .. } if request.websocket => no_websocket(),
            Self::One { app, .. } => (whole(*app), Reason::OnlyApp),
            Self::Table { wsgi, asgi, table } => match table.find(path, &table_query(request)) {
                Found::Row(index) if table.falls_through(index) && !request.websocket => {
                    (Decision::Probe { first: *asgi, then: *wsgi, miss: Miss::NoFile }, Reason::Table(index))
                }
                Found::Row(index) => (whole(*asgi), Reason::Table(index)),
                Found::Refused(_) | Found::Nothing if request.websocket => no_websocket(),
                Found::Refused(index) => (whole(*wsgi), Reason::TableRefusal(index)),
                Found::Nothing => (whole(*wsgi), Reason::TableMiss),
            },
            // A WebSocket cannot fall through to WSGI.
            Self::Probe { asgi, .. } if request.websocket => (whole(*asgi), Reason::Probe),
            Self::Probe { wsgi, asgi } => {
                (Decision::Probe { first: *asgi, then: *wsgi, miss: Miss::NoRoute }, Reason::Probe)
            }
            Self::WebSocketOnly { wsgi, asgi } => {
                (whole(if request.websocket { *asgi } else { *wsgi }), Reason::WebSocketOnly)
            }
            Self::WsgiFirst { wsgi, table, then } => match table.find(path, &table_query(request)) {
                Found::Row(index) if !request.websocket => (whole(*wsgi), Reason::WsgiTable(index)),
                _ => then.decide(path, request),
            },
            Self::Nobody => (Decision::NotFound, Reason::NotFound),
        }
    }
}

fn no_websocket() -> (Decision, Reason) {
    (Decision::NotFound, Reason::NoWebSocket)
}

/// The WSGI and the ASGI application without a prefix, if there is exactly one of each.
fn one_of_each(mounts: &[MountSpec], mode: &'static str) -> Result<(AppIndex, AppIndex), RouteError> {
    let mut rest = mounts.iter().filter(|mount| mount.prefix.is_empty());
    match (rest.next(), rest.next(), rest.next()) {
        (Some(one), Some(other), None) => match (one.interface, other.interface) {
            (Interface::Wsgi, Interface::Asgi) => Some((one.app, other.app)),
            (Interface::Asgi, Interface::Wsgi) => Some((other.app, one.app)),
            _ => None,
        },
        _ => None,
    }
    .ok_or(RouteError::Prefixless { mode, needs: "one WSGI and one ASGI application without a prefix" })
}

fn compile_rules(mounts: &[MountSpec], rules: &[RuleSpec]) -> Result<(Table, Box<[AppIndex]>), RouteError> {
    let mut table = Table::default();
    let mut claims = Vec::with_capacity(rules.len());
    for rule in rules {
        let compiled = rule_kind(mounts, rule).and_then(|kind| {
            table.push_rule(rule, kind)?;
            Claim::new(rule, kind)
        });
        claims.push(compiled.map_err(|error| error.of(rule))?);
    }
    refuse_idle(&claims)?;
    Ok((table, rules.iter().map(|rule| rule.app).collect()))
}

/// What a rule answers: what it says, limited to what its application can answer.
fn rule_kind(mounts: &[MountSpec], rule: &RuleSpec) -> Result<RouteKind, RouteError> {
    let app = mounts.iter().find(|mount| mount.app == rule.app).ok_or(RouteError::UnknownApp)?;
    match (rule.websocket, app.interface) {
        (Some(true), Interface::Wsgi) => Err(RouteError::WebSocketToWsgi),
        (Some(true), Interface::Asgi) => Ok(RouteKind::WebSocket),
        (None, Interface::Asgi) => Ok(RouteKind::Any),
        (Some(false), Interface::Asgi) | (_, Interface::Wsgi) => Ok(RouteKind::Http),
    }
}

pub(super) fn compile_routes(routes: &[RouteSpec]) -> Result<Table, RouteError> {
    let mut table = Table::default();
    routes.iter().try_for_each(|route| table.push_route(route))?;
    Ok(table)
}
