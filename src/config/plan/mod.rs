//! The plan, read once from Python: the applications, and which of them answers what.
//!
//! `python/rsgi/routing/planning.py` makes it after it has loaded the applications. The router does not know Python, so
//! this file converts the plan.

mod specs;

use pyo3::prelude::*;
use rsgi_bridge::host::wsgi_to_asgi::WsgiBridge;

use crate::config::choice::{Choice, InterfaceKind, ModeKind, PathKind, PlaceKind, RequestKind, SchemeKind, TestKind};
use crate::config::settings::Seconds;
use crate::config::startup_error::StartupError;
use crate::rollback::Guard;
use crate::route::{AppIndex, Mode, MountSpec, PathSpec, RouteError, Router, RuleSpec, ShareBy, SharingSpec, Testers};

/// The most rules with a rollback: a router notes the checked shares as bits of one number.
const MOST_WATCHED: usize = 64;

/// One application of the plan.
#[derive(Debug, FromPyObject)]
pub struct AppSpec {
    /// Its target, such as `old:app`.
    pub name: String,
    /// Its interface.
    pub interface: InterfaceKind,
    /// Its mount prefix; empty without one.
    pub prefix: String,
    /// The callable.
    pub application: Py<PyAny>,
    /// The WSGI application inside a `rsgi.WsgiToAsgi`. rsgi calls it directly, without a coroutine.
    pub bridge: Option<Py<WsgiBridge>>,
    /// How many requests it may have at a time.
    pub limit_concurrency: Option<usize>,
    /// How long it may take until its response begins.
    pub request_timeout: Option<Seconds>,
    /// The number of its own WSGI threads, if it has its own pool.
    pub own_threads: Option<usize>,
}

/// One folder of static files.
#[derive(Debug, FromPyObject)]
pub struct StaticSpec {
    /// The URL prefix; empty for the whole site.
    pub prefix: String,
    /// The path of the folder.
    pub dir: String,
    /// The value of `Cache-Control`.
    pub cache_control: Option<String>,
    /// Whether responses for files with a hash in their name are marked `immutable`.
    pub immutable: bool,
    /// Whether an application answers if there is no such file.
    pub fallback_to_app: bool,
    /// Whether links may lead out of the folder.
    pub follow_links: bool,
}

#[derive(Debug, FromPyObject)]
struct PlanRule {
    methods: Option<Vec<String>>,
    host: Option<String>,
    kind: PathKind,
    path: String,
    fields: Vec<PlanField>,
    scheme: Option<SchemeKind>,
    websocket: Option<bool>,
    app: usize,
    share: Option<u16>,
    text: String,
    source: String,
    rollback: Option<Rollback>,
}

#[derive(Debug, FromPyObject)]
struct Rollback {
    window: Seconds,
    minimum: u64,
    failures: f64,
    p99: Option<f64>,
    command: Option<Vec<String>>,
    url: Option<String>,
    advance: Option<PlanSteps>,
}

#[derive(Debug, FromPyObject)]
struct PlanSteps {
    steps: Vec<u16>,
    after: Seconds,
}

#[derive(Debug, FromPyObject)]
struct PlanField {
    place: PlaceKind,
    name: String,
    test: TestKind,
    value: String,
}

#[derive(Debug, FromPyObject)]
struct Route {
    kind: RequestKind,
    methods: Option<Vec<String>>,
    host: Option<String>,
    path: String,
    falls_through: bool,
    refuses: bool,
}

/// One rule of shadow traffic.
#[derive(Debug, FromPyObject)]
pub struct ShadowSpec {
    methods: Vec<String>,
    kind: PathKind,
    path: String,
    /// The index of the application that also gets the requests.
    pub to: usize,
    /// How many of 10,000 requests are sampled.
    pub sample: u16,
    /// How many of 10,000 sampled requests are sent to the first application again.
    pub repeat: u16,
    text: String,
    source: String,
    /// The group of results.
    pub label: String,
    /// The rule as a Python object.
    pub parsed: Py<PyAny>,
}

/// The applications, and which of them answers what.
#[derive(Debug, FromPyObject)]
pub struct Plan {
    /// The applications. Rules refer to them by index.
    pub apps: Vec<AppSpec>,
    /// The folders of static files, which come before all applications.
    pub static_folders: Vec<StaticSpec>,
    rules: Vec<PlanRule>,
    mode: ModeKind,
    table: Vec<Route>,
    wsgi_table: Option<Vec<Route>>,
    /// The routes of each application, for metrics; `None` if they are not known. The list is empty without an admin
    /// listener.
    app_routes: Vec<Option<Vec<Route>>>,
    share_by: String,
    share_testers: Option<String>,
    /// The rules of shadow traffic.
    pub shadow: Vec<ShadowSpec>,
}

impl AppSpec {
    /// Whether it is a WSGI application.
    pub fn is_wsgi(&self) -> bool {
        self.interface == InterfaceKind::Wsgi
    }
}

impl Plan {
    /// Whether a response of the ASGI application without a prefix may have to be held back, because it is asked first
    /// for all or some paths.
    pub fn probes(&self) -> bool {
        self.mode == ModeKind::Probe || self.table.iter().any(|route| route.falls_through)
    }

    /// Whether the application without a prefix is called past its bridge, and so cannot be probed later.
    pub fn has_unprobed_bridge(&self) -> bool {
        !self.probes() && self.apps.iter().any(|app| app.prefix.is_empty() && app.bridge.is_some())
    }

    /// The router of the plan.
    ///
    /// # Errors
    /// When rules or routes contradict the applications.
    pub fn router(&self) -> Result<Router, StartupError> {
        let rules: Vec<RuleSpec> = self.rules.iter().map(specs::rule).collect();
        let sharing = self.sharing()?;
        let own: Vec<_> =
            self.app_routes.iter().map(|routes| Some(routes.as_ref()?.iter().map(specs::route).collect())).collect();
        let mounts = self.mounts();
        let router = Router::new(&mounts, &rules, &self.mode()).and_then(|router| router.sharing(&sharing));
        let router = router.map(|router| router.with_own_routes(&mounts, &own));
        router.map_err(StartupError::from)
    }

    /// The mounts of the applications.
    pub fn mounts(&self) -> Vec<MountSpec> {
        self.apps.iter().enumerate().map(specs::mount).collect()
    }

    /// How the applications without a prefix divide the rest.
    pub fn mode(&self) -> Mode {
        let mode = match self.mode {
            ModeKind::Table => Mode::Table(self.table.iter().map(specs::route).collect()),
            ModeKind::Probe => Mode::Probe,
            ModeKind::WebSocket => Mode::WebSocketOnly,
            ModeKind::Mounts => Mode::Mounts,
        };
        match &self.wsgi_table {
            Some(routes) => Mode::WsgiFirst { routes: routes.iter().map(specs::route).collect(), then: Box::new(mode) },
            None => mode,
        }
    }

    /// The guard of each rule that has a rollback. `is_shown` says whether there is an admin listener.
    ///
    /// # Errors
    /// When there is no admin listener, or when a rule with a rollback is not among the first [`MOST_WATCHED`].
    pub fn guards(&self, is_shown: bool) -> Result<Vec<Option<Guard>>, StartupError> {
        let watched = self.rules.iter().enumerate().filter(|(_, rule)| rule.rollback.is_some());
        let (first, last) = (watched.clone().next(), watched.clone().next_back());
        if let Some((_, rule)) = first.filter(|_| !is_shown) {
            return Err(StartupError::new(
                format!("the rollback of `{}` needs an admin listener", rule.text),
                "set its address, for example `--admin unix:admin.sock`; `rsgi share` uses it to set the share again",
            ));
        }
        if let Some((_, rule)) = last.filter(|(place, _)| *place >= MOST_WATCHED) {
            return Err(StartupError::new(
                format!("only the first {MOST_WATCHED} rules can have a `rollback`, and `{}` comes later", rule.text),
                "move the rule up",
            ));
        }
        Ok(self.rules.iter().map(|rule| rule.rollback.as_ref().map(specs::guard)).collect())
    }

    /// How clients are assigned to buckets.
    ///
    /// # Errors
    /// When the setting is not known. `python/rsgi/settings/shares.py` has checked it before.
    fn sharing(&self) -> Result<SharingSpec, StartupError> {
        let by = match self.share_by.split_once(':') {
            Some(("header", name)) => ShareBy::Header(name.to_owned()),
            Some(("cookie", name)) => ShareBy::Cookie(name.to_owned()),
            None if self.share_by == "client" => ShareBy::Address,
            None if self.share_by == "cookie" => ShareBy::OwnCookie,
            _ => {
                let message = format!("`--share-by {}` is not known", self.share_by);
                return Err(StartupError::new(message, "use `cookie`, `client`, `header:NAME` or `cookie:NAME`"));
            }
        };
        let testers = self.share_testers.as_deref();
        Ok(SharingSpec { by, testers: testers.map(|secret| Testers { secret: secret.into(), names: self.names() }) })
    }

    /// The names that testers can use: the names of the applications, and an interface if only one application has it.
    fn names(&self) -> Vec<(String, AppIndex)> {
        let named = self.apps.iter().enumerate().map(|(index, app)| (app.name.clone(), AppIndex(index)));
        let alone = |interface: InterfaceKind| {
            let mut of_it = self.apps.iter().enumerate().filter(|(_, app)| app.interface == interface);
            let (first, second) = (of_it.next(), of_it.next());
            first.filter(|_| second.is_none()).map(|(index, _)| (interface.word().to_owned(), AppIndex(index)))
        };
        named.chain(alone(InterfaceKind::Wsgi)).chain(alone(InterfaceKind::Asgi)).collect()
    }
}

impl From<RouteError> for StartupError {
    fn from(error: RouteError) -> Self {
        Self::new(error.to_string(), error.hint())
    }
}

impl ShadowSpec {
    /// The routing rule that matches its requests.
    pub fn rule(&self) -> RuleSpec {
        RuleSpec {
            methods: Some(self.methods.clone()),
            host: None,
            path: path_spec(self.kind, &self.path),
            fields: Vec::new(),
            scheme: None,
            websocket: Some(false),
            app: AppIndex(self.to),
            share: None,
            text: self.text.clone(),
            source: self.source.clone(),
        }
    }
}

fn path_spec(kind: PathKind, path: &str) -> PathSpec {
    match kind {
        PathKind::Prefix => PathSpec::Prefix(path.to_owned()),
        PathKind::Expression => PathSpec::Expression(path.to_owned()),
        PathKind::Template => PathSpec::Template(path.to_owned()),
    }
}
