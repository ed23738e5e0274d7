//! The phases of a shutdown: stop accepting, drain, cut.
//!
//! Listeners, connections and WebSockets follow the same phases. `drain.rs` decides when each phase starts.
//!
//! Apart from tokio's `watch` because every idle connection waits for the next phase, and is polled for each request. A
//! waiting connection needs less memory here, and to ask for the phase takes no lock.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use slab::Slab;

use crate::net::admission::ConnectionPermit;

/// How long a client may take to send a request if it has just connected or just sent one. Its next request may be on
/// the way.
const LAST_REQUEST: Duration = Duration::from_millis(300);

/// The phase of a shutdown. Phases only go forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
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

/// Sets the phase. When it is dropped, the server has ended, and the phase is the last.
#[derive(Debug, Default)]
pub struct Shutdown(Arc<ShutdownState>);

/// Everything that must end before the server ends holds one of these.
#[derive(Debug)]
pub struct ShutdownGuard {
    state: Arc<ShutdownState>,
    /// The permit of a connection, until everything of the connection has ended.
    permit: Option<Arc<ConnectionPermit>>,
}

#[derive(Debug, Default)]
struct ShutdownState {
    /// A [`Phase`]. Only changed with the lock of `waiting`.
    phase: AtomicU8,
    /// How many guards there are.
    guards: AtomicUsize,
    waiting: Mutex<WaitingTasks>,
}

#[derive(Debug, Default)]
struct WaitingTasks {
    /// They wait for a later phase.
    later: Slab<Waker>,
    /// It waits for the last guard.
    emptied: Option<Waker>,
}

impl ShutdownState {
    fn lock(&self) -> MutexGuard<'_, WaitingTasks> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Serving,
            1 => Phase::Leaving,
            2 => Phase::Draining,
            _ => Phase::Cut,
        }
    }

    fn advance(&self, phase: Phase) {
        let waiting = self.lock();
        if self.phase() >= phase {
            return;
        }
        self.phase.store(phase as u8, Ordering::Release);
        let woken: Vec<Waker> = waiting.later.iter().map(|(_, waker)| waker.clone()).collect();
        // Released first, because a woken task may wait again at once.
        drop(waiting);
        woken.iter().for_each(Waker::wake_by_ref);
    }
}

impl Drop for Shutdown {
    fn drop(&mut self) {
        self.0.advance(Phase::Cut);
    }
}

impl Shutdown {
    /// Begins the shutdown. Does nothing if it has begun already.
    pub fn begin(&self) {
        self.advance(Phase::Leaving);
    }

    /// Goes on to `phase`. Does nothing if the shutdown has reached that phase already.
    pub fn advance(&self, phase: Phase) {
        self.0.advance(phase);
    }

    /// The current phase.
    pub fn phase(&self) -> Phase {
        self.0.phase()
    }

    /// A guard for something that lives as long as the server.
    pub fn guard(&self) -> ShutdownGuard {
        ShutdownGuard::new(&self.0, None)
    }

    /// Waits until the last [`ShutdownGuard`] is dropped. One task may wait for that.
    pub async fn emptied(&self) {
        poll_fn(|context| {
            let mut waiting = self.0.lock();
            if self.0.guards.load(Ordering::Acquire) == 0 {
                return Poll::Ready(());
            }
            waiting.emptied = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

impl Clone for ShutdownGuard {
    fn clone(&self) -> Self {
        Self::new(&self.state, self.permit.clone())
    }
}

impl Drop for ShutdownGuard {
    fn drop(&mut self) {
        if self.state.guards.fetch_sub(1, Ordering::AcqRel) == 1 {
            // Taken with the lock: a task that saw this guard has left its waker by then.
            let emptied = self.state.lock().emptied.take();
            emptied.iter().for_each(Waker::wake_by_ref);
        }
    }
}

impl ShutdownGuard {
    fn new(state: &Arc<ShutdownState>, permit: Option<Arc<ConnectionPermit>>) -> Self {
        state.guards.fetch_add(1, Ordering::AcqRel);
        Self { state: Arc::clone(state), permit }
    }

    /// A guard for a connection that holds `permit`.
    pub fn of_connection(&self, permit: Option<ConnectionPermit>) -> Self {
        Self::new(&self.state, permit.map(Arc::new))
    }

    /// The current phase.
    pub fn phase(&self) -> Phase {
        self.state.phase()
    }

    /// Waits until the server is at `phase` or later.
    pub fn reached(&self, phase: Phase) -> PhaseReached<'_> {
        PhaseReached { state: &self.state, phase, registered: None }
    }

    /// Runs `work` until it is ready or the server is at `phase` or later. In the second case, returns `None`.
    pub fn unless<'a, F: Future>(&'a self, phase: Phase, work: Pin<&'a mut F>) -> UnlessReached<'a, F> {
        UnlessReached { work, reached: self.reached(phase) }
    }

    /// Waits until the server drains, and then for a client whose request may be on the way.
    pub async fn given_up(&self) {
        self.reached(Phase::Draining).await;
        tokio::time::sleep(LAST_REQUEST).await;
    }
}

/// Ready when the server is at a phase or later.
#[derive(Debug)]
pub struct PhaseReached<'a> {
    state: &'a ShutdownState,
    phase: Phase,
    /// The place of the task among those that wait, and the task.
    registered: Option<(usize, Waker)>,
}

impl Future for PhaseReached<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.state.phase() >= self.phase {
            return Poll::Ready(());
        }
        // The task of a connection is polled for each of its requests.
        if self.registered.as_ref().is_some_and(|(_, waker)| waker.will_wake(context.waker())) {
            return Poll::Pending;
        }
        let mut waiting = self.state.lock();
        // Again, because it only changes with the lock.
        if self.state.phase() >= self.phase {
            return Poll::Ready(());
        }
        let waker = context.waker().clone();
        let before = self.registered.take().and_then(|(place, _)| waiting.later.try_remove(place));
        let place = waiting.later.insert(waker.clone());
        // Released before a waker is dropped: the last one of a task drops the task.
        drop(waiting);
        drop(before);
        self.registered = Some((place, waker));
        Poll::Pending
    }
}

impl Drop for PhaseReached<'_> {
    fn drop(&mut self) {
        if let Some((place, _)) = self.registered.take() {
            let waker = self.state.lock().later.try_remove(place);
            drop(waker);
        }
    }
}

/// See [`ShutdownGuard::unless`].
#[derive(Debug)]
pub struct UnlessReached<'a, F> {
    work: Pin<&'a mut F>,
    reached: PhaseReached<'a>,
}

impl<F: Future> Future for UnlessReached<'_, F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(result) = self.work.as_mut().poll(context) {
            return Poll::Ready(Some(result));
        }
        Pin::new(&mut self.reached).poll(context).map(|()| None)
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::pin::pin;
    use std::time::Instant;

    use tokio::runtime::Builder;
    use tokio::time::timeout;

    use super::*;

    /// Waits on its own thread, as a connection does, for one phase after another. Returns how long that took.
    fn time_until_drained(shutdown: &Shutdown) -> Duration {
        let alive = shutdown.guard();
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

    #[test]
    fn the_last_guard_ends_the_wait_for_it() {
        for _ in 0..500 {
            let shutdown = Shutdown::default();
            let guards: Vec<_> = (0..3).map(|_| shutdown.guard()).collect();
            let dropping: Vec<_> = guards.into_iter().map(|guard| std::thread::spawn(move || drop(guard))).collect();
            let runtime = Builder::new_current_thread().enable_time().build().unwrap();
            let emptied = runtime.block_on(async { timeout(Duration::from_secs(20), shutdown.emptied()).await });
            assert_eq!(emptied, Ok(()));
            for thread in dropping {
                thread.join().unwrap();
            }
        }
    }

    #[test]
    fn a_server_that_is_gone_is_at_the_last_phase() {
        let shutdown = Shutdown::default();
        let guard = shutdown.guard();
        drop(shutdown);
        assert_eq!(guard.phase(), Phase::Cut);
    }

    #[test]
    fn a_wait_that_is_given_up_leaves_nothing_behind() {
        let shutdown = Shutdown::default();
        let guard = shutdown.guard();
        let mut context = Context::from_waker(Waker::noop());
        let mut waits: Vec<_> = (0..3).map(|_| guard.reached(Phase::Leaving)).collect();
        for wait in &mut waits {
            assert!(Pin::new(wait).poll(&mut context).is_pending());
        }
        assert_eq!(shutdown.0.lock().later.len(), 3);
        drop(waits);
        assert!(shutdown.0.lock().later.is_empty());
    }
}
