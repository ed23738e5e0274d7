//! The Python interface of the router: which application would answer a request, and what decides it, without a server.
//!
//! The server asks the same router. `rsgi explain` and `rsgi check` bind no address.
//!
//! Spec: PEP 3333 (`SCRIPT_NAME`, `PATH_INFO`), ASGI HTTP 2.5 (`root_path`); `docs/architecture.md`, "Who answers".

use http::{HeaderName, HeaderValue, Method, Uri};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use rsgi_bridge::request::fields::RequestFields;
use rsgi_bridge::request::text::percent_decode;

use crate::config::plan::{Plan, StaticSpec};
use crate::response::static_files;
use crate::route::{BUCKETS, CheckedShare, Decided, Decision, Lot, Reason, RouteRequest, Router, Scheme};

/// The router of one plan.
#[pyclass(frozen, name = "Router", module = "rsgi._rsgi")]
#[derive(Debug)]
pub struct PlanRouter {
    router: Router,
    static_folders: Vec<StaticSpec>,
}

/// Which application would answer a request, and what decides it.
#[pyclass(frozen, get_all, module = "rsgi._rsgi")]
#[derive(Debug)]
pub struct Explanation {
    /// What decides: `rule`, `mount`, `table`, `probe`, `websocket`, `only` or `none`.
    kind: &'static str,
    /// The index in the plan of the rule, the application (of a prefix) or the route that decides.
    index: Option<usize>,
    /// The text of the rule, the prefix, or the path of the route.
    detail: Option<String>,
    /// The decision in words.
    reason: String,
    /// The index of the application that answers.
    app: Option<usize>,
    /// The index of the application that answers if the first has no such route.
    then: Option<usize>,
    /// The part of the path that is the mount, decoded.
    script_name: String,
    /// The rest of the path, decoded.
    path_info: String,
    /// The index of the first rule whose share was checked; `None` if none was.
    share_rule: Option<usize>,
    /// The source of the bucket: `cookie`, `hash`, `tester`, `drawn` (no bucket yet) or `unknown` (no bucket).
    share_lot: Option<&'static str>,
    /// The client's bucket, if it has one.
    bucket: Option<u16>,
}

#[pymethods]
impl PlanRouter {
    #[new]
    fn new(plan: Plan) -> PyResult<Self> {
        Ok(Self { router: plan.router()?, static_folders: plan.static_folders })
    }

    /// The index in the plan of the folder of static files that serves `url`; `None` if there is none.
    ///
    /// Raises `ValueError` if `url` is not valid.
    fn static_folder(&self, url: &str) -> PyResult<Option<usize>> {
        let uri: Uri = url.parse().map_err(|error| PyValueError::new_err(format!("{url}: {error}")))?;
        Ok(static_files::place_of(&self.static_folders, uri.path()))
    }

    /// Returns which application would answer. `url` is a path, or absolute; its query does not count. `client` is the
    /// client's address. A client without a bucket counts as in bucket 9999.
    ///
    /// Raises `ValueError` if a request cannot have this method or URL.
    #[pyo3(signature = (method, url, headers = Vec::new(), websocket = false, client = None))]
    fn explain(
        &self,
        method: &str,
        url: &str,
        headers: Vec<(String, String)>,
        websocket: bool,
        client: Option<&str>,
    ) -> PyResult<Explanation> {
        let wrong = |what: &str, why: String| PyValueError::new_err(format!("{what}: {why}"));
        let method = Method::from_bytes(method.as_bytes()).map_err(|error| wrong(method, error.to_string()))?;
        let uri: Uri = url.parse().map_err(|error: http::uri::InvalidUri| wrong(url, error.to_string()))?;
        let fields = fields(headers).map_err(|error| wrong("headers", error))?;
        let preflight = method == Method::OPTIONS && fields.contains("origin");
        let request = RouteRequest {
            method: method.as_str(),
            raw_path: uri.path(),
            host: uri.authority().map(|authority| authority.as_str().as_bytes()).or_else(|| fields.get("host")),
            websocket,
            preflight_method: fields.text("access-control-request-method").filter(|_| preflight),
            scheme: if matches!(uri.scheme_str(), Some("https" | "wss")) { Scheme::Https } else { Scheme::Http },
            fields: &fields,
            client,
            random: || BUCKETS - 1,
        };
        Ok(Explanation::new(self.router.decide(&request), &self.router, uri.path()))
    }
}

fn fields(headers: Vec<(String, String)>) -> Result<RequestFields, String> {
    let mut fields = RequestFields::default();
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| format!("{name:?}: {error}"))?;
        let value = HeaderValue::from_str(&value).map_err(|error| format!("{value:?}: {error}"))?;
        fields.append(name.as_str(), value.as_bytes());
    }
    Ok(fields)
}

impl Explanation {
    fn new(made: Decided, router: &Router, raw_path: &str) -> Self {
        let Decided { decision, reason, share, .. } = made;
        let (kind, index) = match reason {
            Reason::Rule(index) => ("rule", Some(index)),
            Reason::Mount(index) => ("mount", Some(index)),
            Reason::Table(index) | Reason::WsgiTable(index) => ("table", Some(index)),
            Reason::TableRefusal(_) | Reason::TableMiss => ("table", None),
            Reason::Probe => ("probe", None),
            Reason::OnlyApp => ("only", None),
            Reason::WebSocketOnly => ("websocket", None),
            Reason::NoWebSocket | Reason::NotFound => ("none", None),
        };
        let (app, then, root) = match decision {
            Decision::App { app, root } => (Some(app.0), None, root),
            Decision::Probe { first, then, .. } => (Some(first.0), Some(then.0), 0),
            Decision::NotFound => (None, None, 0),
        };
        let (root, path) = raw_path.split_at_checked(root).unwrap_or(("", raw_path));
        let decoded = |raw: &str| String::from_utf8_lossy(&percent_decode(raw.as_bytes())).into_owned();
        Self {
            kind,
            index,
            detail: router.name_of(reason).map(str::to_owned),
            reason: router.describe(reason),
            app,
            then,
            script_name: decoded(root),
            path_info: decoded(path),
            share_rule: share.map(|shared| shared.rule),
            share_lot: share.map(|shared| lot(shared.lot)),
            bucket: share.and_then(bucket),
        }
    }
}

fn lot(lot: Lot) -> &'static str {
    match lot {
        Lot::Brought(_) => "cookie",
        Lot::Drawn(_) => "drawn",
        Lot::Hashed(_) => "hash",
        Lot::Unknown => "unknown",
        Lot::Wished(_) => "tester",
    }
}

fn bucket(shared: CheckedShare) -> Option<u16> {
    match shared.lot {
        Lot::Brought(bucket) | Lot::Hashed(bucket) => Some(bucket),
        Lot::Drawn(_) | Lot::Unknown | Lot::Wished(_) => None,
    }
}
