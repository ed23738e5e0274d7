//! The order in which the router looks for the owner of a request: rules, then mounts, then applications without a
//! prefix.
//!
//! The complete policy is in this file. Only ASGI applications get WebSockets: rules and mounts of WSGI applications are
//! invisible to them.

use std::borrow::Cow;

use super::cover::{Claim, first_hidden};
use super::error::RouteError;
use super::method::Asked;
use super::mount::{Mounts, require_distinct};
use super::path::decode;
use super::table::{Found, Query, Table};
use super::{
    AppIndex, Decision, Interface, Miss, Mode, MountSpec, Reason, RouteKind, RouteRequest, RouteSpec, RuleSpec,
};

/// Says who answers a request. Built once, then only read.
#[derive(Debug)]
pub struct Router {
    rules: Table,
    /// The application of each rule.
    targets: Box<[AppIndex]>,
    mounts: Mounts,
    rest: Rest,
    /// Whether the path matters at all. It does not for one application alone, which is then found in no time.
    reads_path: bool,
    names: Names,
}

/// Who gets what no rule and no prefix claims.
#[derive(Debug)]
enum Rest {
    Nobody,
    One { app: AppIndex, interface: Interface },
    Table { wsgi: AppIndex, asgi: AppIndex, table: Table },
    Probe { wsgi: AppIndex, asgi: AppIndex },
    WebSocketOnly { wsgi: AppIndex, asgi: AppIndex },
    WsgiFirst { wsgi: AppIndex, table: Table, then: Box<Self> },
}

/// How the operator wrote things; only read to explain a decision.
#[derive(Debug)]
struct Names {
    rules: Box<[String]>,
    rule_paths: Box<[String]>,
    prefixes: Box<[String]>,
    routes: Box<[String]>,
    wsgi_routes: Box<[String]>,
}

impl Router {
    /// Compiles a plan.
    ///
    /// # Errors
    ///
    /// When a template or prefix cannot be read, when a rule names an application that is not among the mounts, or when the
    /// applications without a prefix do not fit the mode.
    pub fn new(mounts: &[MountSpec], rules: &[RuleSpec], mode: &Mode) -> Result<Self, RouteError> {
        require_distinct(mounts)?;
        let names = Names::new(mounts, rules, mode);
        let rest = Rest::new(mounts, mode)?;
        let (rules, targets) = compile_rules(mounts, rules)?;
        let mounts = Mounts::new(mounts)?;
        let reads_path = !rules.is_empty() || !mounts.is_empty() || rest.reads_path();
        Ok(Self { rules, targets, mounts, rest, reads_path, names })
    }

    /// Where a request goes.
    #[must_use]
    pub fn route(&self, request: &RouteRequest<'_>) -> Decision {
        self.explain(request).0
    }

    /// Where a request goes, and why. As cheap as [`Router::route`].
    #[must_use]
    pub fn explain(&self, request: &RouteRequest<'_>) -> (Decision, Reason) {
        if !self.reads_path {
            return self.rest.decide(&[], request);
        }
        let path: Cow<'_, [u8]> = decode(request.raw_path);
        if let Found::Row(index) = self.rules.find(&path, &rule_query(request))
            && let Some(app) = self.targets.get(index)
        {
            // A rule passes the path through as it is, even to an application that is also mounted somewhere.
            return (whole(*app), Reason::Rule(index));
        }
        if let Some(mounted) = self.mounts.find(&path, request.raw_path, request.websocket) {
            let decision = Decision::App { app: mounted.app, root: mounted.root };
            return (decision, Reason::Mount(mounted.index));
        }
        self.rest.decide(&path, request)
    }

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

    /// The path of the rule, prefix or route that decided: what its requests have in common.
    #[must_use]
    pub fn template_of(&self, reason: Reason) -> Option<&str> {
        match reason {
            Reason::Rule(index) => self.names.rule_paths.get(index).map(String::as_str),
            // The application does not get it for this row.
            Reason::TableRefusal(_) => None,
            _ => self.name_of(reason),
        }
    }

    /// The place of a rule, prefix or route among all of them; for who keeps something for each.
    #[must_use]
    pub fn place_of(&self, reason: Reason) -> Option<usize> {
        let Names { rules, prefixes, routes, .. } = &self.names;
        match reason {
            Reason::Rule(index) => Some(index),
            Reason::Mount(index) => Some(rules.len() + index),
            Reason::Table(index) => Some(rules.len() + prefixes.len() + index),
            Reason::WsgiTable(index) => Some(rules.len() + prefixes.len() + routes.len() + index),
            _ => None,
        }
    }

    /// How many such places there are.
    #[must_use]
    pub fn places(&self) -> usize {
        let Names { rules, prefixes, routes, wsgi_routes, .. } = &self.names;
        rules.len() + prefixes.len() + routes.len() + wsgi_routes.len()
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

/// An application that sees the path as it is.
fn whole(app: AppIndex) -> Decision {
    Decision::App { app, root: 0 }
}

/// What a request asks of a rule: its method counts, that of a WebSocket's handshake too.
fn rule_query<'a>(request: &RouteRequest<'a>) -> Query<'a> {
    let asked =
        if request.websocket { Asked::HANDSHAKE } else { Asked::of_rule(request.method, request.preflight_method) };
    query(request, asked)
}

fn query<'a>(request: &RouteRequest<'a>, asked: Asked<'a>) -> Query<'a> {
    let RouteRequest { websocket, host, scheme, headers, .. } = *request;
    Query { websocket, asked, host, scheme, headers }
}

/// What a request asks of an application's route table. An OPTIONS that is no preflight asks about the path as a whole, so
/// whoever has any route there answers; a WebSocket's route has no methods.
fn table_query<'a>(request: &RouteRequest<'a>) -> Query<'a> {
    let about_the_path = request.method == "OPTIONS" && request.preflight_method.is_none();
    let asked = if request.websocket || about_the_path {
        Asked::ANY
    } else {
        Asked::of_route(request.method, request.preflight_method)
    };
    query(request, asked)
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
            // Said before all else: what a WebSocket may not have.
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
            // There is nobody to fall through to: WSGI cannot answer a WebSocket.
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
    if let Some((hidden, by)) = first_hidden(&claims)
        && let (Some(hidden), Some(by)) = (rules.get(hidden), rules.get(by))
    {
        let place = if by.source.is_empty() { String::new() } else { format!(" ({})", by.source) };
        return Err(RouteError::Hidden { by: format!("`{}`{place}", by.text) }.of(hidden));
    }
    Ok((table, rules.iter().map(|rule| rule.app).collect()))
}

/// What a rule answers: what it says, as far as its application can.
fn rule_kind(mounts: &[MountSpec], rule: &RuleSpec) -> Result<RouteKind, RouteError> {
    let app = mounts.iter().find(|mount| mount.app == rule.app).ok_or(RouteError::UnknownApp)?;
    match (rule.websocket, app.interface) {
        (Some(true), Interface::Wsgi) => Err(RouteError::WebSocketToWsgi),
        (Some(true), Interface::Asgi) => Ok(RouteKind::WebSocket),
        (None, Interface::Asgi) => Ok(RouteKind::Any),
        (Some(false), Interface::Asgi) | (_, Interface::Wsgi) => Ok(RouteKind::Http),
    }
}

fn compile_routes(routes: &[RouteSpec]) -> Result<Table, RouteError> {
    let mut table = Table::default();
    routes.iter().try_for_each(|route| table.push_route(route))?;
    Ok(table)
}

impl Names {
    fn new(mounts: &[MountSpec], rules: &[RuleSpec], mode: &Mode) -> Self {
        let (routes, wsgi_routes) = tables_of(mode);
        let paths = |routes: &[RouteSpec]| routes.iter().map(|route| route.path.clone()).collect();
        Self {
            rules: rules.iter().map(|rule| rule.text.clone()).collect(),
            rule_paths: rules.iter().map(|rule| rule.path.shown()).collect(),
            prefixes: mounts.iter().map(|mount| mount.prefix.clone()).collect(),
            routes: paths(routes),
            wsgi_routes: paths(wsgi_routes),
        }
    }
}

/// The routes of the ASGI and of the WSGI application that a mode goes by.
fn tables_of(mode: &Mode) -> (&[RouteSpec], &[RouteSpec]) {
    match mode {
        Mode::Table(routes) => (routes, &[]),
        Mode::WsgiFirst { routes, then } => (tables_of(then).0, routes),
        Mode::Mounts | Mode::Probe | Mode::WebSocketOnly => (&[], &[]),
    }
}
