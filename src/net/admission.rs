//! Limits the number of open connections (`--max-connections`).
//!
//! All listeners share it. A connection over the limit is not refused. It is not accepted, and waits in the queue of
//! the kernel, where another process may take it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::log;

/// The time between two checks whether a connection has closed.
const LOOK: Duration = Duration::from_secs(1);

/// Counts the open connections.
#[derive(Debug)]
pub struct Admission {
    most: usize,
    state: Mutex<AdmissionState>,
}

#[derive(Debug, Default)]
struct AdmissionState {
    open: usize,
    /// The listeners that wait for a permit.
    waiting: Vec<Waker>,
    /// Whether a task waits for the end of the shortage.
    watched: bool,
}

/// One open connection, until this is dropped.
#[derive(Debug)]
pub struct ConnectionPermit(Arc<Admission>);

impl Admission {
    /// A limit of `most` connections.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, state: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, AdmissionState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ready if another connection is allowed. Called on the driving thread.
    pub fn poll_room(self: &Arc<Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.open < self.most {
            return Poll::Ready(());
        }
        if !state.waiting.iter().any(|waker| waker.will_wake(context.waker())) {
            state.waiting.push(context.waker().clone());
        }
        if !std::mem::replace(&mut state.watched, true) {
            log::line(format_args!(
                "warning: {} connections are open, as many as `--max-connections` allows: further ones wait in the kernel",
                self.most
            ));
            tokio::spawn(watch(Arc::clone(self)));
        }
        Poll::Pending
    }

    /// Takes a permit. Called right after `poll_room` was ready.
    pub fn take(self: &Arc<Self>) -> ConnectionPermit {
        self.lock().open += 1;
        ConnectionPermit(Arc::clone(self))
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let waiting = {
            let mut state = self.0.lock();
            state.open -= 1;
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }
}

/// Logs when connections are accepted again.
async fn watch(admission: Arc<Admission>) {
    let since = Instant::now();
    loop {
        tokio::time::sleep(LOOK).await;
        let mut state = admission.lock();
        if state.open < admission.most {
            state.watched = false;
            drop(state);
            let seconds = since.elapsed().as_secs_f64();
            log::line(format_args!("there is room for connections again after {seconds:.0} s"));
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[test]
    fn a_place_that_is_given_back_lets_the_next_one_in() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let admission = Admission::new(1);
            let permit = admission.take();
            let waiting = tokio::spawn({
                let admission = Arc::clone(&admission);
                async move { poll_fn(|context| admission.poll_room(context)).await }
            });
            tokio::task::yield_now().await;
            assert!(!waiting.is_finished());
            drop(permit);
            waiting.await.unwrap();
        });
    }
}
