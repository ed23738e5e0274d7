//! Has the only `match` between WSGI and ASGI: a request for an application goes to its WSGI or its ASGI gateway.
//!
//! Connections do not know what an application is, and the gateways do not know each other.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::Either;
use pyo3::prelude::*;
use rsgi_bridge::pool::Pool;
use rsgi_bridge::request::environ::{Concurrency, EnvironTemplate};
use rsgi_bridge::request::scope::ScopeTemplate;

use super::asgi::{self, AsgiGateway};
use super::call::Call;
use super::client_state::ClientState;
use super::pending_call::PendingCall;
use super::wsgi::{self, WsgiGateway, WsgiTarget};
use crate::config::choice::InterfaceKind;
use crate::config::plan::AppSpec;
use crate::config::settings::Settings;
use crate::request::app_load::AppLoad;
use crate::request::error::RequestError;
use crate::request::head::RequestHead;
use crate::response::app_response::AppResponse;
use crate::runtime::calls::{AppCalls, Calls};
use crate::runtime::event_loop::EventLoop;
use crate::runtime::response_queue::ResponseQueue;
use crate::runtime::wear::Wear;

/// One application.
#[derive(Debug)]
pub struct App {
    /// Its target, such as `old:app`.
    pub name: Arc<str>,
    /// The prefix of its mount. Empty for an application without a prefix.
    pub prefix: Arc<str>,
    /// Its interface in the settings. With `bridge` in the plan, `gateway` may differ.
    pub interface: InterfaceKind,
    /// The gateway that calls it.
    pub gateway: Gateway,
    /// How long it may take until its response begins.
    pub request_timeout: Option<Duration>,
    /// Its running requests and their limit.
    pub load: Arc<AppLoad>,
}

/// The gateway of an application.
#[derive(Debug)]
pub enum Gateway {
    /// Calls a WSGI application in the thread pool.
    Wsgi(Arc<wsgi::WsgiGateway>),
    /// Calls an ASGI application as a task of the event loop.
    Asgi(Arc<asgi::AsgiGateway>),
}

impl App {
    /// The application of `spec`. For a `rsgi.WsgiToAsgi`, its WSGI application is called directly if that is allowed.
    ///
    /// # Errors
    /// When Python is out of memory.
    pub fn new(
        py: Python<'_>,
        (index, spec): (usize, AppSpec),
        settings: &Settings,
        event_loop: &Arc<EventLoop>,
        (response_queue, all, wear): (&Arc<ResponseQueue>, &Arc<Calls>, &Arc<Wear>),
        pool: Option<&Arc<Pool>>,
    ) -> PyResult<Arc<Self>> {
        let (name, prefix): (Arc<str>, Arc<str>) = (spec.name.as_str().into(), spec.prefix.as_str().into());
        let interface = spec.interface;
        let limit = spec.request_timeout.map(|limit| limit.0);
        let timeout = limit.map(|limit| (limit, Arc::clone(wear)));
        let calls = Arc::new(AppCalls::new(all, &name));
        let back = (Arc::clone(response_queue), calls);
        let bridge =
            spec.bridge.as_ref().map(Py::get).filter(|bridge| bridge.allows_native(settings.max_header_fields));
        let gateway = if let Some(bridge) = bridge {
            let (app, pool, environ) = bridge.native(py)?;
            let target = WsgiTarget { app, environ, pool, scopes: Some(ScopeTemplate::new(py)?) };
            Gateway::Wsgi(Arc::new(WsgiGateway::new(Arc::clone(&name), target, back, event_loop, settings, timeout)))
        } else if let Some(pool) = pool.filter(|_| spec.is_wsgi()) {
            let concurrency = Concurrency { multithread: pool.threads() > 1, multiprocess: settings.is_multiprocess() };
            let environ = EnvironTemplate::new(py, concurrency)?;
            let target = WsgiTarget { app: spec.application, environ, pool: Arc::clone(pool), scopes: None };
            Gateway::Wsgi(Arc::new(WsgiGateway::new(Arc::clone(&name), target, back, event_loop, settings, timeout)))
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
        let load = AppLoad::new(Arc::clone(&name), index, spec.limit_concurrency);
        Ok(Arc::new(Self { name, prefix, interface, gateway, request_timeout: limit, load }))
    }

    /// Calls the application. There is always a response.
    pub fn call<'a>(&'a self, call: Call<'a>) -> impl Future<Output = AppResponse> {
        match &self.gateway {
            Gateway::Wsgi(gateway) => Either::Left(wsgi::call(gateway, call)),
            Gateway::Asgi(gateway) => Either::Right(asgi::call(gateway, call)),
        }
    }

    /// Whether `--request-timeout` limits its time. Then [`App::call_direct`] is not for it.
    pub fn has_time_limit(&self) -> bool {
        self.request_timeout.is_some()
    }

    /// Calls the application for a request whose body is here, or that has none: then `body` is empty. The connection
    /// polls the [`PendingCall`] itself.
    ///
    /// # Errors
    /// If the queue of the pool is full.
    pub fn call_direct(
        &self,
        head: Box<RequestHead>,
        body: Bytes,
        settings: &Settings,
        client: &ClientState,
    ) -> Result<PendingCall, RequestError> {
        match &self.gateway {
            Gateway::Wsgi(gateway) => wsgi::call_direct(gateway, head, body, settings.queue_timeout.0, client),
            Gateway::Asgi(gateway) => Ok(asgi::call_direct(gateway, head, body, client)),
        }
    }
}
