//! Reads from an ASGI HTTP scope what `environ` needs, and checks it.
//!
//! A scope may come from any server and through any middleware. Optional keys may be missing, names may have any letter
//! case, and `path` may or may not contain `root_path`.
//!
//! Spec: ASGI HTTP 2.5 "HTTP Connection Scope"; PEP 3333 "environ Variables"; RFC 9110 8.6, 10.1.1.

use std::collections::HashMap;
use std::sync::Mutex;

use http::header::{HeaderName, HeaderValue};
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};

use crate::error::short;
use crate::log::LogContext;
use crate::request::environ::{Concurrency, EnvironTemplate, RequestView};
use crate::request::fields::RequestFields;
use crate::request::input::Input;
use crate::request::source::BodySource;
use crate::request::text::percent_decode;

/// The longest declared body that is read before the call, in bytes. So it need not go through a pipe.
const SMALL_BODY: u64 = 64 * 1024;

/// More header fields are refused: no server lets so many through.
const MOST_FIELDS: usize = 32 * 1024;

/// The part of a scope that `environ` needs.
#[derive(Debug)]
pub struct ScopeRequest {
    /// `GET`, `POST`, …
    pub method: String,
    script_name: Vec<u8>,
    /// The decoded path below the mount point.
    pub path_info: Vec<u8>,
    query: Vec<u8>,
    target: Vec<u8>,
    protocol: String,
    scheme: String,
    client: Option<(String, u16)>,
    server: Option<(String, u16)>,
    /// The header fields without `Transfer-Encoding`, which concerns only the host and its client.
    pub fields: RequestFields,
    /// The declared length of the body, in bytes, or why it is invalid.
    pub declared: Result<Option<u64>, String>,
    /// Whether the client sent the body in chunks.
    pub chunked: bool,
}

impl ScopeRequest {
    /// Reads an HTTP scope.
    ///
    /// # Errors
    /// `ValueError` and `TypeError` if the host or a middleware put something invalid into it.
    pub fn read(scope: &Bound<'_, PyDict>) -> PyResult<Self> {
        let py = scope.py();
        let text = |key: &Bound<'_, PyString>, default: &str| -> PyResult<String> {
            scope.get_item(key)?.map_or_else(|| Ok(default.to_owned()), |value| value.extract())
        };
        let bytes = |key: &Bound<'_, PyString>| -> PyResult<Option<Vec<u8>>> {
            let value = scope.get_item(key)?.filter(|value| !value.is_none());
            value.map(|value| Ok(value.cast::<PyBytes>()?.as_bytes().to_vec())).transpose()
        };
        let path = text(intern!(py, "path"), "/")?;
        let root = text(intern!(py, "root_path"), "")?;
        let raw_path = bytes(intern!(py, "raw_path"))?;
        let query = bytes(intern!(py, "query_string"))?.unwrap_or_default();
        let decoded = decoded_path(&path, raw_path.as_deref());
        let (script_name, path_info) = split_root(root.trim_end_matches('/').as_bytes(), decoded);
        let mut target = raw_path.unwrap_or_else(|| path.into_bytes());
        if !query.is_empty() {
            target.push(b'?');
            target.extend_from_slice(&query);
        }
        let (fields, chunked) = fields_of(scope)?;
        Ok(Self {
            method: text(intern!(py, "method"), "GET")?,
            script_name,
            path_info,
            query,
            target,
            protocol: format!("HTTP/{}", text(intern!(py, "http_version"), "1.1")?),
            scheme: text(intern!(py, "scheme"), "http")?,
            client: address(scope, intern!(py, "client"))?,
            server: address(scope, intern!(py, "server"))?,
            declared: declared_length(&fields),
            fields,
            chunked,
        })
    }

    /// Whether the client waits for `100 Continue` before it sends the body.
    pub fn expects_continue(&self) -> bool {
        self.fields.get("expect").is_some_and(|value| value.eq_ignore_ascii_case(b"100-continue"))
    }

    /// How many times the most frequent header field occurs. `Cookie` is not counted, because HTTP/2 may divide it.
    pub fn most_repeats(&self) -> usize {
        if !self.fields.has_repeats() {
            return usize::from(!self.fields.is_empty());
        }
        let mut counts = HashMap::new();
        for (name, _) in self.fields.iter().filter(|(name, _)| *name != b"cookie") {
            *counts.entry(name).or_insert(0) += 1;
        }
        counts.into_values().max().unwrap_or(0)
    }

    /// The request for logs. `target` is [`ScopeRequest::target`] as text.
    pub fn log_context<'a>(&'a self, app: &'a str, target: &'a str) -> LogContext<'a> {
        // If the host gives requests an id, that id is in the host's own logs.
        LogContext {
            app,
            method: &self.method,
            target,
            protocol: &self.protocol,
            client: self.client(),
            request_id: None,
            trace_id: None,
            shadow: false,
        }
    }

    /// The path, and the query if there is one.
    pub fn target(&self) -> &[u8] {
        &self.target
    }

    fn client(&self) -> Option<(&str, u16)> {
        self.client.as_ref().map(|(address, port)| (address.as_str(), *port))
    }

    /// The request for `environ`. `content_length` is the length of the body if it is not in a header field.
    pub fn view(&self, content_length: Option<u64>) -> RequestView<'_> {
        RequestView {
            method: &self.method,
            script_name: self.script_name.as_slice().into(),
            path_info: self.path_info.as_slice().into(),
            query: &self.query,
            target: &self.target,
            protocol: &self.protocol,
            scheme: &self.scheme,
            tls: None,
            client: self.client(),
            server: self.server.as_ref().map(|(address, port)| (address.as_str(), *port)),
            fields: &self.fields,
            content_length,
            request_id: None,
            named: None,
        }
    }
}

/// The path as bytes. It is taken from `raw_path`, which may have bytes that are not UTF-8, unless a middleware has
/// changed only `path`.
fn decoded_path(path: &str, raw_path: Option<&[u8]>) -> Vec<u8> {
    if let Some(raw_path) = raw_path {
        let decoded = percent_decode(raw_path);
        if String::from_utf8_lossy(&decoded) == path {
            return decoded.into_owned();
        }
    }
    path.as_bytes().to_vec()
}

/// Splits a path after `root`, if a segment ends there. If the path does not begin with `root`, `PATH_INFO` is the
/// whole path.
fn split_root(root: &[u8], path: Vec<u8>) -> (Vec<u8>, Vec<u8>) {
    let path_info = match path.strip_prefix(root) {
        Some(rest) if rest.is_empty() || rest.starts_with(b"/") => rest.to_vec(),
        _ => path,
    };
    (root.to_vec(), path_info)
}

fn address(scope: &Bound<'_, PyDict>, key: &Bound<'_, PyString>) -> PyResult<Option<(String, u16)>> {
    let Some(pair) = scope.get_item(key)?.filter(|pair| !pair.is_none()) else { return Ok(None) };
    let port = pair.get_item(1)?;
    if port.is_none() {
        return Ok(None);
    }
    // Some servers pass the port as text.
    let port = port.extract::<u16>().or_else(|_| {
        let text = port.extract::<String>()?;
        text.parse::<u16>().map_err(|_| PyValueError::new_err(format!("the port in {key} is not a number: {text}")))
    })?;
    Ok(Some((pair.get_item(0)?.extract()?, port)))
}

/// The length in `Content-Length`. If the field is repeated, all values must be equal.
fn declared_length(fields: &RequestFields) -> Result<Option<u64>, String> {
    let mut declared = None;
    for value in fields.all("content-length") {
        let digits = std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let length = digits.and_then(|text| text.parse::<u64>().ok());
        match length {
            Some(length) if declared.is_none_or(|earlier| earlier == length) => declared = Some(length),
            _ => return Err(format!("wrong Content-Length \"{}\"", value.escape_ascii())),
        }
    }
    Ok(declared)
}

/// The header fields, and whether the body comes in chunks.
fn fields_of(scope: &Bound<'_, PyDict>) -> PyResult<(RequestFields, bool)> {
    let (mut fields, mut chunked) = (RequestFields::default(), false);
    let pairs = scope.get_item(intern!(scope.py(), "headers"))?;
    for pair in pairs.map(|pairs| pairs.try_iter()).transpose()?.into_iter().flatten() {
        let pair = pair?;
        let (name, value) = (pair.get_item(0)?, pair.get_item(1)?);
        let field = HeaderName::from_bytes(name.cast::<PyBytes>()?.as_bytes());
        let content = HeaderValue::from_bytes(value.cast::<PyBytes>()?.as_bytes());
        let (Ok(field), Ok(content)) = (field, content) else {
            return Err(PyValueError::new_err(format!("not a header: {}", short(&pair))));
        };
        let (field, content) = (field.as_str(), content.as_bytes());
        if field == "transfer-encoding" {
            chunked = true;
        } else if field != "content-length" || fields.get(field) != Some(content) {
            if fields.len() >= MOST_FIELDS {
                return Err(PyValueError::new_err("the request has too many headers"));
            }
            fields.append(field, content);
        }
    }
    Ok((fields, chunked))
}

/// A request that was read from its scope.
#[pyclass(frozen, module = "rsgi._rsgi")]
#[derive(Debug)]
pub struct BridgeRequest {
    /// `None` after the call has taken it.
    pub read: Mutex<Option<(ScopeRequest, Py<PyDict>)>>,
    /// Status and reason, if the request must not reach the application.
    #[pyo3(get)]
    refusal: Option<(u16, String)>,
    /// The declared length of the body, in bytes.
    pub declared: Option<u64>,
    /// Whether the client sent the body in chunks.
    pub chunked: bool,
    expects_continue: bool,
    /// Whether the host supports `http.response.pathsend`.
    pub sends_files: bool,
}

#[pymethods]
impl BridgeRequest {
    /// Whether the application gets the body while it arrives: it is long, or the client waits for `100 Continue`.
    #[getter]
    fn streams(&self) -> bool {
        self.expects_continue || self.declared.is_some_and(|length| length > SMALL_BODY)
    }

    /// Whether `receive` must not be called before the application reads.
    #[getter]
    fn expects_continue(&self) -> bool {
        self.expects_continue
    }

    /// Whether the length of the body is known.
    #[getter]
    fn has_length(&self) -> bool {
        self.declared.is_some()
    }
}

impl BridgeRequest {
    /// A request from `scope`, and why it is refused, if it is.
    ///
    /// # Errors
    /// When the `extensions` of the scope are not a mapping.
    pub fn new(request: ScopeRequest, scope: &Bound<'_, PyDict>, refusal: Option<(u16, String)>) -> PyResult<Self> {
        let extensions = scope.get_item(intern!(scope.py(), "extensions"))?.filter(|offered| !offered.is_none());
        let sends_files = extensions.is_some_and(|offered| offered.contains("http.response.pathsend").unwrap_or(false));
        Ok(Self {
            refusal,
            declared: request.declared.clone().ok().flatten(),
            chunked: request.chunked,
            expects_continue: request.expects_continue(),
            sends_files,
            read: Mutex::new(Some((request, scope.clone().unbind()))),
        })
    }
}

/// Makes the `environ` of a WSGI application from an ASGI HTTP `scope`. For people who write their own bridge.
///
/// # Errors
/// `ValueError` if the scope is not a valid request.
#[pyfunction]
#[pyo3(signature = (scope, input = None, *, content_length = None, multithread = true, multiprocess = false))]
pub fn build_environ<'py>(
    scope: &Bound<'py, PyDict>,
    input: Option<Bound<'py, PyAny>>,
    content_length: Option<u64>,
    multithread: bool,
    multiprocess: bool,
) -> PyResult<Bound<'py, PyDict>> {
    let py = scope.py();
    let request = ScopeRequest::read(scope)?;
    let input = match input {
        Some(input) => input,
        None => Bound::new(py, Input::new(BodySource::Empty))?.into_any(),
    };
    let template = EnvironTemplate::new(py, Concurrency { multithread, multiprocess })?;
    let environ = template.build(py, &request.view(content_length), input)?;
    environ.set_item(intern!(py, "asgi.scope"), scope)?;
    Ok(environ)
}
