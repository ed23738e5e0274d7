//! The server as Python sees it: bind, start, serve until a signal, drain.
//!
//! Kept apart because it is the one place where the two sides meet: Python's main thread runs the asyncio loop (or waits), an
//! I/O thread of ours runs tokio, and the pool's threads run WSGI applications.
//!
//! Spec: ASGI Lifespan 2.0 (no request before `startup.complete`).

use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use rsgi_bridge::environ::{Concurrency, EnvironTemplate};
use rsgi_bridge::pool::{Pool, wait_until_idle};
use rsgi_bridge::scope::ScopeTemplate;

use crate::access_log::AccessLog;
use crate::connection::Service;
use crate::error::StartupError;
use crate::event_loop::EventLoop;
use crate::gateway::asgi::AsgiGateway;
use crate::gateway::lifespan::{self, Lifespan};
use crate::gateway::wsgi::{WsgiGateway, WsgiTarget};
use crate::gateway::{App, Gateway};
use crate::listener::{self, Bound as BoundListener, Listening};
use crate::outbox::Outbox;
use crate::plan::{AppSpec, Plan};
use crate::route::Router;
use crate::settings::{Seconds, Settings};
use crate::shutdown::{Phase, Shutdown};
use crate::tls::Tls;
use crate::wire::Limits;
use crate::worker::Listeners;

/// Threads that read and write files, of which a request needs one at a time and for a moment only.
const FILE_THREADS: usize = 8;

/// One server: made, started and finished once.
#[pyclass(frozen, module = "rsgi._rsgi")]
#[derive(Debug)]
pub struct Server {
    stage: Mutex<Stage>,
    shutdown: Arc<Shutdown>,
    addresses: Vec<String>,
    ready: Mutex<Receiver<()>>,
    tls: Option<Arc<Tls>>,
    event_loop: Arc<EventLoop>,
    router: Arc<ArcSwap<Router>>,
    apps: usize,
    /// Whether the application without a prefix is called past its bridge, and so cannot hold an answer back.
    unprobed: bool,
}

#[derive(Debug)]
enum Stage {
    Bound(Box<Prepared>),
    Running(JoinHandle<Result<(), StartupError>>),
    Finished,
}

/// What the I/O thread takes along.
#[derive(Debug)]
struct Prepared {
    service: Service,
    listening: Listening,
    outbox: Arc<Outbox>,
    pool: Option<Arc<Pool>>,
    log_thread: Option<JoinHandle<()>>,
}

#[pymethods]
impl Server {
    /// Reads the settings and the plan, and binds every address unless they have been bound.
    #[new]
    #[pyo3(signature = (config, plan, listeners = None))]
    fn new(py: Python<'_>, config: Settings, plan: Plan, listeners: Option<Py<Listeners>>) -> PyResult<Self> {
        let tls = Tls::load(&config)?;
        let inherited = listeners.is_some();
        let listeners = listeners.map_or_else(|| listener::bind(&config), |listeners| Ok(listeners.get().take()))?;
        if tls.is_some() && !listeners.iter().any(BoundListener::is_tcp) {
            return Err(StartupError::new(
                "there is a TLS certificate, but no address to serve it on: Unix sockets are not encrypted",
                "listen on TCP, too (`--bind 127.0.0.1:8443`), or leave `--tls-cert` out",
            )
            .into());
        }
        let addresses = listeners.iter().map(|listener| listener.url(tls.is_some())).collect();
        let router = Arc::new(ArcSwap::from_pointee(plan.router()?));
        let failed = |error: std::io::Error| PyRuntimeError::new_err(error.to_string());
        let event_loop = EventLoop::new().map_err(failed)?;
        let pool = if plan.apps.iter().any(AppSpec::is_wsgi) {
            Some(Pool::start(py, "rsgi-wsgi", config.wsgi_threads, config.wsgi_queue)?)
        } else {
            None
        };
        let outbox = Arc::new(Outbox::default());
        let probes = plan.probes();
        let unprobed = !probes && plan.apps.iter().any(|app| app.prefix.is_empty() && app.bridge.is_some());
        let apps = plan.apps.into_iter().map(|mut app| {
            // Probing holds an answer back, which only the ASGI gateway can.
            app.bridge = app.bridge.filter(|_| !(probes && app.prefix.is_empty()));
            make_app(py, app, &config, &event_loop, &outbox, pool.as_ref())
        });
        let apps = apps.collect::<PyResult<Vec<_>>>()?;
        let log = config.access_log.then(AccessLog::start).transpose().map_err(failed)?;
        let (access_log, log_thread) = log.unzip();
        let limits = Arc::new(limits(&config));
        let count = apps.len();
        let router_of = Arc::clone(&router);
        let service = Service { settings: config, router: router_of, apps, limits, tls: tls.clone(), access_log };
        let (told, ready) = channel();
        let listening = Listening { bound: listeners, inherited, ready: told };
        let prepared = Prepared { service, listening, outbox, pool, log_thread };
        Ok(Self {
            stage: Mutex::new(Stage::Bound(Box::new(prepared))),
            shutdown: Arc::new(Shutdown::default()),
            addresses,
            ready: Mutex::new(ready),
            tls,
            event_loop,
            router,
            apps: count,
            unprobed,
        })
    }

    /// Goes by another plan for the same applications. Requests and WebSockets that have begun stay where they are.
    fn reroute(&self, py: Python<'_>, plan: Plan) -> PyResult<()> {
        if plan.apps.len() != self.apps {
            return Err(PyValueError::new_err("the plan has other applications"));
        }
        if plan.probes() && self.unprobed {
            let why = "a bridged application is called directly and cannot be asked first while the server runs";
            return Err(StartupError::new(why, "restart the server").into());
        }
        let router = py.detach(|| plan.router())?;
        self.router.store(Arc::new(router));
        Ok(())
    }

    /// Starts the I/O thread. ASGI applications run in `event_loop`, which the caller runs; `on_end` is called, on a thread of
    /// ours, when the server has ended.
    fn start(&self, event_loop: Option<Bound<'_, PyAny>>, on_end: Py<PyAny>) -> PyResult<()> {
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        let Stage::Bound(prepared) = std::mem::replace(&mut *stage, Stage::Finished) else {
            return Err(PyRuntimeError::new_err("the server was started already"));
        };
        if let Some(event_loop) = event_loop {
            self.event_loop.attach(&event_loop)?;
        }
        let shutdown = Arc::clone(&self.shutdown);
        let thread = std::thread::Builder::new().name("rsgi-io".into()).spawn(move || {
            let result = run(*prepared, &shutdown);
            Python::attach(|py| {
                if let Err(error) = on_end.call0(py) {
                    error.write_unraisable(py, None);
                }
            });
            result
        });
        *stage = Stage::Running(thread.map_err(|error| PyRuntimeError::new_err(error.to_string()))?);
        Ok(())
    }

    /// Waits until connections are accepted; `False` when the server ends before.
    fn wait_until_ready(&self, py: Python<'_>) -> bool {
        py.detach(|| self.ready.lock().unwrap_or_else(PoisonError::into_inner).recv().is_ok())
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

    /// Stops draining the queue of `event_loop`, before its remaining tasks are cancelled.
    fn detach(&self, event_loop: &Bound<'_, PyAny>) -> PyResult<()> {
        self.event_loop.detach(event_loop)
    }

    /// Waits for the I/O thread.
    ///
    /// Raises `rsgi.StartupError` when an application's startup failed.
    fn finish(&self, py: Python<'_>) -> PyResult<()> {
        let stage = std::mem::replace(&mut *self.stage.lock().unwrap_or_else(PoisonError::into_inner), Stage::Finished);
        match stage {
            Stage::Running(thread) => {
                let result = py.detach(|| thread.join());
                result.map_err(|_| PyRuntimeError::new_err("the I/O thread panicked"))?.map_err(PyErr::from)
            }
            Stage::Bound(_) | Stage::Finished => Ok(()),
        }
    }

    /// Waits up to `patience` seconds for the WSGI calls of this process to end; gives the number that still run.
    #[staticmethod]
    fn wait_for_calls(py: Python<'_>, patience: Seconds) -> usize {
        py.detach(|| wait_until_idle(patience.0))
    }

    /// Where the server listens, such as `http://127.0.0.1:8000`.
    #[getter]
    fn addresses(&self) -> Vec<String> {
        self.addresses.clone()
    }
}

fn make_app(
    py: Python<'_>,
    spec: AppSpec,
    settings: &Settings,
    event_loop: &Arc<EventLoop>,
    outbox: &Arc<Outbox>,
    pool: Option<&Arc<Pool>>,
) -> PyResult<Arc<App>> {
    let (name, outbox): (Arc<str>, _) = (spec.name.as_str().into(), Arc::clone(outbox));
    let bridge = spec.bridge.as_ref().map(Py::get).filter(|bridge| bridge.allows_native(settings.max_header_fields));
    let gateway = if let Some(bridge) = bridge {
        let (app, pool, environ) = bridge.native(py)?;
        let target = WsgiTarget { app, environ, pool, scopes: Some(ScopeTemplate::new(py)?) };
        Gateway::Wsgi(Arc::new(WsgiGateway::new(Arc::clone(&name), target, outbox, settings)))
    } else if let Some(pool) = pool.filter(|_| spec.is_wsgi()) {
        let concurrency = Concurrency { multithread: settings.wsgi_threads > 1, multiprocess: settings.workers > 1 };
        let environ = EnvironTemplate::new(py, concurrency)?;
        let target = WsgiTarget { app: spec.application, environ, pool: Arc::clone(pool), scopes: None };
        Gateway::Wsgi(Arc::new(WsgiGateway::new(Arc::clone(&name), target, outbox, settings)))
    } else {
        let (event_loop, scopes) = (Arc::clone(event_loop), ScopeTemplate::new(py)?);
        Gateway::Asgi(Arc::new(AsgiGateway::new(
            Arc::clone(&name),
            spec.application,
            event_loop,
            scopes,
            outbox,
            settings,
        )))
    };
    Ok(Arc::new(App { name, gateway, running: AtomicUsize::new(0), limit: settings.limit_concurrency }))
}

fn limits(settings: &Settings) -> Limits {
    Limits {
        request_line: settings.max_request_line,
        header_section: settings.max_header_section,
        header_fields: settings.max_header_fields,
        header_timeout: settings.header_timeout.0,
        keep_alive_timeout: settings.keep_alive_timeout.0,
        min_data_rate: settings.min_data_rate,
        min_data_rate_grace: settings.min_data_rate_grace.0,
    }
}

/// The I/O thread.
fn run(prepared: Prepared, shutdown: &Shutdown) -> Result<(), StartupError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().max_blocking_threads(FILE_THREADS).enable_all().build().map_err(
            |error| {
                StartupError::new(format!("cannot start the runtime: {error}"), "the process may be out of descriptors")
            },
        )?;
    let Prepared { service, listening, outbox, pool, log_thread } = prepared;
    let result = runtime.block_on(async {
        tokio::spawn(async move { outbox.deliver().await });
        serve(Arc::new(service), listening, shutdown).await
    });
    // Connections that were cut end here, and with them the last clones of the access log.
    runtime.shutdown_background();
    if let Some(pool) = pool {
        pool.stop();
    }
    if let Some(thread) = log_thread {
        // A panic of the writer was printed by its hook.
        let _panicked = thread.join();
    }
    result
}

async fn serve(service: Arc<Service>, listening: Listening, shutdown: &Shutdown) -> Result<(), StartupError> {
    let lifespans = start_lifespans(&service, shutdown).await?;
    let grace = service.settings.grace.0;
    if shutdown.phase() == Phase::Serving {
        listening.begin(&service, shutdown);
    }
    drop(service);
    shutdown.alive().reached(Phase::Draining).await;
    if !shutdown.drain(grace).await {
        crate::log::line(format_args!("warning: requests that were still running were cut"));
    }
    for lifespan in lifespans.into_iter().rev() {
        lifespan.stop().await;
    }
    Ok(())
}

/// Starts applications in their order; when one fails, those before it are stopped again.
async fn start_lifespans(service: &Service, shutdown: &Shutdown) -> Result<Vec<Lifespan>, StartupError> {
    let mut running = Vec::new();
    let mut cut = shutdown.alive();
    for app in &service.apps {
        let Gateway::Asgi(gateway) = &app.gateway else { continue };
        let started = tokio::select! {
            started = lifespan::start(gateway, &service.settings) => started,
            () = cut.reached(Phase::Draining) => return Ok(running),
        };
        match started {
            Ok(lifespan) => running.extend(lifespan),
            Err(error) => {
                for lifespan in running.into_iter().rev() {
                    lifespan.stop().await;
                }
                return Err(error);
            }
        }
    }
    Ok(running)
}
