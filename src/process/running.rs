//! A running server: from the startup of its applications to the end of its threads.
//!
//! `server.rs` is the Python interface and puts the server together.
//!
//! Spec: ASGI Lifespan 2.0 (no request before `startup.complete`).

use std::pin::Pin;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rsgi_bridge::pool::Pool;

use crate::accept::listener::Listening;
use crate::admin::AdminThread;
use crate::config::startup_error::StartupError;
use crate::gateway::pools::Pools;
use crate::http::service::Service;
use crate::log;
use crate::process::drain::Drain;
use crate::process::startup::{self, Started};
use crate::runtime::driver::beside_loop::BesideLoop;
use crate::runtime::driver::{Driver, fallback};
use crate::runtime::event_loop::EventLoop;
use crate::runtime::shutdown::Phase;
use crate::shadow;

/// How long the access log may take to write its last lines.
const LOG_TIMEOUT: Duration = Duration::from_secs(5);

/// The parts of a running server that must end.
#[derive(Debug)]
pub struct Running {
    /// Ends when the server has ended.
    pub io_thread: JoinHandle<Result<(), StartupError>>,
    /// The WSGI threads.
    pub pools: Pools,
    /// Writes the access log.
    pub log_thread: Option<JoinHandle<()>>,
    /// The thread of the admin listener.
    pub admin: Option<AdminThread>,
}

impl Running {
    /// Waits until all of them have ended.
    ///
    /// # Errors
    /// When the startup of an application failed, or when the server itself panicked.
    pub fn finish(self, driver: &Driver) -> Result<(), StartupError> {
        let result = self.io_thread.join().unwrap_or_else(|_| Err(failed()));
        self.pools.stop();
        // Connections that were cut end here, and drop their clones of the access log.
        driver.end();
        // The admin thread stops after the last request was counted.
        if let Some(admin) = self.admin {
            admin.stop();
        }
        if let Some(thread) = self.log_thread {
            finish_log(thread);
        }
        result
    }
}

/// Waits for the last lines of the access log, but not for a reader that has stopped.
fn finish_log(thread: JoinHandle<()>) {
    let began = Instant::now();
    while !thread.is_finished() {
        if began.elapsed() > LOG_TIMEOUT {
            log::line(format_args!("warning: the last lines of the access log were lost: its output takes none"));
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    // A panic of the writer was printed by its hook.
    let _panicked = thread.join();
}

/// What the thread `rsgi-io` does until the server has ended.
pub enum IoThread {
    /// It drives if no thread of the pool does. Beside the pool stands the number of processes that serve.
    Fallback(Arc<Pool>, usize),
    /// It drives all the time.
    Drives(Arc<EventLoop>),
    /// It drives beside the loop while that pays.
    Beside(Arc<BesideLoop>),
    /// It only waits.
    Waits,
}

impl IoThread {
    /// Runs on the current thread.
    ///
    /// # Errors
    /// As for [`Running::finish`].
    pub fn run(self, driver: &Arc<Driver>, mut serving: Serving) -> Result<(), StartupError> {
        let ended = match self {
            Self::Fallback(pool, workers) => Some(fallback::run_fallback_driver(driver, &pool, workers, serving)),
            Self::Drives(event_loop) => driver.drive_alone(&event_loop, |context| Pin::new(&mut serving).poll(context)),
            Self::Beside(beside) => Some(beside.run(serving)),
            Self::Waits => Some(futures::executor::block_on(serving)),
        };
        // The runtime still exists here, so without a result our code has panicked.
        ended.and_then(Result::ok).unwrap_or_else(|| Err(failed()))
    }
}

fn failed() -> StartupError {
    StartupError::new("the server itself failed (the panic is above)", "please report it")
}

type Serving = tokio::task::JoinHandle<Result<(), StartupError>>;

/// Runs the server from the startup of the applications to their shutdown.
///
/// # Errors
/// When a startup failed.
pub async fn serve(
    service: Arc<Service>,
    started: Option<Started>,
    listening: Listening,
    drain: Drain<'_>,
) -> Result<(), StartupError> {
    let shutdown = drain.shutdown;
    let lifespans = startup::start(&service, started, shutdown).await?;
    if shutdown.phase() == Phase::Serving {
        if let Some(shadowing) = &service.shadowing {
            // It ends before the drain.
            tokio::spawn(shadow::run(Arc::clone(shadowing), Arc::clone(&service), shutdown.guard()));
        }
        listening.begin(&service, shutdown);
    }
    drop(service);
    drain.begun().await;
    drain.run().await;
    startup::stop(lifespans).await;
    Ok(())
}
