//! The phases of a shutdown: stop accepting, drain, cut.
//!
//! Listeners, connections and WebSockets follow the same phases. `drain.rs` decides when each phase starts.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use tokio::sync::watch;

use crate::net::admission::ConnectionPermit;

/// How long a client may take to send a request if it has just connected or just sent one. Its next request may be on
/// the way.
const LAST_REQUEST: Duration = Duration::from_millis(300);

/// The phase of a shutdown. Phases only go forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Requests are served.
    Serving,
    /// Requests are served. Load balancers are told to send them elsewhere.
    Leaving,
    /// Running requests may finish. Nothing new is accepted.
    Draining,
    /// Everything ends now.
    Cut,
}

/// Sets the phase.
#[derive(Debug)]
pub struct Shutdown(watch::Sender<Phase>);

/// Everything that must end before the server ends holds one of these.
#[derive(Debug, Clone)]
pub struct ShutdownGuard {
    phases: watch::Receiver<Phase>,
    /// The permit of a connection, until everything of the connection has ended.
    _permit: Option<Arc<ConnectionPermit>>,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self(watch::Sender::new(Phase::Serving))
    }
}

impl Shutdown {
    /// Begins the shutdown. Does nothing if it has begun already.
    pub fn begin(&self) {
        self.advance(Phase::Leaving);
    }

    /// Goes on to `phase`. Does nothing if the shutdown has reached that phase already.
    pub fn advance(&self, phase: Phase) {
        self.0.send_if_modified(|now| {
            let later = *now < phase;
            if later {
                *now = phase;
            }
            later
        });
    }

    /// The current phase.
    pub fn phase(&self) -> Phase {
        *self.0.borrow()
    }

    /// A guard for something that lives as long as the server.
    pub fn guard(&self) -> ShutdownGuard {
        ShutdownGuard { phases: self.0.subscribe(), _permit: None }
    }

    /// Waits until the last [`ShutdownGuard`] is dropped.
    pub async fn emptied(&self) {
        self.0.closed().await;
    }
}

impl ShutdownGuard {
    /// A guard for a connection that holds `permit`.
    pub fn of_connection(&self, permit: Option<ConnectionPermit>) -> Self {
        Self { phases: self.phases.clone(), _permit: permit.map(Arc::new) }
    }

    /// The current phase.
    pub fn phase(&self) -> Phase {
        *self.phases.borrow()
    }

    /// Waits until the server is at `phase` or later.
    pub async fn reached(&mut self, phase: Phase) {
        // An error means that the server has ended, which is later than any phase.
        let _changed = self.phases.wait_for(|now| *now >= phase).await;
    }

    /// Runs `work` until it is ready or the server is at `phase` or later. In the second case, returns `None`.
    ///
    /// The task of a connection is polled for each of its requests. To read the phase takes a lock. So while the server
    /// serves, the phase is only read after it has changed. Later it is read each time: the wake-up for the earlier
    /// phase may come again and use up the one for the next phase.
    pub async fn unless<T>(&mut self, phase: Phase, mut work: Pin<&mut impl Future<Output = T>>) -> Option<T> {
        let news = self.phases.clone();
        let serving = self.phase() == Phase::Serving;
        let mut reached = pin!(self.reached(phase));
        let mut told: Option<Waker> = None;
        poll_fn(|context| {
            if let Poll::Ready(result) = work.as_mut().poll(context) {
                return Poll::Ready(Some(result));
            }
            let will_be_told = serving && told.as_ref().is_some_and(|waker| waker.will_wake(context.waker()));
            if will_be_told && matches!(news.has_changed(), Ok(false)) {
                return Poll::Pending;
            }
            told = Some(context.waker().clone());
            reached.as_mut().poll(context).map(|()| None)
        })
        .await
    }

    /// Waits until the server drains, and then for a client whose request may be on the way.
    pub async fn given_up(&mut self) {
        self.reached(Phase::Draining).await;
        tokio::time::sleep(LAST_REQUEST).await;
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::time::Instant;

    use tokio::runtime::Builder;
    use tokio::time::timeout;

    use super::*;

    /// Waits on its own thread, as a connection does, for one phase after another. Returns how long that took.
    fn time_until_drained(shutdown: &Shutdown) -> Duration {
        let mut alive = shutdown.guard();
        let waiting = std::thread::spawn(move || {
            let began = Instant::now();
            let runtime = Builder::new_current_thread().enable_time().build().unwrap();
            let phases = async {
                for phase in [Phase::Leaving, Phase::Draining] {
                    assert_eq!(alive.unless(phase, pin!(pending::<()>())).await, None);
                }
            };
            // Without this timeout, a lost wake-up would hang the test.
            let _late = runtime.block_on(async { timeout(Duration::from_secs(20), phases).await });
            began.elapsed()
        });
        shutdown.begin();
        shutdown.advance(Phase::Draining);
        waiting.join().unwrap()
    }

    #[test]
    fn a_phase_that_follows_at_once_is_not_missed() {
        for _ in 0..2000 {
            assert!(time_until_drained(&Shutdown::default()) < Duration::from_secs(10));
        }
    }
}
