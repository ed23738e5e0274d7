//! Decides whether live requests leave room for a shadow request.
//!
//! Shadow requests share the interpreter with live requests, and go only when no live request waits. They also leave
//! one thread of the pool free, and wait until the event loop responds promptly.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::gateway::app::{App, Gateway};
use crate::runtime::event_loop::{EventLoop, LoopEvent};

/// How long a shadow request waits for room.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The time between two checks.
const EVERY: Duration = Duration::from_millis(5);

/// If the event loop takes longer than this to run a new callback, it is busy with live requests.
const MOST_LAG: Duration = Duration::from_millis(5);

/// Waits until there is room for a call of `app`. Returns `false` if there was none for too long.
pub async fn room_for(apps: &[Arc<App>], app: &App) -> bool {
    let began = Instant::now();
    while !(has_room(apps, app) && is_prompt(apps).await) {
        if began.elapsed() > TIMEOUT {
            return false;
        }
        tokio::time::sleep(EVERY).await;
    }
    true
}

/// Whether no call waits for a thread, and `app` could run another call beside this one.
fn has_room(apps: &[Arc<App>], app: &App) -> bool {
    let waits = |app: &Arc<App>| match &app.gateway {
        Gateway::Wsgi(gateway) => gateway.pool().stats().waiting > 0,
        Gateway::Asgi(_) => false,
    };
    if apps.iter().any(waits) {
        return false;
    }
    let running = app.load.in_flight.load(Ordering::Acquire);
    if app.load.limit.is_some_and(|limit| running + 1 >= limit) {
        return false;
    }
    match &app.gateway {
        Gateway::Wsgi(gateway) => {
            let (pool, stats) = (gateway.pool(), gateway.pool().stats());
            stats.running + 1 < pool.threads() || stats.running == 0
        }
        Gateway::Asgi(_) => true,
    }
}

/// Whether the event loop, if there is one, responds promptly.
async fn is_prompt(apps: &[Arc<App>]) -> bool {
    let event_loop = apps.iter().find_map(|app| match &app.gateway {
        Gateway::Asgi(gateway) => Some(&gateway.event_loop),
        Gateway::Wsgi(_) => None,
    });
    match event_loop.filter(|event_loop| event_loop.is_attached()) {
        Some(event_loop) => has_low_lag(event_loop).await,
        None => true,
    }
}

async fn has_low_lag(event_loop: &EventLoop) -> bool {
    let (sender, receiver) = oneshot::channel();
    let since = Instant::now();
    event_loop.submit(LoopEvent::Run(Box::new(move |_| {
        // The receiver is gone when the server stops.
        let _unheard = sender.send(since.elapsed());
    })));
    receiver.await.is_ok_and(|lag| lag <= MOST_LAG)
}
