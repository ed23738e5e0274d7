//! The single `match` between the two worlds: a request for an application goes to its WSGI or its ASGI gateway.
//!
//! Kept apart from the connection, which does not know what an application is, and from the gateways, which do not know
//! each other.

pub mod asgi;
mod early_hint;
mod extensions;
mod file_message;
pub mod http_exchange;
mod in_time;
mod leaving;
pub mod lifespan;
pub mod message;
pub mod overload;
pub mod pools;
pub mod probe;
mod request_messages;
mod response_messages;
mod socket_sink;
pub mod spare_exchange;
mod trailers;
mod waiters;
pub mod websocket;
pub mod wsgi;
mod zero_copy;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use futures::future::Either;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rsgi_bridge::pool::Pool;
use rsgi_bridge::request::environ::{Concurrency, EnvironTemplate};
use rsgi_bridge::request::scope::{ScopeKind, ScopeTemplate, UnixPath};

use self::asgi::AsgiGateway;
use self::wsgi::{WsgiGateway, WsgiTarget};
use crate::config::plan::AppSpec;
use crate::config::settings::Settings;
use crate::gateway::overload::Refusals;
use crate::request::body::RequestBody;
use crate::request::half_closed::HalfClosed;
use crate::request::head::RequestHead;
use crate::response::app_response::AppResponse;
use crate::runtime::calls::{AppCalls, Calls};
use crate::runtime::event_loop::EventLoop;
use crate::runtime::outbox::Outbox;
use crate::runtime::wear::Wear;
use crate::wire::SpareAlarm;

/// One application that is served.
#[derive(Debug)]
pub struct App {
    /// Its target, such as `old:app`.
    pub name: Arc<str>,
    /// Its place in the plan.
    pub index: usize,
    /// Where it is mounted; empty for what no other prefix claims.
    pub prefix: Arc<str>,
    /// `wsgi` or `asgi`, as it was given.
    pub interface: Arc<str>,
    /// How it is called.
    pub gateway: Gateway,
    /// Its requests whose answers are not out.
    pub unanswered: AtomicUsize,
    /// How many there may be.
    pub limit: Option<usize>,
    /// Those that were too many.
    pub refusals: Arc<Refusals>,
    /// Its WebSockets.
    pub websockets: WebSockets,
}

/// How many WebSockets an application has.
#[derive(Debug, Default)]
pub struct WebSockets {
    /// Those that were accepted so far.
    pub accepted: AtomicUsize,
    /// Those that are open.
    pub open: AtomicUsize,
}

/// How an application is called.
#[derive(Debug)]
pub enum Gateway {
    /// Synchronously, in the thread pool.
    Wsgi(Arc<wsgi::WsgiGateway>),
    /// As a task of the event loop.
    Asgi(Arc<asgi::AsgiGateway>),
}

/// One HTTP request on its way to an application.
#[derive(Debug)]
pub struct Call<'a> {
    /// Its head.
    pub head: Box<RequestHead>,
    /// Its body.
    pub body: RequestBody,
    /// The settings of the server.
    pub settings: &'a Settings,
    /// For a wait that has an end, and for who wants to know whether the client has left.
    pub client: ClientClock<'a>,
}

/// What a connection lends to the one that answers.
pub type ClientClock<'a> = (&'a SpareAlarm, &'a HalfClosed);

impl App {
    /// The application of `spec`. A bridged one that may be called directly is called past its bridge.
    ///
    /// # Errors
    /// When Python is out of memory.
    pub fn new(
        py: Python<'_>,
        (index, spec): (usize, AppSpec),
        settings: &Settings,
        event_loop: &Arc<EventLoop>,
        (outbox, all, wear): (&Arc<Outbox>, &Arc<Calls>, &Arc<Wear>),
        pool: Option<&Arc<Pool>>,
    ) -> PyResult<Arc<Self>> {
        let (name, prefix): (Arc<str>, Arc<str>) = (spec.name.as_str().into(), spec.prefix.as_str().into());
        let interface = spec.interface.as_str().into();
        let limit = spec.request_timeout.map(|limit| limit.0);
        let patience = limit.map(|limit| (limit, Arc::clone(wear)));
        let calls = Arc::new(AppCalls::new(all, &name));
        let back = (Arc::clone(outbox), calls);
        let bridge =
            spec.bridge.as_ref().map(Py::get).filter(|bridge| bridge.allows_native(settings.max_header_fields));
        let gateway = if let Some(bridge) = bridge {
            let (app, pool, environ) = bridge.native(py)?;
            let target = WsgiTarget { app, environ, pool, scopes: Some(ScopeTemplate::new(py)?) };
            Gateway::Wsgi(Arc::new(WsgiGateway::new(Arc::clone(&name), target, back, event_loop, settings, patience)))
        } else if let Some(pool) = pool.filter(|_| spec.is_wsgi()) {
            let concurrency = Concurrency { multithread: pool.threads() > 1, multiprocess: settings.is_multiprocess() };
            let environ = EnvironTemplate::new(py, concurrency)?;
            let target = WsgiTarget { app: spec.application, environ, pool: Arc::clone(pool), scopes: None };
            Gateway::Wsgi(Arc::new(WsgiGateway::new(Arc::clone(&name), target, back, event_loop, settings, patience)))
        } else {
            let (event_loop, scopes) = (Arc::clone(event_loop), ScopeTemplate::new(py)?);
            Gateway::Asgi(Arc::new(AsgiGateway::new(
                Arc::clone(&name),
                spec.application,
                event_loop,
                scopes,
                back,
                settings,
                limit,
            )))
        };
        Ok(Arc::new(Self {
            name,
            index,
            prefix,
            interface,
            gateway,
            unanswered: AtomicUsize::new(0),
            limit: spec.limit_concurrency,
            refusals: Arc::default(),
            websockets: WebSockets::default(),
        }))
    }

    /// Calls the application; the answer is always one.
    pub fn call<'a>(&'a self, call: Call<'a>) -> impl Future<Output = AppResponse> {
        match &self.gateway {
            Gateway::Wsgi(gateway) => Either::Left(wsgi::call(gateway, call)),
            Gateway::Asgi(gateway) => Either::Right(asgi::call(gateway, call)),
        }
    }
}

/// The scope of one request or WebSocket.
///
/// # Errors
/// When Python is out of memory.
fn scope<'py>(
    py: Python<'py>,
    scopes: &ScopeTemplate,
    head: &RequestHead,
    kind: ScopeKind<'_>,
    state: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyDict>> {
    let target = head.target();
    let unix = head.peer.unix_path.as_deref().map(UnixPath);
    scopes.build(py, kind, &head.view(&target, None), head.raw_path().as_bytes(), unix, state)
}
