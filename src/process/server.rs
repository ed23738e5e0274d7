//! The Python interface of the server: bind, start, serve until a signal, drain.
//!
//! The two sides meet only here. Python's main thread runs the asyncio loop (or waits), the pool's threads run WSGI
//! applications, and one of them, or an I/O thread, drives tokio.
//!
//! Spec: ASGI Lifespan 2.0 (no request before `startup.complete`).

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use rsgi_bridge::pool::wait_until_idle;

use crate::accept::listener::Listening;
use crate::access_log::AccessLog;
use crate::admin::{self, Dashboard, Door};
use crate::config::choice::LogLevel;
use crate::config::live_shares::LiveShares;
use crate::config::plan::Plan;
use crate::config::settings::{Seconds, Settings};
use crate::config::startup_error::StartupError;
use crate::gateway::app::App;
use crate::gateway::pools::Pools;
use crate::http::forwarded::Proxies;
use crate::http::service::Service;
use crate::metrics::{Metrics, Routing};
use crate::net::admission::Admission;
use crate::net::binding::Bound as BoundListener;
use crate::net::listeners::Listeners;
use crate::net::tls::Tls;
use crate::process::drain::Drain;
use crate::process::heartbeat;
use crate::process::running::{Running, serve, wait_for_end};
use crate::process::startup::Started;
use crate::response::compression::Compression;
use crate::response::own_fields::OwnFields;
use crate::response::static_files::StaticFiles;
use crate::runtime::calls::Calls;
use crate::runtime::driver::selector::LoopDriver;
use crate::runtime::driver::{Driver, Io};
use crate::runtime::event_loop::{EventLoop, Woken};
use crate::runtime::response_queue::ResponseQueue;
use crate::runtime::shutdown::Shutdown;
use crate::runtime::wear::Wear;
use crate::shadow::{self, ShadowExchanges, Shadowing};

/// One server: made, started and finished once.
#[pyclass(frozen, module = "rsgi._rsgi")]
#[derive(Debug)]
pub struct Server {
    stage: Mutex<ServerStage>,
    driver: Arc<Driver>,
    io: Io,
    /// The processes that serve, this one included.
    workers: usize,
    shutdown: Arc<Shutdown>,
    addresses: Vec<String>,
    /// Where the admin listener is, if this process has it.
    admin_address: Option<String>,
    ready: Mutex<Receiver<()>>,
    /// Hears why the process should be replaced, when somebody would do that.
    worn: Mutex<Option<Receiver<String>>>,
    tls: Option<Arc<Tls>>,
    event_loop: Arc<EventLoop>,
    calls: Arc<Calls>,
    shares: Arc<LiveShares>,
    shadowing: Option<Arc<Shadowing>>,
    metrics: Option<Arc<Metrics>>,
    dashboard: Option<Dashboard>,
    apps: usize,
    /// Whether the application without a prefix is called past its bridge, and so cannot hold an answer back.
    unprobed: bool,
    /// Until the end, whose last lines it would hold up.
    access_log: Mutex<Option<AccessLog>>,
}

#[derive(Debug)]
enum ServerStage {
    Bound(Box<PreparedServer>),
    Running(Running),
    Finished,
}

/// What is served.
#[derive(Debug)]
struct PreparedServer {
    service: Service,
    listening: Listening,
    pools: Pools,
    log_thread: Option<JoinHandle<()>>,
    door: Option<Door>,
}

#[pymethods]
impl Server {
    /// Reads the settings and the plan. The `listeners` are its own from now on; where other processes accept from them as well
    /// they are `shared`.
    #[new]
    fn new(py: Python<'_>, config: Settings, plan: Plan, listeners: Py<Listeners>, shared: bool) -> PyResult<Self> {
        if config.log_level == LogLevel::Debug {
            crate::log::show_debug();
        }
        let tls = Tls::load(&config)?;
        let proxies = Proxies::new(&config)?;
        let line = listeners.get().take_admin();
        let listeners = listeners.get().take();
        let door = if shared { line.map(Door::Line) } else { admin::listen(&config, &listeners)? };
        if tls.is_some() && !listeners.iter().any(BoundListener::is_tcp) {
            return Err(StartupError::new(
                "there is a TLS certificate, but no address to serve it on: Unix sockets are not encrypted",
                "also listen on TCP (`--bind 127.0.0.1:8443`), or remove `--tls-cert`",
            )
            .into());
        }
        let addresses = listeners.iter().map(|listener| listener.url(tls.is_some())).collect();
        let admin_address = door.as_ref().and_then(Door::url);
        let names = || plan.apps.iter().map(|app| app.name.as_str().into()).collect();
        let metrics = door.as_ref().map(|_| Metrics::new(names()));
        let routing = Routing::new(plan.router()?, metrics.as_ref()).watch(plan.guards(metrics.is_some())?);
        let routing = Arc::new(ArcSwap::from_pointee(routing));
        let live_shares = Arc::new(LiveShares::new(&routing));
        let shadowing = Shadowing::new(py, &plan, &config)?;
        let event_loop = Arc::new(EventLoop::default());
        let pools = Pools::start(py, &plan.apps, &config)?;
        let (response_queue, calls) = (Arc::new(ResponseQueue::default()), Arc::new(Calls::default()));
        let (wear, worn) = Wear::new(config.max_requests);
        // Where there is no supervisor nobody hears it.
        let (wear, worn) = (Arc::new(wear), shared.then_some(worn));
        let driver = Arc::new(Driver::new(Arc::clone(&response_queue), config.busy_poll.0)?);
        let probes = plan.probes();
        let unprobed = !probes && plan.apps.iter().any(|app| app.prefix.is_empty() && app.bridge.is_some());
        let apps = plan.apps.into_iter().enumerate().map(|(place, mut app)| {
            // Probing holds an answer back, which only the ASGI gateway can.
            app.bridge = app.bridge.filter(|_| !(probes && app.prefix.is_empty()));
            App::new(py, (place, app), &config, &event_loop, (&response_queue, &calls, &wear), pools.of(place))
        });
        let apps = apps.collect::<PyResult<Vec<_>>>()?;
        let (access_log, log_thread) = AccessLog::start(&config)?.unzip();
        let reopened = access_log.clone();
        let limits = Arc::new(config.limits());
        let (count, workers) = (apps.len(), config.workers);
        let (compression, static_files) = (Compression::new(&config)?, StaticFiles::new(&plan.static_folders)?);
        let (own_fields, shadowed) = (OwnFields::new(&config)?, shadowing.clone());
        let wear = Some(wear).filter(|_| config.max_requests.is_some());
        let admission = config.max_connections.map(Admission::new);
        let service = Service {
            settings: config,
            routing,
            shares: Arc::clone(&live_shares),
            apps,
            limits,
            tls: tls.clone(),
            proxies,
            access_log,
            own_fields,
            metrics: metrics.clone(),
            compression,
            static_files,
            shadowing,
            wear,
            admission,
        };
        let io = Io::choose(&service.settings, service.all_asgi(), pools.driving().is_some())?;
        let (told, ready) = channel();
        let listening = Listening { bound: listeners, shared, ready: told, accepting: Arc::default() };
        let prepared = PreparedServer { service, listening, pools, log_thread, door };
        Ok(Self {
            stage: Mutex::new(ServerStage::Bound(Box::new(prepared))),
            driver,
            io,
            workers,
            shutdown: Arc::new(Shutdown::default()),
            addresses,
            admin_address,
            ready: Mutex::new(ready),
            worn: Mutex::new(worn),
            tls,
            event_loop,
            calls,
            shares: live_shares,
            dashboard: metrics.as_ref().map(Dashboard::new),
            shadowing: shadowed,
            metrics,
            apps: count,
            unprobed,
            access_log: Mutex::new(reopened),
        })
    }

    /// Goes by another plan for the same applications. Requests and WebSockets that have begun stay where they are.
    fn reroute(&self, py: Python<'_>, plan: Plan) -> PyResult<()> {
        if plan.apps.len() != self.apps {
            return Err(PyValueError::new_err("the plan has other applications"));
        }
        if plan.probes() && self.unprobed {
            let why = "a bridged application is called directly, and this cannot change while the server runs";
            return Err(StartupError::new(why, "restart the server").into());
        }
        let shadow = shadow::Rules::again(py, &plan, self.shadowing.is_some())?;
        let guards = plan.guards(self.metrics.is_some())?;
        let router = py.detach(|| plan.router())?;
        self.shadowing.iter().zip(shadow).for_each(|(shadowing, rules)| shadowing.go_by(rules));
        self.shares.route_by(Routing::new(router, self.metrics.as_ref()).watch(guards));
        Ok(())
    }

    /// Who drives the sockets: `thread`, `loop` or `pool`.
    #[getter]
    fn io(&self) -> &'static str {
        self.io.name()
    }

    /// What the selector of the event loop waits with, when the loop is to drive the sockets. `selector` is the descriptor of the
    /// selector of the application's own descriptors.
    ///
    /// Raises `OSError` when it cannot be watched.
    fn loop_driver(&self, selector: i32) -> PyResult<LoopDriver> {
        Ok(LoopDriver::new(Arc::clone(&self.driver), Arc::clone(&self.event_loop), selector)?)
    }

    /// Starts to serve. ASGI applications run in `event_loop`, which the caller runs; `on_end` is called, on a thread of ours, when
    /// the server has ended, and `on_started`, in the loop, when the applications have started and no request has come yet.
    #[pyo3(signature = (event_loop, on_end, on_started = None))]
    fn start(
        &self,
        event_loop: Option<Bound<'_, PyAny>>,
        on_end: Py<PyAny>,
        on_started: Option<Py<PyAny>>,
    ) -> PyResult<()> {
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        let ServerStage::Bound(prepared) = std::mem::replace(&mut *stage, ServerStage::Finished) else {
            return Err(PyRuntimeError::new_err("the server has already started"));
        };
        let mut started = None;
        if let Some(event_loop) = event_loop {
            started = on_started.map(|call| Started::new(call, Arc::clone(&self.event_loop)));
            let woken = if self.io == Io::Loop { Woken::BySelector } else { Woken::ByReader };
            self.event_loop.attach(&event_loop, woken)?;
        }
        let PreparedServer { service, listening, pools, log_thread, door } = *prepared;
        let parts = (&self.calls, &self.event_loop, &self.shutdown);
        let shown = (&listening.accepting, self.addresses.clone());
        // Who may look at the numbers looks before the applications start.
        let admin = admin::start(door, &service, self.dashboard.as_ref(), parts, shown)?;
        let (shutdown, calls, event_loop) =
            (Arc::clone(&self.shutdown), Arc::clone(&self.calls), Arc::clone(&self.event_loop));
        let serving = self.driver.spawn(async move {
            let drain = Drain::new(&shutdown, &calls, &event_loop, &service.settings);
            serve(Arc::new(service), started, listening, drain).await
        });
        let (driver, io, workers) = (Arc::clone(&self.driver), self.io, self.workers);
        let driving = pools.driving().cloned();
        let io_thread = std::thread::Builder::new().name("rsgi-io".into()).spawn(move || {
            let result = wait_for_end(&driver, io, driving.as_ref().map(|pool| (pool, workers)), serving);
            Python::attach(|py| {
                if let Err(error) = on_end.call0(py) {
                    error.write_unraisable(py, None);
                }
            });
            result
        });
        let io_thread = io_thread.map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
        *stage = ServerStage::Running(Running { io_thread, pools, log_thread, admin });
        Ok(())
    }

    /// Waits until connections are accepted; `False` when the server ends before.
    fn wait_until_ready(&self, py: Python<'_>) -> bool {
        py.detach(|| self.ready.lock().unwrap_or_else(PoisonError::into_inner).recv().is_ok())
    }

    /// Waits until there is a reason to replace this process, and gives it; `None` when the server ends before, or nobody would.
    fn wait_until_worn(&self, py: Python<'_>) -> Option<String> {
        let worn = self.worn.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        py.detach(move || worn.recv().ok())
    }

    /// Says that the sockets are driven: a byte into the pipe `descriptor` every `every` seconds.
    ///
    /// Raises `OSError` when it is no pipe.
    fn beat(&self, descriptor: i32, every: Seconds) -> PyResult<()> {
        let pipe = self.driver.enter(|| heartbeat::open(descriptor))?;
        // It ends with the runtime.
        let _beating = self.driver.spawn(heartbeat::beat(pipe, every.0));
        Ok(())
    }

    /// Stops accepting; what runs may finish within the grace time.
    fn stop(&self) {
        self.shutdown.begin();
    }

    /// Reads certificates and keys again, for connections that come; `False` when the server has none.
    ///
    /// Raises `rsgi.StartupError` when something is wrong with them; the old ones stay.
    fn reload_tls(&self, py: Python<'_>) -> PyResult<bool> {
        let Some(tls) = &self.tls else { return Ok(false) };
        py.detach(|| tls.reload())?;
        Ok(true)
    }

    /// Opens the file of the access log again by its name; `False` when there is none.
    fn reopen_access_log(&self) -> bool {
        let log = self.access_log.lock().unwrap_or_else(PoisonError::into_inner);
        log.as_ref().inspect(|log| log.reopen()).is_some()
    }

    /// Stops draining the queue of `event_loop`, before its remaining tasks are cancelled.
    fn detach(&self, event_loop: &Bound<'_, PyAny>) -> PyResult<()> {
        self.event_loop.detach(event_loop)
    }

    /// Waits for the end of the server.
    ///
    /// Raises `rsgi.StartupError` when an application's startup failed.
    fn finish(&self, py: Python<'_>) -> PyResult<()> {
        let stage =
            std::mem::replace(&mut *self.stage.lock().unwrap_or_else(PoisonError::into_inner), ServerStage::Finished);
        drop(self.access_log.lock().unwrap_or_else(PoisonError::into_inner).take());
        match stage {
            ServerStage::Running(running) => py.detach(|| running.finish(&self.driver)).map_err(PyErr::from),
            ServerStage::Bound(_) | ServerStage::Finished => Ok(()),
        }
    }

    /// Waits up to `timeout` seconds for the WSGI calls of this process to end; gives the number that still run.
    #[staticmethod]
    fn wait_for_calls(py: Python<'_>, timeout: Seconds) -> usize {
        py.detach(|| wait_until_idle(timeout.0))
    }

    /// What the dashboard needs of this process; `None` without an admin listener.
    #[getter]
    fn dashboard(&self) -> Option<Dashboard> {
        self.dashboard.clone()
    }

    /// What the comparison of shadow traffic takes exchanges from, once; `None` without shadow traffic.
    fn shadow_exchanges(&self) -> Option<ShadowExchanges> {
        self.shadowing.as_ref()?.take_exchanges()
    }

    /// Where the admin listener of this process is, such as `http://127.0.0.1:9090`; `None` without one.
    #[getter]
    fn admin_address(&self) -> Option<String> {
        self.admin_address.clone()
    }

    /// Where the server listens, such as `http://127.0.0.1:8000`.
    #[getter]
    fn addresses(&self) -> Vec<String> {
        self.addresses.clone()
    }
}
