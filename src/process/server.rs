//! The Python interface of the server: bind, start, serve until a signal, drain.
//!
//! The two sides meet only here. Python's main thread runs the asyncio loop (or waits), the pool's threads run WSGI
//! applications, and one of them, or an I/O thread, drives tokio.
//!
//! Spec: ASGI Lifespan 2.0 (no request before `startup.complete`).

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use rsgi_bridge::pool::wait_until_idle;

use crate::accept::listener::Listening;
use crate::access_log::AccessLog;
use crate::admin::{self, Dashboard, Door};
use crate::config::choice::{IoKind, LogLevel};
use crate::config::live_shares::LiveShares;
use crate::config::plan::Plan;
use crate::config::settings::{Seconds, Settings};
use crate::config::startup_error::StartupError;
use crate::gateway::pools::Pools;
use crate::http::document::Document;
use crate::http::service::Service;
use crate::metrics::{Metrics, Routing};
use crate::net::listeners::Listeners;
use crate::net::tls::Tls;
use crate::process::drain::Drain;
use crate::process::heartbeat;
use crate::process::preparation::{self, Core};
use crate::process::running::{IoThread, Running, serve};
use crate::process::startup::Started;
use crate::runtime::calls::Calls;
use crate::runtime::driver::beside_loop::BesideLoop;
use crate::runtime::driver::selector::LoopDriver;
use crate::runtime::driver::{Driver, Io};
use crate::runtime::event_loop::{EventLoop, Woken};
use crate::runtime::shutdown::Shutdown;
use crate::shadow::{self, ShadowExchanges, Shadowing};

/// One server. It is created, started and finished once.
#[pyclass(frozen, module = "rsgi._rsgi")]
#[derive(Debug)]
pub struct Server {
    stage: Mutex<ServerStage>,
    driver: Arc<Driver>,
    io: Io,
    /// The thread that may drive beside the loop.
    beside: Option<Arc<BesideLoop>>,
    /// The number of serving processes, this one included.
    workers: usize,
    shutdown: Arc<Shutdown>,
    addresses: Vec<String>,
    /// The address of the admin listener, if this process has one.
    admin_address: Option<String>,
    ready: Mutex<Receiver<()>>,
    /// Gets the reason to replace this process. `None` without a supervisor.
    worn: Mutex<Option<Receiver<String>>>,
    tls: Option<Arc<Tls>>,
    event_loop: Arc<EventLoop>,
    calls: Arc<Calls>,
    shares: Arc<LiveShares>,
    shadowing: Option<Arc<Shadowing>>,
    document: Option<Arc<Document>>,
    metrics: Option<Arc<Metrics>>,
    dashboard: Option<Dashboard>,
    apps: usize,
    /// Whether the application without a prefix is called without its bridge. Its responses can then not be held back
    /// for probing.
    unprobed: bool,
    /// Dropped before the end, because the thread of the log ends with its last clone.
    access_log: Mutex<Option<AccessLog>>,
}

#[derive(Debug)]
enum ServerStage {
    Bound(Box<PreparedServer>),
    Running(Running),
    Finished,
}

/// A server that was created but not started.
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
    /// Reads the settings and the plan, and takes over `listeners`. They are `shared` if other processes accept from
    /// them too.
    #[new]
    fn new(py: Python<'_>, config: Settings, plan: Plan, listeners: Py<Listeners>, shared: bool) -> PyResult<Self> {
        if config.log_level == LogLevel::Debug {
            crate::log::show_debug();
        }
        let tls = Tls::load(&config)?;
        let (bound, door) = preparation::take_listeners(listeners.get(), &config, tls.is_some(), shared)?;
        let addresses = bound.iter().map(|listener| listener.url(tls.is_some())).collect();
        let admin_address = door.as_ref().and_then(Door::url);
        let metrics =
            door.as_ref().map(|_| Metrics::new(plan.apps.iter().map(|app| app.name.as_str().into()).collect()));
        let (core, worn) = Core::new(&config)?;
        let pools = Pools::start(py, &plan.apps, &config)?;
        let (unprobed, workers) = (plan.has_unprobed_bridge(), config.workers);
        let (service, log_thread) = preparation::service(py, config, plan, &core, &pools, (tls, metrics))?;
        let io = Io::choose(&service.settings, service.all_asgi(), pools.driving().is_some())?;
        let shares_driving = io == Io::Loop && service.settings.io == IoKind::Auto;
        let beside = shares_driving.then(|| BesideLoop::new(&core.driver, &core.event_loop, workers)).flatten();
        let (told, ready) = channel();
        let listening = Listening { bound, shared, ready: told, accepting: Arc::default() };
        Ok(Self {
            driver: core.driver,
            io,
            beside,
            workers,
            shutdown: Arc::new(Shutdown::default()),
            addresses,
            admin_address,
            ready: Mutex::new(ready),
            // Without a supervisor nobody would replace the process.
            worn: Mutex::new(shared.then_some(worn)),
            tls: service.tls.clone(),
            event_loop: core.event_loop,
            calls: core.calls,
            shares: Arc::clone(&service.shares),
            dashboard: service.metrics.as_ref().map(Dashboard::new),
            shadowing: service.shadowing.clone(),
            document: service.document.clone(),
            metrics: service.metrics.clone(),
            apps: service.apps.len(),
            unprobed,
            access_log: Mutex::new(service.access_log.clone()),
            stage: Mutex::new(ServerStage::Bound(Box::new(PreparedServer {
                service,
                listening,
                pools,
                log_thread,
                door,
            }))),
        })
    }

    /// Changes to another plan for the same applications. Requests and WebSockets that have begun are not affected.
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

    /// Shows this `OpenAPI` document at the path of `--openapi`.
    fn show_openapi(&self, text: String) {
        self.document.iter().for_each(|document| document.show(text.clone()));
    }

    /// What drives the sockets: `thread`, `loop` or `pool`.
    #[getter]
    fn io(&self) -> &'static str {
        self.io.name()
    }

    /// Returns what the event loop's selector waits with, if the loop drives the sockets. `selector` is the descriptor
    /// of the selector for the application's own descriptors.
    ///
    /// Raises `OSError` if it cannot be watched.
    fn loop_driver(&self, selector: i32) -> PyResult<LoopDriver> {
        Ok(LoopDriver::new(Arc::clone(&self.driver), Arc::clone(&self.event_loop), self.beside.clone(), selector)?)
    }

    /// Starts to serve. ASGI applications run in `event_loop`, which the caller runs. `on_started` is called in the
    /// loop when the applications have started, before the first request. `on_end` is called on a thread of ours when
    /// the server has ended.
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
            if self.io != Io::Loop {
                self.driver.wake_in_batches(&self.event_loop.wakes);
            }
        }
        let PreparedServer { service, listening, pools, log_thread, door } = *prepared;
        let parts = (&self.calls, &self.event_loop, &self.shutdown);
        let shown = (&listening.accepting, self.addresses.clone());
        // The admin listener answers already while the applications start.
        let admin = admin::start(door, &service, self.dashboard.as_ref(), parts, shown)?;
        let (shutdown, calls, event_loop) =
            (Arc::clone(&self.shutdown), Arc::clone(&self.calls), Arc::clone(&self.event_loop));
        let serving = self.driver.spawn(async move {
            let drain = Drain::new(&shutdown, &calls, &event_loop, &service.settings);
            serve(Arc::new(service), started, listening, drain).await
        });
        let (driver, thread) = (Arc::clone(&self.driver), self.io_thread(&pools));
        let io_thread = std::thread::Builder::new().name("rsgi-io".into()).spawn(move || {
            let result = thread.run(&driver, serving);
            Python::attach(|py| {
                if let Err(error) = on_end.call0(py) {
                    error.write_unraisable(py, None);
                }
            });
            result
        });
        let io_thread = io_thread.map_err(|error| {
            let hint = "raise the limit (`ulimit -u`, `TasksMax=` of systemd), or lower `--wsgi-threads`";
            StartupError::new(format!("cannot start the thread that serves connections: {error}"), hint)
        })?;
        *stage = ServerStage::Running(Running { io_thread, pools, log_thread, admin });
        Ok(())
    }

    /// Waits until connections are accepted. Returns `False` if the server ends before that.
    fn wait_until_ready(&self, py: Python<'_>) -> bool {
        py.detach(|| self.ready.lock().unwrap_or_else(PoisonError::into_inner).recv().is_ok())
    }

    /// Waits for a reason to replace this process, and returns it. Returns `None` if the server ends, or if there is no
    /// supervisor.
    fn wait_until_worn(&self, py: Python<'_>) -> Option<String> {
        let worn = self.worn.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        py.detach(move || worn.recv().ok())
    }

    /// Writes a byte into the pipe `descriptor` every `every` seconds while the sockets are driven.
    ///
    /// Raises `OSError` if it is not a pipe.
    fn beat(&self, descriptor: i32, every: Seconds) -> PyResult<()> {
        let pipe = self.driver.enter(|| heartbeat::open(descriptor))?;
        // It ends with the runtime.
        let _beating = self.driver.spawn(heartbeat::beat(pipe, every.0));
        Ok(())
    }

    /// Stops accepting. What runs may finish within the grace time.
    fn stop(&self) {
        self.shutdown.begin();
    }

    /// Reads certificates and keys again, for new connections. Returns `False` if the server has none.
    ///
    /// Raises `rsgi.StartupError` if something is wrong with them. The old ones then stay in use.
    fn reload_tls(&self, py: Python<'_>) -> PyResult<bool> {
        let Some(tls) = &self.tls else { return Ok(false) };
        py.detach(|| tls.reload())?;
        Ok(true)
    }

    /// Reopens the file of the access log by its name. Returns `False` if there is no access log.
    fn reopen_access_log(&self) -> bool {
        let log = self.access_log.lock().unwrap_or_else(PoisonError::into_inner);
        log.as_ref().inspect(|log| log.reopen()).is_some()
    }

    /// Stops draining the queue of `event_loop`, before its remaining tasks are cancelled.
    fn detach(&self, event_loop: &Bound<'_, PyAny>) -> PyResult<()> {
        self.event_loop.detach(event_loop)
    }

    /// Waits until the server has ended.
    ///
    /// Raises `rsgi.StartupError` if the startup of an application failed.
    fn finish(&self, py: Python<'_>) -> PyResult<()> {
        let stage =
            std::mem::replace(&mut *self.stage.lock().unwrap_or_else(PoisonError::into_inner), ServerStage::Finished);
        drop(self.access_log.lock().unwrap_or_else(PoisonError::into_inner).take());
        match stage {
            ServerStage::Running(running) => py.detach(|| running.finish(&self.driver)).map_err(PyErr::from),
            ServerStage::Bound(_) | ServerStage::Finished => Ok(()),
        }
    }

    /// Waits up to `timeout` seconds for the WSGI calls of this process to end. Returns how many still run.
    #[staticmethod]
    fn wait_for_calls(py: Python<'_>, timeout: Seconds) -> usize {
        py.detach(|| wait_until_idle(timeout.0))
    }

    /// The counters for the dashboard. `None` without an admin listener.
    #[getter]
    fn dashboard(&self) -> Option<Dashboard> {
        self.dashboard.clone()
    }

    /// Returns, once, the source of exchanges for the comparison of shadow traffic. `None` without shadow traffic.
    fn shadow_exchanges(&self) -> Option<ShadowExchanges> {
        self.shadowing.as_ref()?.take_exchanges()
    }

    /// The address of the admin listener of this process, such as `http://127.0.0.1:9090`. `None` without one.
    #[getter]
    fn admin_address(&self) -> Option<String> {
        self.admin_address.clone()
    }

    /// The addresses of the server, such as `http://127.0.0.1:8000`.
    #[getter]
    fn addresses(&self) -> Vec<String> {
        self.addresses.clone()
    }
}

impl Server {
    /// What the thread `rsgi-io` does.
    fn io_thread(&self, pools: &Pools) -> IoThread {
        match (self.io, pools.driving(), &self.beside) {
            (Io::Pool, Some(pool), _) => IoThread::Fallback(Arc::clone(pool), self.workers),
            (Io::Thread | Io::Pool, ..) => IoThread::Drives(Arc::clone(&self.event_loop)),
            (Io::Loop, _, Some(beside)) => IoThread::Beside(Arc::clone(beside)),
            (Io::Loop, _, None) => IoThread::Waits,
        }
    }
}
