//! Whether live requests leave room for a shadow request.
//!
//! Apart because this is the whole policy: shadow requests share the interpreter with live ones, and wait until none of those
//! waits. A pool keeps a thread free for them, and the event loop has to come to something new soon.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::gateway::app::{App, Gateway};
use crate::runtime::event_loop::{EventLoop, LoopEvent};

/// How long a shadow request waits for room.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often it looks.
const EVERY: Duration = Duration::from_millis(5);

/// An event loop that takes longer to come to something new has live requests to do.
const MOST_LAG: Duration = Duration::from_millis(5);

/// Waits until there is room for a call of `app`; `false` when there was none for too long.
pub async fn room_for(apps: &[Arc<App>], app: &App) -> bool {
    let began = Instant::now();
    while !(has_room(apps, app) && is_prompt(apps).await) {
        if began.elapsed() > PATIENCE {
            return false;
        }
        tokio::time::sleep(EVERY).await;
    }
    true
}

/// Whether no call waits for a thread, and `app` has room for one more beside this one.
fn has_room(apps: &[Arc<App>], app: &App) -> bool {
    let waits = |app: &Arc<App>| match &app.gateway {
        Gateway::Wsgi(gateway) => gateway.pool().stats().waiting > 0,
        Gateway::Asgi(_) => false,
    };
    if apps.iter().any(waits) {
        return false;
    }
    let running = app.load.unanswered.load(Ordering::Acquire);
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

/// Whether the event loop, if there is one, comes to something new soon.
async fn is_prompt(apps: &[Arc<App>]) -> bool {
    let event_loop = apps.iter().find_map(|app| match &app.gateway {
        Gateway::Asgi(gateway) => Some(&gateway.event_loop),
        Gateway::Wsgi(_) => None,
    });
    match event_loop.filter(|event_loop| event_loop.is_attached()) {
        Some(event_loop) => answers_in_time(event_loop).await,
        None => true,
    }
}

async fn answers_in_time(event_loop: &EventLoop) -> bool {
    let (sender, receiver) = oneshot::channel();
    let asked = Instant::now();
    event_loop.submit(LoopEvent::Run(Box::new(move |_| {
        // Nobody listens any more when the server stops.
        let _unheard = sender.send(asked.elapsed());
    })));
    receiver.await.is_ok_and(|lag| lag <= MOST_LAG)
}
