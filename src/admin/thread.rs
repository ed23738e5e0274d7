//! The thread of the admin listener.
//!
//! The threads of the server may wait for the GIL. This thread must not.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;
use std::time::SystemTime;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use super::address::Door;
use super::dashboard::Dashboard;
use super::http::{NumberSource, Show, serve};
use super::line;
use super::process::{LoopLag, Process};
use super::scene::keep_up;
use super::status::ServerFacts;
use crate::config::startup_error::StartupError;
use crate::http::service::Service;
use crate::runtime::calls::Calls;
use crate::runtime::event_loop::EventLoop;
use crate::runtime::shutdown::Shutdown;

/// A thread that runs until it is told to stop.
#[derive(Debug)]
pub struct AdminThread {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
    handle: Handle,
}

impl AdminThread {
    /// Runs `work` on a new thread. `work` gets a receiver, and must end soon after that is ready.
    ///
    /// # Errors
    /// When the system has no threads or descriptors left.
    pub fn spawn<W>(work: impl FnOnce(oneshot::Receiver<()>) -> W) -> Result<Self, StartupError>
    where
        W: Future<Output = ()> + Send + 'static,
    {
        let failed = |error: io::Error| {
            StartupError::new(
                format!("cannot start the thread of the admin listener: {error}"),
                "the process may be out of threads or descriptors",
            )
        };
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let working = work(stopped);
        let thread = std::thread::Builder::new().name("rsgi-admin".into());
        let thread = thread.spawn(move || runtime.block_on(working)).map_err(failed)?;
        Ok(Self { stop, thread, handle })
    }

    /// The runtime, to spawn tasks on.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Stops the thread and waits for its end.
    pub fn stop(self) {
        // The thread may have ended already. The panic hook has printed a panic.
        let _ended = self.stop.send(());
        let _panicked = self.thread.join();
    }
}

/// Starts the admin thread of this process, if there is a `door`.
///
/// # Errors
/// As for [`AdminThread::spawn`].
pub fn start(
    door: Option<Door>,
    service: &Service,
    dashboard: Option<&Dashboard>,
    (calls, event_loop, shutdown): (&Arc<Calls>, &Arc<EventLoop>, &Arc<Shutdown>),
    (accepting, addresses): (&Arc<AtomicBool>, Vec<String>),
) -> Result<Option<AdminThread>, StartupError> {
    let (Some(door), Some(dashboard)) = (door, dashboard) else { return Ok(None) };
    let process = Arc::new(Process {
        metrics: Arc::clone(&dashboard.metrics),
        apps: service.apps.clone(),
        calls: Arc::clone(calls),
        event_loop: Arc::clone(event_loop),
        shutdown: Arc::clone(shutdown),
        accepting: Arc::clone(accepting),
        began: SystemTime::now(),
        lag: Arc::new(LoopLag::default()),
        shares: Arc::clone(&service.shares),
        map: Arc::clone(&dashboard.map),
        shadow: service.shadowing.as_ref().map(|shadowing| Arc::clone(&shadowing.counters)),
        hub: service.grip.as_ref().map(|grip| Arc::clone(&grip.hub)),
    });
    match door {
        Door::Line(stream) => {
            line::hear_greeting(&stream, &service.shares);
            let thread = AdminThread::spawn(|stop| async move {
                let stop = async { drop(stop.await) };
                tokio::select! {
                    () = line::reply(stream, &process, stop) => {}
                    () = process.watch_loop() => {}
                }
            })?;
            Ok(Some(thread))
        }
        Door::Listener(bound, access) => {
            let url = bound.url(false);
            let facts = ServerFacts::new(&service.settings, addresses);
            let source = NumberSource::Process(Arc::clone(&process));
            let show = Arc::new(Show { access, facts, source, board: Arc::clone(&dashboard.board) });
            let thread = AdminThread::spawn(|stop| async move {
                tokio::select! {
                    () = serve(bound, Arc::clone(&show)) => {}
                    () = keep_up(show) => {}
                    () = process.watch_loop() => {}
                    () = process.keep_judging() => {}
                    _stopped = stop => {}
                }
            })?;
            crate::log::line(format_args!("admin on {url}"));
            Ok(Some(thread))
        }
    }
}
