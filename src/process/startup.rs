//! What happens before the first request: the applications start in order, then Python reads their routes again.
//!
//! The server accepts no connections before that. `gateway/lifespan.rs` handles one application.
//!
//! Spec: ASGI Lifespan 2.0 (no request before `startup.complete`; an application may add routes in its startup).

use std::sync::Arc;

use pyo3::prelude::*;
use tokio::sync::oneshot;

use crate::config::startup_error::StartupError;
use crate::gateway::app::Gateway;
use crate::gateway::lifespan::{self, Lifespan};
use crate::http::service::Service;
use crate::runtime::event_loop::{EventLoop, LoopEvent};
use crate::runtime::shutdown::{Phase, Shutdown};

/// A function of Python that is called in the event loop when the applications have started.
#[derive(Debug)]
pub struct Started {
    call: Py<PyAny>,
    event_loop: Arc<EventLoop>,
}

impl Started {
    /// Will call `call` in `event_loop`.
    pub fn new(call: Py<PyAny>, event_loop: Arc<EventLoop>) -> Self {
        Self { call, event_loop }
    }

    /// Calls it, and waits until it has returned.
    ///
    /// # Errors
    /// The exception that it raised.
    async fn tell(self) -> Result<(), StartupError> {
        let (sender, receiver) = oneshot::channel();
        let Self { call, event_loop } = self;
        event_loop.submit(LoopEvent::Run(Box::new(move |py| {
            let told = call.call0(py).map(|_| ()).map_err(|error| StartupError::from_python(py, &error));
            // If the server has ended in the meantime, nothing waits for the result.
            let _unheard = sender.send(told);
        })));
        // Without a result, the loop has ended, and the server too.
        receiver.await.unwrap_or(Ok(()))
    }
}

/// Starts the applications, and calls `started`. If that fails, stops them again.
///
/// # Errors
/// What failed.
pub async fn start(
    service: &Service,
    started: Option<Started>,
    shutdown: &Shutdown,
) -> Result<Vec<Lifespan>, StartupError> {
    let running = start_each(service, shutdown).await?;
    if shutdown.phase() == Phase::Serving
        && let Some(started) = started
        && let Err(error) = started.tell().await
    {
        stop(running).await;
        return Err(error);
    }
    Ok(running)
}

/// Stops applications, the last one first.
pub async fn stop(lifespans: Vec<Lifespan>) {
    for lifespan in lifespans.into_iter().rev() {
        lifespan.stop().await;
    }
}

/// Starts the applications in their order. If one fails, stops those before it again.
async fn start_each(service: &Service, shutdown: &Shutdown) -> Result<Vec<Lifespan>, StartupError> {
    let mut running = Vec::new();
    let cut = shutdown.guard();
    for app in &service.apps {
        let Gateway::Asgi(gateway) = &app.gateway else { continue };
        let started = tokio::select! {
            started = lifespan::start(gateway, &service.settings) => started,
            () = cut.reached(Phase::Leaving) => return Ok(running),
        };
        match started {
            Ok(lifespan) => running.extend(lifespan),
            Err(error) => {
                stop(running).await;
                return Err(error);
            }
        }
    }
    Ok(running)
}
