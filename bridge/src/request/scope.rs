//! Builds the ASGI connection scope of one request or WebSocket.
//!
//! The scopes of HTTP and WebSocket have nearly everything in common.
//!
//! Spec: ASGI HTTP & WebSocket 2.5 "Connection Scope"; RFC 9113 8.2.3 (cookies are joined).

use std::sync::LazyLock;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};

use crate::request::environ::{NamedRoute, RequestView};
use crate::request::fields::RequestFields;
use crate::request::memo::{Memo, Octets, Recalled, Texts};
use crate::request::repeated::{Repeated, make_room};
use crate::request::text::scope_field;

/// The version of the HTTP and WebSocket message format that the gateways speak.
pub const SPEC_VERSION: &str = "2.5";

/// The part of a scope that is the same for every connection of one application.
#[derive(Debug)]
pub struct ScopeTemplate {
    http: Py<PyDict>,
    websocket: Py<PyDict>,
    /// The values that HTTP requests have in common.
    requests: Repeated,
    /// The values that WebSockets have in common.
    websockets: Repeated,
    /// The value of `asgi`. Each scope gets a copy, because middleware may write into it.
    versions: Py<PyDict>,
}

/// The keys that every scope has. The template has places for them, so that its copies need not be enlarged.
const ALWAYS: [&str; 9] =
    ["http_version", "scheme", "path", "raw_path", "root_path", "query_string", "headers", "client", "server"];

/// Which extensions are offered to an HTTP application. They change which messages it may send.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is another extension; any of them may be offered")]
pub struct Extensions {
    /// `http.response.pathsend`
    pub path_send: bool,
    /// `http.response.zerocopysend`
    pub zero_copy_send: bool,
    /// `http.response.trailers`
    pub trailers: bool,
    /// `http.response.early_hint`
    pub early_hint: bool,
}

impl Extensions {
    /// The value of `extensions`. It shares nothing with other scopes.
    fn offered(self, py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
        let extensions = PyDict::new(py);
        for (offered, name) in [
            (self.path_send, intern!(py, "http.response.pathsend")),
            (self.zero_copy_send, intern!(py, "http.response.zerocopysend")),
            (self.trailers, intern!(py, "http.response.trailers")),
            (self.early_hint, intern!(py, "http.response.early_hint")),
        ] {
            if offered {
                extensions.set_item(name, PyDict::new(py))?;
            }
        }
        Ok(extensions)
    }
}

/// Which kind of scope to build.
#[derive(Clone, Copy, Debug)]
pub enum ScopeKind<'a> {
    /// One HTTP request.
    Http {
        /// The offered extensions.
        extensions: Extensions,
    },
    /// One WebSocket.
    WebSocket {
        /// The subprotocols that the client offers, in the client's order.
        subprotocols: &'a [String],
    },
}

/// The path of a Unix socket, which a scope has in the place of an address.
#[derive(Clone, Copy, Debug)]
pub struct UnixPath<'a>(pub &'a str);

impl ScopeTemplate {
    /// Makes the template.
    ///
    /// # Errors
    /// When Python is out of memory.
    pub fn new(py: Python<'_>) -> PyResult<Self> {
        let versions = PyDict::new(py);
        versions.set_item("version", "3.0")?;
        versions.set_item("spec_version", SPEC_VERSION)?;
        let http = PyDict::new(py);
        http.set_item("type", "http")?;
        http.set_item("asgi", py.None())?;
        make_room(&http, &ALWAYS, 0)?;
        let websocket = http.copy()?;
        websocket.set_item("type", "websocket")?;
        make_room(&http, &["method", "extensions"], 1)?;
        make_room(&websocket, &["subprotocols"], 1)?;
        Ok(Self {
            http: http.unbind(),
            websocket: websocket.unbind(),
            requests: Repeated::default(),
            websockets: Repeated::default(),
            versions: versions.unbind(),
        })
    }

    /// A new scope. `state` is the lifespan state of the application. Each request gets a shallow copy of it.
    ///
    /// # Errors
    /// When Python is out of memory.
    pub fn build<'py>(
        &self,
        py: Python<'py>,
        kind: ScopeKind<'_>,
        request: &RequestView<'_>,
        raw_path: &[u8],
        unix: Option<UnixPath<'_>>,
        state: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let (base, repeated) = match kind {
            ScopeKind::Http { .. } => (&self.http, &self.requests),
            ScopeKind::WebSocket { .. } => (&self.websocket, &self.websockets),
        };
        let scope = repeated.copy(py, request, unix, || with_common(base.bind(py), kind, request, unix))?;
        scope.set_item(intern!(py, "asgi"), self.versions.bind(py).copy()?)?;
        match kind {
            ScopeKind::Http { extensions } => {
                scope.set_item(intern!(py, "extensions"), extensions.offered(py)?)?;
            }
            ScopeKind::WebSocket { subprotocols } => {
                scope.set_item(intern!(py, "subprotocols"), PyList::new(py, subprotocols)?)?;
            }
        }
        set_path(py, &scope, request, raw_path)?;
        if !request.query.is_empty() {
            scope.set_item(intern!(py, "query_string"), PyBytes::new(py, request.query))?;
        }
        scope.set_item(intern!(py, "headers"), header_list(py, request.fields)?)?;
        if let Some(client) = request.client {
            scope.set_item(intern!(py, "client"), client_pair(py, client)?)?;
        }
        if let Some(tls) = request.tls {
            add_extension(&scope, "tls", &tls.extension(py)?)?;
        }
        if let Some(NamedRoute { app, route }) = request.named {
            let named = PyDict::new(py);
            named.set_item(intern!(py, "app"), app)?;
            named.set_item(intern!(py, "route"), route)?;
            add_extension(&scope, "rsgi", &named)?;
        }
        if let Some(state) = state {
            scope.set_item(intern!(py, "state"), state.copy()?)?;
        }
        Ok(scope)
    }
}

/// A scope with the values that a request has in common with others.
fn with_common<'py>(
    base: &Bound<'py, PyDict>,
    kind: ScopeKind<'_>,
    request: &RequestView<'_>,
    unix: Option<UnixPath<'_>>,
) -> PyResult<Bound<'py, PyDict>> {
    let (py, scope) = (base.py(), base.copy()?);
    if matches!(kind, ScopeKind::Http { .. }) {
        scope.set_item(intern!(py, "method"), PyString::intern(py, request.method))?;
    }
    let version = request.protocol.strip_prefix("HTTP/").unwrap_or(request.protocol);
    scope.set_item(intern!(py, "http_version"), PyString::intern(py, version))?;
    scope.set_item(intern!(py, "scheme"), PyString::intern(py, request.scheme))?;
    scope.set_item(intern!(py, "root_path"), &*String::from_utf8_lossy(&request.script_name))?;
    scope.set_item(intern!(py, "query_string"), PyBytes::new(py, b""))?;
    match (unix, request.server) {
        (Some(UnixPath(path)), _) => scope.set_item(intern!(py, "server"), (path, py.None()))?,
        (None, Some(server)) => scope.set_item(intern!(py, "server"), server)?,
        (None, None) => {}
    }
    Ok(scope)
}

/// Paths of earlier requests.
static TEXTS: LazyLock<Texts> = LazyLock::new(Texts::default);

/// Raw paths of earlier requests.
static OCTETS: LazyLock<Octets> = LazyLock::new(Octets::default);

/// Earlier clients.
static CLIENTS: LazyLock<Memo<ScopeClient>> = LazyLock::new(Memo::default);

/// The client of a connection, as a value of a scope.
struct ScopeClient {
    address: Box<str>,
    port: u16,
    pair: Py<PyTuple>,
}

fn client_pair<'py>(py: Python<'py>, (address, port): (&str, u16)) -> PyResult<Bound<'py, PyTuple>> {
    let known = |client: &ScopeClient| {
        (client.port == port && *client.address == *address).then(|| client.pair.bind(py).clone())
    };
    match CLIENTS.recall(py, [address.as_bytes(), &port.to_be_bytes()], known) {
        Recalled::Kept(pair) => Ok(pair),
        Recalled::New(number) => {
            let pair = (address, port).into_pyobject(py)?;
            if let Some(number) = number {
                CLIENTS.keep(py, number, ScopeClient { address: address.into(), port, pair: pair.clone().unbind() });
            }
            Ok(pair)
        }
    }
}

/// Adds an extension to the `extensions` of a scope.
fn add_extension(scope: &Bound<'_, PyDict>, name: &str, extension: &Bound<'_, PyDict>) -> PyResult<()> {
    let py = scope.py();
    let extensions = match scope.get_item(intern!(py, "extensions"))? {
        Some(extensions) => extensions.cast_into::<PyDict>()?,
        None => PyDict::new(py),
    };
    extensions.set_item(name, extension)?;
    scope.set_item(intern!(py, "extensions"), extensions)
}

/// Sets `path`, which includes `root_path` (since version 2.4 of the specification).
fn set_path(py: Python<'_>, scope: &Bound<'_, PyDict>, request: &RequestView<'_>, raw_path: &[u8]) -> PyResult<()> {
    let path = if request.script_name.is_empty() {
        TEXTS.utf8(py, &request.path_info)?
    } else {
        let mut whole = request.script_name.to_vec();
        whole.extend_from_slice(&request.path_info);
        TEXTS.utf8(py, &whole)?
    };
    scope.set_item(intern!(py, "path"), path)?;
    scope.set_item(intern!(py, "raw_path"), OCTETS.get(py, raw_path))
}

/// `list[tuple[bytes, bytes]]`, names lower-case, order and repeats kept, cookies joined.
fn header_list<'py>(py: Python<'py>, fields: &RequestFields) -> PyResult<Bound<'py, PyList>> {
    let mut list = Vec::with_capacity(fields.len());
    for (name, value) in fields.joined(|name| name == b"cookie") {
        list.extend(scope_field(py, name, &value)?);
    }
    PyList::new(py, list)
}
