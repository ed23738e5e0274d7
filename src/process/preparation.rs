//! Makes the parts of a server from the settings and the plan, before anything runs.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use pyo3::prelude::*;

use crate::access_log::AccessLog;
use crate::admin::{self, Door};
use crate::config::live_shares::LiveShares;
use crate::config::plan::Plan;
use crate::config::settings::Settings;
use crate::config::startup_error::StartupError;
use crate::gateway::app::App;
use crate::gateway::pools::Pools;
use crate::grip::Grip;
use crate::http::document::Document;
use crate::http::forwarded::Proxies;
use crate::http::service::Service;
use crate::metrics::{Metrics, Routing};
use crate::net::admission::Admission;
use crate::net::binding::Bound;
use crate::net::listeners::Listeners;
use crate::net::tls::Tls;
use crate::response::compression::Compression;
use crate::response::own_fields::OwnFields;
use crate::response::static_files::StaticFiles;
use crate::runtime::calls::Calls;
use crate::runtime::driver::Driver;
use crate::runtime::event_loop::EventLoop;
use crate::runtime::response_queue::ResponseQueue;
use crate::runtime::wear::Wear;
use crate::shadow::Shadowing;

/// The queues between sockets and applications, and who empties them.
pub(super) struct Core {
    pub(super) event_loop: Arc<EventLoop>,
    pub(super) response_queue: Arc<ResponseQueue>,
    pub(super) calls: Arc<Calls>,
    pub(super) driver: Arc<Driver>,
    pub(super) wear: Arc<Wear>,
}

impl Core {
    /// Starts no thread. The receiver gets the reason why this process should be replaced.
    pub(super) fn new(config: &Settings) -> PyResult<(Self, Receiver<String>)> {
        let response_queue = Arc::new(ResponseQueue::default());
        let driver = Arc::new(Driver::new(Arc::clone(&response_queue), config.busy_poll)?);
        let (wear, worn) = Wear::new(config.max_requests);
        let core =
            Self { event_loop: Arc::default(), response_queue, calls: Arc::default(), driver, wear: Arc::new(wear) };
        Ok((core, worn))
    }
}

/// Takes the listeners, and finds out where the admin listener is: with the supervisor, of this process, or nowhere.
pub(super) fn take_listeners(
    listeners: &Listeners,
    config: &Settings,
    encrypted: bool,
    shared: bool,
) -> PyResult<(Vec<Bound>, Option<Door>)> {
    let line = listeners.take_admin();
    let bound = listeners.take();
    let door = if shared { line.map(Door::Line) } else { admin::listen(config, &bound)? };
    if encrypted && !bound.iter().any(Bound::is_tcp) {
        return Err(StartupError::new(
            "there is a TLS certificate, but no address to serve it on: Unix sockets are not encrypted",
            "also listen on TCP (`--bind 127.0.0.1:8443`), or remove `--tls-cert`",
        )
        .into());
    }
    Ok((bound, door))
}

/// What every connection shares, and the thread of the access log.
pub(super) fn service(
    py: Python<'_>,
    config: Settings,
    plan: Plan,
    core: &Core,
    pools: &Pools,
    (tls, metrics): (Option<Arc<Tls>>, Option<Arc<Metrics>>),
) -> PyResult<(Service, Option<JoinHandle<()>>)> {
    let routing = Routing::new(plan.router()?, metrics.as_ref()).watch(plan.guards(metrics.is_some())?);
    let routing = Arc::new(ArcSwap::from_pointee(routing));
    let shadowing = Shadowing::new(py, &plan, &config)?;
    let static_files = StaticFiles::new(&plan.static_folders)?;
    let document = config.openapi.clone().map(|path| Arc::new(Document::new(path)));
    let apps = apps(py, plan, &config, core, pools)?;
    let (proxies, own_fields, compression) =
        (Proxies::new(&config)?, OwnFields::new(&config)?, Compression::new(&config)?);
    let grip = Grip::new(&config)?;
    // Last: an error above leaves no thread behind.
    let (access_log, log_thread) = AccessLog::start(&config)?.unzip();
    let service = Service {
        shares: Arc::new(LiveShares::new(&routing)),
        routing,
        apps,
        limits: Arc::new(config.limits()),
        tls,
        proxies,
        access_log,
        own_fields,
        metrics,
        compression,
        static_files,
        document,
        shadowing,
        grip,
        wear: config.max_requests.map(|_| Arc::clone(&core.wear)),
        admission: config.max_connections.map(Admission::new),
        settings: config,
    };
    Ok((service, log_thread))
}

fn apps(py: Python<'_>, plan: Plan, config: &Settings, core: &Core, pools: &Pools) -> PyResult<Vec<Arc<App>>> {
    let probes = plan.probes();
    let (event_loop, back) = (&core.event_loop, (&core.response_queue, &core.calls, &core.wear));
    let apps = plan.apps.into_iter().enumerate().map(|(index, mut app)| {
        // Probing holds a response back, which only the ASGI gateway can.
        app.bridge = app.bridge.filter(|_| !(probes && app.prefix.is_empty()));
        App::new(py, (index, app), config, event_loop, back, pools.of(index))
    });
    apps.collect()
}
