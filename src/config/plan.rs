//! The plan, read once from Python: the applications, and who serves what.
//!
//! Kept apart from the settings because it is made by `python/rsgi/routing/planning.py` from what the applications are, and from
//! the router, which knows no Python.

use pyo3::prelude::*;
use rsgi_bridge::host::wsgi_to_asgi::WsgiBridge;

use crate::config::choice::{Choice, InterfaceKind, ModeKind, PathKind, PlaceKind, RequestKind, SchemeKind, TestKind};
use crate::config::settings::Seconds;
use crate::config::startup_error::StartupError;
use crate::rollback::{Advance, Guard, Hook};
use crate::route::{
    AppIndex, FieldPlace, FieldSpec, FieldTest, Interface, Mode, MountSpec, PathSpec, Percent, RouteError, RouteKind,
    RouteSpec, Router, RuleSpec, Scheme, ShareBy, SharingSpec, Testers,
};

/// A router notes the shares that it checks in one number, with a bit for each rule.
const MOST_WATCHED: usize = 64;

/// One application of the plan.
#[derive(Debug, FromPyObject)]
pub struct AppSpec {
    /// Its target, such as `old:app`.
    pub name: String,
    /// How it is called.
    pub interface: InterfaceKind,
    /// Its mount point; empty without one.
    pub prefix: String,
    /// The callable.
    pub application: Py<PyAny>,
    /// The WSGI application within, when it is a `rsgi.WsgiToAsgi`: it is called without the detour.
    pub bridge: Option<Py<WsgiBridge>>,
    /// How many requests it may have at a time.
    pub limit_concurrency: Option<usize>,
    /// How long it may take until its answer begins.
    pub request_timeout: Option<Seconds>,
    /// How many WSGI threads it has for itself.
    pub own_threads: Option<usize>,
}

/// One folder of static files.
#[derive(Debug, FromPyObject)]
pub struct StaticSpec {
    /// Where it is served; empty for the whole site.
    pub prefix: String,
    /// Where it is.
    pub dir: String,
    /// What `Cache-Control` says.
    pub cache_control: Option<String>,
    /// Whether files with a hash in their name are told to never change.
    pub immutable: bool,
    /// Whether what is no file there is for the applications.
    pub fallback_to_app: bool,
    /// Whether links may lead out of it.
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
    /// The place of the application that gets the requests too.
    pub to: usize,
    /// How many of 10,000 requests are sent.
    pub sample: u16,
    /// How many of 10,000 of those the first application gets again.
    pub repeat: u16,
    text: String,
    source: String,
    /// What results are grouped by.
    pub label: String,
    /// The rule as Python made it.
    pub parsed: Py<PyAny>,
}

/// Who serves what.
#[derive(Debug, FromPyObject)]
pub struct Plan {
    /// The applications; rules name them by their place.
    pub apps: Vec<AppSpec>,
    /// The folders of static files, which come before all applications.
    pub static_folders: Vec<StaticSpec>,
    rules: Vec<PlanRule>,
    mode: ModeKind,
    table: Vec<Route>,
    wsgi_table: Option<Vec<Route>>,
    /// The routes of each application, for metrics; `None` where they are not known. Empty without an admin listener.
    app_routes: Vec<Option<Vec<Route>>>,
    share_by: String,
    share_testers: Option<String>,
    /// The requests that a second application gets too.
    pub shadow: Vec<ShadowSpec>,
}

impl AppSpec {
    /// Whether it is called synchronously.
    pub fn is_wsgi(&self) -> bool {
        self.interface == InterfaceKind::Wsgi
    }
}

impl Plan {
    /// Whether an answer of the ASGI application without a prefix may have to be held back: it is asked first, be it for some
    /// of its routes only.
    pub fn probes(&self) -> bool {
        self.mode == ModeKind::Probe || self.table.iter().any(|route| route.falls_through)
    }

    /// The router of the plan.
    ///
    /// # Errors
    /// When rules or routes contradict the applications.
    pub fn router(&self) -> Result<Router, StartupError> {
        let rules: Vec<RuleSpec> = self.rules.iter().map(rule).collect();
        let sharing = self.sharing()?;
        let own: Vec<_> =
            self.app_routes.iter().map(|routes| Some(routes.as_ref()?.iter().map(route).collect())).collect();
        let mounts = self.mounts();
        let router = Router::new(&mounts, &rules, &self.mode()).and_then(|router| router.sharing(&sharing));
        let router = router.map(|router| router.with_own_routes(&mounts, &own));
        router.map_err(StartupError::from)
    }

    /// Where the applications are.
    pub fn mounts(&self) -> Vec<MountSpec> {
        self.apps.iter().enumerate().map(mount).collect()
    }

    /// How the applications without a prefix share the rest.
    pub fn mode(&self) -> Mode {
        let mode = match self.mode {
            ModeKind::Table => Mode::Table(self.table.iter().map(route).collect()),
            ModeKind::Probe => Mode::Probe,
            ModeKind::WebSocket => Mode::WebSocketOnly,
            ModeKind::Mounts => Mode::Mounts,
        };
        match &self.wsgi_table {
            Some(routes) => Mode::WsgiFirst { routes: routes.iter().map(route).collect(), then: Box::new(mode) },
            None => mode,
        }
    }

    /// What watches the share of each rule, if anything does. `is_shown` says whether there is an admin listener.
    ///
    /// # Errors
    /// When there is none, or a watched rule is too far down.
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
        Ok(self.rules.iter().map(|rule| rule.rollback.as_ref().map(guard)).collect())
    }

    /// Where buckets come from.
    ///
    /// # Errors
    /// When the setting names nothing that is known. `python/rsgi/settings/shares.py` should have seen that.
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

    /// The names that testers can use: the names of the applications, and the interface if there is one application of it.
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
    /// The rule that finds its requests.
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

fn mount((index, app): (usize, &AppSpec)) -> MountSpec {
    let interface = if app.is_wsgi() { Interface::Wsgi } else { Interface::Asgi };
    MountSpec { app: AppIndex(index), interface, prefix: app.prefix.clone() }
}

fn rule(rule: &PlanRule) -> RuleSpec {
    RuleSpec {
        methods: rule.methods.clone(),
        host: rule.host.clone(),
        path: path_spec(rule.kind, &rule.path),
        fields: rule.fields.iter().map(field).collect(),
        scheme: rule.scheme.map(scheme),
        websocket: rule.websocket,
        app: AppIndex(rule.app),
        share: rule.share.map(Percent::of_buckets),
        text: rule.text.clone(),
        source: rule.source.clone(),
    }
}

fn guard(rollback: &Rollback) -> Guard {
    let command = rollback.command.clone().map(Hook::Command);
    Guard {
        window: rollback.window.0,
        minimum: rollback.minimum,
        failures: rollback.failures,
        p99: rollback.p99,
        hook: command.or_else(|| rollback.url.clone().map(Hook::Url)),
        advance: rollback.advance.as_ref().map(|own| Advance { steps: own.steps.clone(), after: own.after.0 }),
    }
}

fn scheme(kind: SchemeKind) -> Scheme {
    match kind {
        SchemeKind::Http => Scheme::Http,
        SchemeKind::Https => Scheme::Https,
    }
}

fn field(field: &PlanField) -> FieldSpec {
    let test = match field.test {
        TestKind::Present => FieldTest::Present,
        TestKind::Absent => FieldTest::Absent,
        TestKind::Expression => FieldTest::Matches(field.value.clone()),
        TestKind::Equals => FieldTest::Equals(field.value.clone()),
    };
    let place = match field.place {
        PlaceKind::Header => FieldPlace::Header,
        PlaceKind::Cookie => FieldPlace::Cookie,
    };
    FieldSpec { place, name: field.name.clone(), test }
}

fn route(route: &Route) -> RouteSpec {
    let kind = match route.kind {
        RequestKind::Http => RouteKind::Http,
        RequestKind::WebSocket => RouteKind::WebSocket,
        RequestKind::Any => RouteKind::Any,
    };
    RouteSpec {
        kind,
        methods: route.methods.clone(),
        host: route.host.clone(),
        path: route.path.clone(),
        falls_through: route.falls_through,
        refuses: route.refuses,
    }
}
