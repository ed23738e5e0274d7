//! Who answers a request: the operator's rules, then the longest mount, then whatever has no prefix.
//!
//! Apart from everything that reads sockets or calls Python: a router is built once from plain data and then only read, so
//! it can be tried in isolation, shared between threads, and asked by `rsgi explain` without a server.
//!
//! In reading order: `path` (split, then decode), `template` and `pattern`/`automaton`/`expression` (what a path is compared
//! with), `method`, `host` and `condition` (what else a row asks for), `share` and `bucket` (which clients a rule is for), `table` (many
//! rows, one answer), `mount` (prefixes), `cover` (rules that never decide), `router` (the order of it all; `names`: in words; `own_route`: for metrics). The words of the specifications: `SCRIPT_NAME`/`PATH_INFO` (PEP 3333), `root_path`/
//! `path` (ASGI 3.0).

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

/// Which application: its place in the list of applications that the caller keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AppIndex(pub usize);

/// What an application speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Interface {
    /// PEP 3333; never sees a WebSocket.
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
    /// Both, as a mounted sub-application does.
    Any,
}

/// A row of an application's own route table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteSpec {
    /// What it answers.
    pub kind: RouteKind,
    /// Its methods, `None` for all. They do not count for a WebSocket.
    pub methods: Option<Vec<String>>,
    /// A host template, `None` for all.
    pub host: Option<String>,
    /// A path template. Read leniently: what is no parameter is literal, an unknown converter is one segment of text.
    pub path: String,
    /// Whether the other application is asked when this one answers that it has nothing there, as a folder of files does.
    pub falls_through: bool,
    /// Whether the application refuses what fits (404, 405 or a redirect) and looks at none of the rows that follow: it
    /// found the path and not the method, or a mounted application that has no such route.
    pub refuses: bool,
}

/// A routing rule of the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleSpec {
    /// Its methods, `None` for all.
    pub methods: Option<Vec<String>>,
    /// A host template, `None` for all.
    pub host: Option<String>,
    /// The paths it is for.
    pub path: PathSpec,
    /// What it asks of header fields and cookies; all of it has to be so.
    pub fields: Vec<FieldSpec>,
    /// The scheme it is for, `None` for both.
    pub scheme: Option<Scheme>,
    /// Whether it is for WebSockets only, or for none; `None` for all that its application answers.
    pub websocket: Option<bool>,
    /// Who answers what it matches. The application has to be among the mounts.
    pub app: AppIndex,
    /// The share of the clients; `None` for all. For clients outside the share, the router skips the rule.
    pub share: Option<Percent>,
    /// The rule as the operator wrote it.
    pub text: String,
    /// Where it stands, such as `rsgi.toml, line 7`; empty on the command line.
    pub source: String,
}

/// Which paths a rule is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathSpec {
    /// A path template. Read strictly: every oddity is an error.
    Template(String),
    /// Decoded text such as `/api`, which stands for itself and all below it; empty for every path.
    Prefix(String),
    /// A regular expression for the whole decoded path, in which an encoded slash stays `%2F`.
    Expression(String),
}

impl PathSpec {
    /// As it is shown: `/api/*` stands for `/api`, too.
    fn shown(&self) -> String {
        match self {
            Self::Prefix(prefix) => format!("{prefix}/*"),
            Self::Template(text) | Self::Expression(text) => text.clone(),
        }
    }
}

/// What a rule asks of one header field or cookie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldSpec {
    /// Where it is looked for.
    pub place: FieldPlace,
    /// Its name; letter case counts for cookies only.
    pub name: String,
    /// What it has to be.
    pub test: FieldTest,
}

/// Where a field is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldPlace {
    /// Among the header fields.
    Header,
    /// Among the pairs of `Cookie`.
    Cookie,
}

/// What a field has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldTest {
    /// There, with any value.
    Present,
    /// Not there.
    Absent,
    /// This, byte by byte.
    Equals(String),
    /// Something that this regular expression matches as a whole.
    Matches(String),
}

/// How a request came: the one of the connection, or what a trusted proxy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Without TLS; `ws` is the same.
    Http,
    /// With TLS; `wss` is the same.
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

    /// The port of an address that names none.
    #[must_use]
    pub fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// An application and the place it answers at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountSpec {
    /// The application.
    pub app: AppIndex,
    /// What it speaks.
    pub interface: Interface,
    /// Decoded text such as `/api`, without a slash at its end; empty for the application that gets the rest.
    pub prefix: String,
}

/// Who gets what no rule and no prefix claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// The one application without a prefix, if there is one.
    Mounts,
    /// Of a WSGI and an ASGI application: the ASGI one what its routes own, the WSGI one all else.
    Table(Vec<RouteSpec>),
    /// Of a WSGI and an ASGI application: the ASGI one is asked first.
    Probe,
    /// Of a WSGI and an ASGI application: the ASGI one gets every WebSocket, the WSGI one all HTTP.
    WebSocketOnly,
    /// Of a WSGI and an ASGI application: HTTP that the routes of the WSGI one own goes there, all else by another mode.
    WsgiFirst {
        /// The routes of the WSGI application.
        routes: Vec<RouteSpec>,
        /// Who gets what they do not own: `Table` or `Probe`.
        then: Box<Mode>,
    },
}

/// What the router looks at in a request.
#[derive(Debug, Clone, Copy)]
pub struct RouteRequest<'a> {
    /// The method, compared exactly.
    pub method: &'a str,
    /// The undecoded path, without the query. One that does not begin with `/` (`*`) matches no rule and no prefix.
    pub raw_path: &'a str,
    /// The `Host` field, with or without a port.
    pub host: Option<&'a str>,
    /// Whether it opens a WebSocket (HTTP/1.1 Upgrade or HTTP/2 extended CONNECT).
    pub websocket: bool,
    /// `Access-Control-Request-Method`, if there is an `Origin` as well. Looked at for OPTIONS only.
    pub preflight_method: Option<&'a str>,
    /// How it came.
    pub scheme: Scheme,
    /// All its fields, for the rules that ask for some.
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
        /// How many bytes of the *raw* path are the mount (`SCRIPT_NAME`, `root_path`), however they are escaped.
        root: usize,
    },
    /// To `first`; if that has no route for it, to `then`.
    Probe {
        /// The ASGI application.
        first: AppIndex,
        /// The WSGI application.
        then: AppIndex,
        /// What counts as having none.
        miss: Miss,
    },
    /// To nobody: 404, for a WebSocket before the upgrade.
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

/// When an application that is asked first has nothing for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Miss {
    /// No route of it fits.
    NoRoute,
    /// A route fits that stands for a folder of files, and there is no such file.
    NoFile,
}

/// Why a request goes where it goes. [`Router::describe`] puts it in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The rule with this index is the first that matches.
    Rule(usize),
    /// The longest matching prefix is that of the mount with this index in the list given.
    Mount(usize),
    /// The application's route with this index is the first that matches.
    Table(usize),
    /// The WSGI application is preferred, and its route with this index is the first that matches.
    WsgiTable(usize),
    /// The ASGI application refuses it: its row with this index fits first, and is not a route but a refusal.
    TableRefusal(usize),
    /// The ASGI application's table has no route for it.
    TableMiss,
    /// The ASGI application's routes are unknown, so it is asked first.
    Probe,
    /// There is but one application without a prefix.
    OnlyApp,
    /// HTTP goes to one, every WebSocket to the other.
    WebSocketOnly,
    /// It is a WebSocket, and no ASGI application would take it.
    NoWebSocket,
    /// No application is mounted there.
    NotFound,
}

#[cfg(test)]
mod comparison;
#[cfg(test)]
mod rule_comparison;
#[cfg(test)]
mod share_tests;
#[cfg(test)]
mod tests;
