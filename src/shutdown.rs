//! From a signal to an empty server: stop accepting, drain, deadline.
//!
//! Kept apart because listener, connections and WebSockets all follow the same three phases, and the server waits until
//! the last of them has gone.

use std::time::Duration;

use tokio::sync::watch;

/// How long a client that has just come may take to ask. It was let in, so its request is on the way.
const FIRST_REQUEST: Duration = Duration::from_millis(300);

/// How far a shutdown has come; it only ever goes forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Requests are welcome.
    Serving,
    /// Running requests may finish; nothing new is accepted.
    Draining,
    /// Everything ends now.
    Cut,
}

/// The one who says when.
#[derive(Debug)]
pub struct Shutdown(watch::Sender<Phase>);

/// Held by everything that must have ended before the server has.
#[derive(Debug, Clone)]
pub struct Alive(watch::Receiver<Phase>);

impl Default for Shutdown {
    fn default() -> Self {
        Self(watch::Sender::new(Phase::Serving))
    }
}

impl Shutdown {
    /// Begins to drain; nothing more happens when it has begun already.
    pub fn begin(&self) {
        self.0.send_if_modified(|phase| {
            *phase == Phase::Serving && std::mem::replace(phase, Phase::Draining) == Phase::Serving
        });
    }

    /// The phase now.
    pub fn phase(&self) -> Phase {
        *self.0.borrow()
    }

    /// A handle for something that lives while the server does.
    pub fn alive(&self) -> Alive {
        Alive(self.0.subscribe())
    }

    /// Waits for the last [`Alive`] to go, or until `grace` is over; then cuts the rest, which go at their next step. `true`
    /// when all went by themselves.
    pub async fn drain(&self, grace: Duration) -> bool {
        if tokio::time::timeout(grace, self.0.closed()).await.is_ok() {
            return true;
        }
        self.0.send_replace(Phase::Cut);
        // Tasks see the cut at their next step; one second is far more than they need.
        let _ended = tokio::time::timeout(Duration::from_secs(1), self.0.closed()).await;
        false
    }
}

impl Alive {
    /// Waits until the server is at `phase` or further.
    pub async fn reached(&mut self, phase: Phase) {
        // An error means that the server has gone, which is further than any phase.
        let _changed = self.0.wait_for(|now| *now >= phase).await;
    }

    /// Waits until the server drains and a client that has not asked for anything yet has had its time.
    pub async fn given_up(&mut self) {
        self.reached(Phase::Draining).await;
        tokio::time::sleep(FIRST_REQUEST).await;
    }
}
