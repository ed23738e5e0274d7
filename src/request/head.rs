//! The head of one request, as the gateways pass it to an application.
//!
//! Every gateway reads it, and none changes it.
//!
//! Spec: RFC 9112 3.2 (request target), 7.1 (body length), RFC 9110 10.1.1 (`Expect`).

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use http::header::HeaderValue;
use http::uri::PathAndQuery;
use http::{Method, Version};
use rsgi_bridge::log::LogContext;
use rsgi_bridge::request::environ::RequestView;
use rsgi_bridge::request::text::percent_decode;
use rsgi_bridge::request::tls::TlsSession;

use crate::metrics::RouteSeries;
use crate::request::identity::trace_id;
use crate::request::named::Named;
use crate::request::parts::RequestParts;
use crate::route::Scheme;

/// The two ends of a connection. It is made once per connection. If a trusted proxy says something else about a
/// request, that request has its own `Peer`.
#[derive(Debug, Default)]
pub struct Peer {
    /// Address and port of the client; `None` over a Unix socket. The port is 0 if a proxy did not send it.
    pub client: Option<(String, u16)>,
    /// Address and port of the server; `None` over a Unix socket.
    pub server: Option<(String, u16)>,
    /// The path of the Unix socket.
    pub unix_path: Option<String>,
    /// The TLS session; `None` on a connection without TLS.
    pub tls: Option<Arc<TlsSession>>,
    /// Whether the connection has ended.
    pub gone: AtomicBool,
    /// The scheme between client and proxy, if a proxy says it. Otherwise that of the connection counts.
    pub forwarded: Option<Scheme>,
    /// Whether the other end is a trusted proxy.
    pub trusted: bool,
    /// The `Peer` of the connection, if this one is what a proxy says about one request.
    pub connection: Option<Arc<Peer>>,
}

impl Peer {
    /// Address and port of the client.
    pub fn client(&self) -> Option<(&str, u16)> {
        self.client.as_ref().map(|(address, port)| (address.as_str(), *port))
    }

    /// The scheme that the client used.
    pub fn scheme(&self) -> Scheme {
        self.forwarded.unwrap_or(if self.tls.is_some() { Scheme::Https } else { Scheme::Http })
    }

    /// The TLS session of the connection.
    pub fn session(&self) -> Option<&TlsSession> {
        self.connection.as_deref().unwrap_or(self).tls.as_deref()
    }

    /// Whether the connection has ended.
    pub fn is_gone(&self) -> bool {
        self.connection.as_deref().unwrap_or(self).gone.load(Ordering::Acquire)
    }

    /// Whether the other end of the connection is a trusted proxy.
    pub fn is_trusted(&self) -> bool {
        self.connection.as_deref().unwrap_or(self).trusted
    }

    /// The same two ends, for a call that outlives the connection.
    pub fn apart(&self) -> Arc<Self> {
        Arc::new(Self {
            client: self.client.clone(),
            server: self.server.clone(),
            unix_path: self.unix_path.clone(),
            tls: self.connection.as_deref().unwrap_or(self).tls.clone(),
            gone: AtomicBool::new(false),
            forwarded: Some(self.scheme()),
            trusted: self.is_trusted(),
            connection: None,
        })
    }

    /// `ws` or `wss`.
    pub fn websocket_scheme(&self) -> &'static str {
        match self.scheme() {
            Scheme::Https => "wss",
            Scheme::Http => "ws",
        }
    }
}

/// One request without its body.
#[derive(Debug)]
pub struct RequestHead {
    /// Method, target, version and header fields.
    pub parts: RequestParts,
    /// The two ends of its connection.
    pub peer: Arc<Peer>,
    /// The length of the part of the raw path that leads to the application: the prefix of the whole server, and the
    /// mount point.
    pub root: usize,
    /// When the head was complete.
    pub began: Instant,
    /// The request id; `None` if requests have no ids.
    pub request_id: Option<HeaderValue>,
    /// One more than the microseconds until an application was called; 0 before that. `None` if nothing needs it.
    pub queued: Option<Arc<AtomicU64>>,
    /// Where its route is counted, if metrics count by route and the route is known.
    pub series: Option<Arc<RouteSeries>>,
    /// What the application is told of itself and of the route, if it is.
    pub named: Option<Box<Named>>,
    /// Whether no client waits for the response.
    pub shadow: bool,
}

impl RequestHead {
    /// Takes the head; the authority of an absolute-form target replaces `Host` (RFC 9112 3.2.2).
    pub fn new(mut parts: RequestParts, peer: Arc<Peer>) -> Self {
        if let Some(authority) = parts.uri.authority() {
            parts.fields.set("host", authority.as_str().as_bytes());
        }
        Self {
            parts,
            peer,
            root: 0,
            began: Instant::now(),
            request_id: None,
            queued: None,
            series: None,
            named: None,
            shadow: false,
        }
    }

    /// The raw path.
    pub fn raw_path(&self) -> &str {
        self.parts.uri.path()
    }

    /// The raw path below [`RequestHead::root`]. Before an application is chosen, that is the path below the prefix of
    /// the server.
    pub fn path(&self) -> &str {
        match self.raw_path().split_at_checked(self.root) {
            Some((_, "")) if self.root > 0 => "/",
            Some((_, path)) => path,
            None => self.raw_path(),
        }
    }

    /// Whether the method is HEAD.
    pub fn is_head(&self) -> bool {
        self.parts.method == Method::HEAD
    }

    /// The declared length of the body. The parser has refused any value that is not one number.
    pub fn content_length(&self) -> Option<u64> {
        self.parts.fields.text("content-length")?.parse().ok()
    }

    /// Whether the client waits for `100 Continue` before it sends the body. hyper cannot send one over HTTP/2.
    pub fn expects_continue(&self) -> bool {
        self.parts.version != Version::HTTP_2
            && self.parts.fields.get("expect").is_some_and(|value| value.eq_ignore_ascii_case(b"100-continue"))
    }

    /// The target as the client sent it.
    pub fn target(&self) -> Cow<'_, str> {
        match self.parts.uri.path_and_query() {
            Some(target) if self.parts.uri.authority().is_none() => Cow::Borrowed(target.as_str()),
            _ => Cow::Owned(self.parts.uri.to_string()),
        }
    }

    /// Notes that an application is being called.
    pub fn called(&self) {
        if let Some(series) = &self.series {
            series.called(self.began);
        }
        if let Some(queued) = &self.queued {
            let micros = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
            queued.store(micros.saturating_add(1), Ordering::Relaxed);
        }
    }

    fn id(&self) -> Option<&str> {
        self.request_id.as_ref().and_then(|id| id.to_str().ok())
    }

    /// The request for logs.
    pub fn log_context<'a>(&'a self, app: &'a str) -> LogContext<'a> {
        LogContext {
            app,
            method: self.parts.method.as_str(),
            target: self.parts.uri.path_and_query().map_or("", PathAndQuery::as_str),
            protocol: protocol(self.parts.version),
            client: self.peer.client(),
            request_id: self.id(),
            trace_id: trace_id(&self.parts.fields),
            shadow: self.shadow,
        }
    }

    /// The request as an application sees it. `target` is [`RequestHead::target`].
    pub fn view<'a>(&'a self, target: &'a str, content_length: Option<u64>) -> RequestView<'a> {
        let raw = self.raw_path().as_bytes();
        let (root, path) = raw.split_at_checked(self.root).unwrap_or((b"", raw));
        RequestView {
            method: self.parts.method.as_str(),
            script_name: percent_decode(root),
            path_info: percent_decode(path),
            query: self.parts.uri.query().unwrap_or_default().as_bytes(),
            target: target.as_bytes(),
            protocol: protocol(self.parts.version),
            scheme: self.peer.scheme().name(),
            tls: self.peer.session(),
            client: self.peer.client(),
            server: self.peer.server.as_ref().map(|(address, port)| (address.as_str(), *port)),
            fields: &self.parts.fields,
            content_length,
            request_id: self.id(),
            named: self.named.as_deref().map(Named::view),
        }
    }
}

/// The version of HTTP, as it is written on the wire.
pub fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    }
}
