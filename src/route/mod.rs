//! Decides which application answers a request: first the operator's rules, then the longest mount, then the
//! applications without a prefix.
//!
//! A router is built once from plain data and then only read. It needs no socket and no Python. So threads share it,
//! and `rsgi explain` asks it without a server.
//!
//! Reading order:
//! - `path`: splits a path, then decodes it.
//! - `template`, `pattern`, `automaton`, `expression`: what a path is compared with.
//! - `method`, `host`, `condition`: the other parts of a row.
//! - `share`, `bucket`: which clients a rule is for.
//! - `table`: finds the first of many rows that matches.
//! - `mount`: prefixes.
//! - `cover`: finds rules that can never match.
//! - `router`: the order of all that. `names`: its decisions in words. `own_route`: the routes for metrics.
//!
//! `SCRIPT_NAME` and `PATH_INFO` are those of PEP 3333, `root_path` and `path` those of ASGI 3.0.

mod automaton;
mod bucket;
mod condition;
mod cover;
mod error;
mod expression;
mod host;
mod method;
mod mount;
mod names;
mod own_route;
mod path;
mod pattern;
mod router;
mod share;
mod table;
mod template;

use rsgi_bridge::request::fields::RequestFields;

pub use bucket::{BUCKET_COOKIE, BUCKETS};
pub use error::{RouteError, TemplateFault};
pub use names::SharedRule;
pub use router::{Decided, Router};
pub use share::{CheckedShare, Lot, Percent, ShareBy, SharingSpec, Testers};

/// An application, as an index into the caller's list of applications.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AppIndex(pub usize);

/// The interface of an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Interface {
    /// PEP 3333. Gets no WebSockets.
    Wsgi,
    /// ASGI 3.0.
    Asgi,
}

/// What a route of an application answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RouteKind {
    /// HTTP requests only.
    Http,
    /// WebSocket handshakes only.
    WebSocket,
    /// Both, like a mounted sub-application.
    Any,
}

/// A row of an application's own route table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteSpec {
    /// Whether it answers HTTP, WebSocket or both.
    pub kind: RouteKind,
    /// Its methods; `None` for all. They do not count for a WebSocket.
    pub methods: Option<Vec<String>>,
    /// A host template; `None` for all.
    pub host: Option<String>,
    /// A path template. It is read leniently: what is not a parameter is literal text, and an unknown converter matches
    /// one segment.
    pub path: String,
    /// Whether the other application is asked if this one answers that it has nothing there. A folder of files does.
    pub falls_through: bool,
    /// Whether the application refuses what matches (404, 405 or a redirect) without trying the rows that follow. That
    /// is so if the path matches but the method does not, or if a mounted application has no such route.
    pub refuses: bool,
}

/// A routing rule of the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleSpec {
    /// Its methods; `None` for all.
    pub methods: Option<Vec<String>>,
    /// A host template; `None` for all.
    pub host: Option<String>,
    /// The paths that match.
    pub path: PathSpec,
    /// Conditions on header fields and cookies. A request must meet every condition.
    pub fields: Vec<FieldSpec>,
    /// The scheme; `None` for both.
    pub scheme: Option<Scheme>,
    /// Whether it is only for WebSockets, or only for HTTP. `None` for everything that its application can answer.
    pub websocket: Option<bool>,
    /// The application that answers. It must be among the mounts.
    pub app: AppIndex,
    /// The share of the clients; `None` for all. For clients outside the share, the router skips the rule.
    pub share: Option<Percent>,
    /// The rule as the operator wrote it.
    pub text: String,
    /// Where the rule is, such as `rsgi.toml, line 7`. Empty for the command line.
    pub source: String,
}

/// The paths of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathSpec {
    /// A path template. It is read strictly: anything unusual is an error.
    Template(String),
    /// Decoded text such as `/api`. It matches itself and everything below. Empty for every path.
    Prefix(String),
    /// A regular expression for the whole decoded path. An encoded slash stays `%2F` in it.
    Expression(String),
}

impl PathSpec {
    /// The text for display. `/api/*` includes `/api`.
    fn shown(&self) -> String {
        match self {
            Self::Prefix(prefix) => format!("{prefix}/*"),
            Self::Template(text) | Self::Expression(text) => text.clone(),
        }
    }
}

/// A condition on one header field or cookie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldSpec {
    /// Whether it is a header field or a cookie.
    pub place: FieldPlace,
    /// Its name. Only cookies are case-sensitive.
    pub name: String,
    /// The condition.
    pub test: FieldTest,
}

/// Header field or cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldPlace {
    /// A header field.
    Header,
    /// A pair of the `Cookie` field.
    Cookie,
}

/// A condition on the value of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldTest {
    /// The field is there, with any value.
    Present,
    /// The field is not there.
    Absent,
    /// The value is exactly this.
    Equals(String),
    /// This regular expression matches the whole value.
    Matches(String),
}

/// The scheme of a request: that of the connection, or what a trusted proxy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Without TLS. Includes `ws`.
    Http,
    /// With TLS. Includes `wss`.
    Https,
}

impl Scheme {
    /// `http` or `https`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The default port.
    #[must_use]
    pub fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// An application and its prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountSpec {
    /// The application.
    pub app: AppIndex,
    /// Its interface.
    pub interface: Interface,
    /// Decoded text such as `/api`, without a final slash. Empty for an application without a prefix.
    pub prefix: String,
}

/// How the requests that match no rule and no prefix are divided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// They go to the one application without a prefix, if there is one.
    Mounts,
    /// With one WSGI and one ASGI application: requests that match a route of the ASGI application go there, all others
    /// to WSGI.
    Table(Vec<RouteSpec>),
    /// With one WSGI and one ASGI application: the ASGI application is asked first.
    Probe,
    /// With one WSGI and one ASGI application: WebSockets go to ASGI, HTTP goes to WSGI.
    WebSocketOnly,
    /// With one WSGI and one ASGI application: HTTP requests that match a route of the WSGI application go there.
    /// Another mode decides about all others.
    WsgiFirst {
        /// The routes of the WSGI application.
        routes: Vec<RouteSpec>,
        /// The mode for all others: `Table` or `Probe`.
        then: Box<Mode>,
    },
}

/// The data of a request that the router uses.
#[derive(Debug, Clone, Copy)]
pub struct RouteRequest<'a> {
    /// The method, compared exactly.
    pub method: &'a str,
    /// The raw path, without the query. A path that does not begin with `/` (`*`) matches no rule and no prefix.
    pub raw_path: &'a str,
    /// The `Host` field, with or without a port.
    pub host: Option<&'a [u8]>,
    /// Whether it opens a WebSocket (HTTP/1.1 Upgrade or HTTP/2 extended CONNECT).
    pub websocket: bool,
    /// `Access-Control-Request-Method`, if the request also has an `Origin`. Only used for OPTIONS.
    pub preflight_method: Option<&'a str>,
    /// The scheme.
    pub scheme: Scheme,
    /// All header fields, for rules with conditions.
    pub fields: &'a RequestFields,
    /// The address of the client, for shares.
    pub client: Option<&'a str>,
    /// Returns a random bucket. Only called if a rule with a share needs one and the client has none.
    pub random: fn() -> u16,
}

/// Where a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// To one application.
    App {
        /// The application.
        app: AppIndex,
        /// The length of the mount (`SCRIPT_NAME`, `root_path`) in the *raw* path, in bytes, with its escapes.
        root: usize,
    },
    /// To `first`. If that is a miss, to `then`.
    Probe {
        /// The ASGI application.
        first: AppIndex,
        /// The WSGI application.
        then: AppIndex,
        /// When the response of `first` is a miss.
        miss: Miss,
    },
    /// To no application: 404, for a WebSocket before the upgrade.
    NotFound,
}

impl Decision {
    /// The application that is asked, or asked first.
    #[must_use]
    pub fn first(self) -> Option<usize> {
        match self {
            Self::App { app: AppIndex(first), .. } | Self::Probe { first: AppIndex(first), .. } => Some(first),
            Self::NotFound => None,
        }
    }
}

/// When the response of the application that is asked first is a miss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Miss {
    /// When no route of the application matches.
    NoRoute,
    /// When the matching route is a folder of files, and it has no such file.
    NoFile,
}

/// Why a request goes where it goes. [`Router::describe`] gives the reason in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The rule with this index is the first that matches.
    Rule(usize),
    /// The mount with this index has the longest matching prefix.
    Mount(usize),
    /// The route of the ASGI application with this index is the first that matches.
    Table(usize),
    /// The WSGI application is preferred, and its route with this index is the first that matches.
    WsgiTable(usize),
    /// The row of the ASGI application with this index is the first that matches, and the application refuses such
    /// requests.
    TableRefusal(usize),
    /// No route of the ASGI application matches.
    TableMiss,
    /// The routes of the ASGI application are unknown, so it is asked first.
    Probe,
    /// It is the only application without a prefix.
    OnlyApp,
    /// HTTP goes to one, every WebSocket to the other.
    WebSocketOnly,
    /// It is a WebSocket, and no ASGI application takes it.
    NoWebSocket,
    /// No application is mounted there.
    NotFound,
}

#[cfg(any(test, fuzzing))]
#[cfg_attr(fuzzing, allow(dead_code, unused_imports, reason = "its tests use it all"))]
mod comparison;
#[cfg(any(test, fuzzing))]
#[allow(clippy::indexing_slicing, reason = "only tests see it")]
pub mod fuzzing;
#[cfg(test)]
mod rule_comparison;
#[cfg(test)]
mod share_tests;
#[cfg(test)]
mod tests;
