//! Builds the WSGI `environ` of one request.
//!
//! The server's gateway and the bridge both use it. Only this file has names of CGI variables for requests.
//!
//! Spec: PEP 3333 "environ Variables" and "URL Reconstruction"; RFC 3875 4.1; RFC 9110 5.3 (repeated fields).

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::latin1::latin1;
use crate::request::fields::RequestFields;
use crate::request::memo::{Memo, Recalled, Texts};
use crate::request::repeated::{Repeated, make_room};
use crate::request::text::environ_field;
use crate::request::tls::TlsSession;
use crate::response::file_wrapper::FileWrapper;

/// A request as an application sees it. It borrows from the parsed request.
///
/// `script_name` and `path_info` are percent-decoded bytes. `target` is the request target as the client sent it.
#[derive(Debug)]
pub struct RequestView<'a> {
    /// `GET`, `POST`, …
    pub method: &'a str,
    /// The mount point, decoded. Empty at the root.
    pub script_name: Cow<'a, [u8]>,
    /// The path below the mount point, decoded.
    pub path_info: Cow<'a, [u8]>,
    /// What follows the `?`, not decoded.
    pub query: &'a [u8],
    /// The request target, not decoded.
    pub target: &'a [u8],
    /// `HTTP/1.1`.
    pub protocol: &'a str,
    /// `http` or `https`.
    pub scheme: &'a str,
    /// The TLS session, if the server itself speaks TLS.
    pub tls: Option<&'a TlsSession>,
    /// Address and port of the peer; `None` over a Unix socket.
    pub client: Option<(&'a str, u16)>,
    /// Address and port of the server; `None` over a Unix socket.
    pub server: Option<(&'a str, u16)>,
    /// Request header fields.
    pub fields: &'a RequestFields,
    /// The length of the body where it is known otherwise than from the header (a chunked body that was kept whole).
    pub content_length: Option<u64>,
    /// The request id.
    pub request_id: Option<&'a str>,
    /// What the application is told of itself and of the route, if it is.
    pub named: Option<NamedRoute<'a>>,
}

/// The application and the route of a request.
#[derive(Debug, Clone, Copy)]
pub struct NamedRoute<'a> {
    /// The name of the application.
    pub app: &'a str,
    /// The template of the route, where it is known.
    pub route: Option<&'a str>,
}

/// Whether several threads or processes may call the application at once (`wsgi.multithread`, `wsgi.multiprocess`).
#[derive(Clone, Copy, Debug)]
pub struct Concurrency {
    /// More than one thread of this process calls the application.
    pub multithread: bool,
    /// More than one process serves the application.
    pub multiprocess: bool,
}

/// An `environ` without a request. It is copied for each request.
///
/// It has a place for each key that every request has, and its table is larger than needed. Python copies such a table
/// at once, and does not have to enlarge it when the header variables are added. For most requests, the copy already
/// has the values that requests have in common.
#[derive(Debug)]
pub struct EnvironTemplate {
    base: Py<PyDict>,
    repeated: Arc<Repeated>,
}

/// The keys that every request has.
const ALWAYS: [&str; 12] = [
    "REQUEST_METHOD",
    "SCRIPT_NAME",
    "PATH_INFO",
    "QUERY_STRING",
    "RAW_URI",
    "REQUEST_URI",
    "SERVER_PROTOCOL",
    "wsgi.url_scheme",
    "wsgi.input",
    "REMOTE_ADDR",
    "SERVER_NAME",
    "SERVER_PORT",
];

/// This many more keys make Python use the next larger table, which has room for 18 header variables. (With a larger
/// table, there would be so many gaps that Python would copy key by key.)
const EXTRA: usize = 4;

/// Paths and targets of earlier requests.
static TEXTS: LazyLock<Texts> = LazyLock::new(Texts::default);

/// `REMOTE_ADDR` and `REMOTE_PORT` of earlier clients.
static CLIENTS: LazyLock<Memo<EnvironClient>> = LazyLock::new(Memo::default);

impl EnvironTemplate {
    /// Makes the template for one application.
    ///
    /// # Errors
    /// When `sys.stderr` cannot be read.
    pub fn new(py: Python<'_>, concurrency: Concurrency) -> PyResult<Self> {
        let base = PyDict::new(py);
        base.set_item("SERVER_SOFTWARE", concat!("rsgi/", env!("CARGO_PKG_VERSION")))?;
        base.set_item("wsgi.version", (1, 0))?;
        base.set_item("wsgi.errors", py.import("sys")?.getattr("stderr")?)?;
        base.set_item("wsgi.multithread", concurrency.multithread)?;
        base.set_item("wsgi.multiprocess", concurrency.multiprocess)?;
        base.set_item("wsgi.run_once", false)?;
        base.set_item("wsgi.input_terminated", true)?;
        base.set_item("wsgi.file_wrapper", py.get_type::<FileWrapper>())?;
        make_room(&base, &ALWAYS, EXTRA)?;
        base.set_item(intern!(py, "QUERY_STRING"), intern!(py, ""))?;
        base.set_item(intern!(py, "REMOTE_ADDR"), intern!(py, ""))?;
        Ok(Self { base: base.unbind(), repeated: Arc::default() })
    }

    /// Another reference to the same template.
    #[must_use]
    pub fn clone_ref(&self, py: Python<'_>) -> Self {
        Self { base: self.base.clone_ref(py), repeated: Arc::clone(&self.repeated) }
    }

    /// A new `environ` (a plain `dict`) for one request, including `wsgi.input`.
    ///
    /// # Errors
    /// When Python is out of memory.
    pub fn build<'py>(
        &self,
        py: Python<'py>,
        request: &RequestView<'_>,
        input: Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let environ = self.repeated.copy(py, request, None, || self.with_common(py, request))?;
        let path = TEXTS.latin1(py, &request.path_info)?;
        let target =
            if *request.path_info == *request.target { path.clone() } else { TEXTS.latin1(py, request.target)? };
        environ.set_item(intern!(py, "PATH_INFO"), path)?;
        if !request.query.is_empty() {
            environ.set_item(intern!(py, "QUERY_STRING"), latin1(py, request.query)?)?;
        }
        environ.set_item(intern!(py, "RAW_URI"), &target)?;
        environ.set_item(intern!(py, "REQUEST_URI"), target)?;
        environ.set_item(intern!(py, "wsgi.input"), input)?;
        if let Some(tls) = request.tls {
            tls.add_own(&environ)?;
        }
        if let Some(client) = request.client {
            set_client(&environ, client)?;
        }
        set_headers(py, &environ, request)?;
        if let Some(id) = request.request_id {
            environ.set_item(intern!(py, "rsgi.request_id"), id)?;
        }
        if let Some(NamedRoute { app, route }) = request.named {
            environ.set_item(intern!(py, "rsgi.app"), app)?;
            if let Some(route) = route {
                environ.set_item(intern!(py, "rsgi.route"), route)?;
            }
        }
        if let Some(length) = request.content_length {
            environ.set_item(intern!(py, "CONTENT_LENGTH"), length.to_string())?;
        }
        Ok(environ)
    }

    /// An `environ` with the values that a request has in common with others.
    fn with_common<'py>(&self, py: Python<'py>, request: &RequestView<'_>) -> PyResult<Bound<'py, PyDict>> {
        let environ = self.base.bind(py).copy()?;
        environ.set_item(intern!(py, "REQUEST_METHOD"), PyString::intern(py, request.method))?;
        environ.set_item(intern!(py, "SCRIPT_NAME"), latin1(py, &request.script_name)?)?;
        environ.set_item(intern!(py, "SERVER_PROTOCOL"), PyString::intern(py, request.protocol))?;
        environ.set_item(intern!(py, "wsgi.url_scheme"), PyString::intern(py, request.scheme))?;
        if request.scheme == "https" {
            environ.set_item(intern!(py, "HTTPS"), intern!(py, "on"))?;
        }
        if let Some(tls) = request.tls {
            tls.add_common(&environ)?;
        }
        // A Unix socket has no address, but PEP 3333 requires that neither value is empty.
        let (name, port) = request.server.unwrap_or(("localhost", 80));
        environ.set_item(intern!(py, "SERVER_NAME"), name)?;
        environ.set_item(intern!(py, "SERVER_PORT"), port.to_string())?;
        Ok(environ)
    }
}

/// The client of a connection, as values of an `environ`.
struct EnvironClient {
    address: Box<str>,
    port: u16,
    texts: (Py<PyString>, Py<PyString>),
}

fn set_client(environ: &Bound<'_, PyDict>, (address, port): (&str, u16)) -> PyResult<()> {
    let py = environ.py();
    let known = |client: &EnvironClient| {
        let (kept_address, kept_port) = &client.texts;
        (client.port == port && *client.address == *address)
            .then(|| (kept_address.bind(py).clone(), kept_port.bind(py).clone()))
    };
    let (remote_address, remote_port) = match CLIENTS.recall(py, [address.as_bytes(), &port.to_be_bytes()], known) {
        Recalled::Kept(texts) => texts,
        Recalled::New(number) => {
            let mut digits = itoa::Buffer::new();
            let texts = (latin1(py, address.as_bytes())?, latin1(py, digits.format(port).as_bytes())?);
            if let Some(number) = number {
                let texts = (texts.0.clone().unbind(), texts.1.clone().unbind());
                CLIENTS.keep(py, number, EnvironClient { address: address.into(), port, texts });
            }
            texts
        }
    };
    environ.set_item(intern!(py, "REMOTE_ADDR"), remote_address)?;
    environ.set_item(intern!(py, "REMOTE_PORT"), remote_port)
}

/// Sets the header variables.
fn set_headers(py: Python<'_>, environ: &Bound<'_, PyDict>, request: &RequestView<'_>) -> PyResult<()> {
    // A chunked body that was read as a whole is not chunked any more.
    let kept_whole = request.content_length.is_some();
    for (name, value) in request.fields.joined(|_| true) {
        if kept_whole && name == b"transfer-encoding" {
            continue;
        }
        if let Some((key, value)) = environ_field(py, name, &value)? {
            environ.set_item(key, value)?;
        }
    }
    Ok(())
}
