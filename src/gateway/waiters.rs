//! Several tasks of one application may wait for the same request: a listener beside a stream, many senders to one WebSocket.
//!
//! Kept apart because pipes know one waker for each of their ends. All who wait are woken and look again; one that has given up
//! (its wait was cancelled) has dropped its waiter, and takes nothing from the others.
//!
//! Spec: ASGI "Applications": `receive` and `send` may be awaited wherever the application likes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};

use pyo3::prelude::*;
use rsgi_bridge::host::awaitable::PollFn;

/// All who wait for something of one request; woken together.
#[derive(Debug, Default)]
pub(super) struct Waiters(Mutex<Vec<Weak<Waiter>>>);

/// One wait.
#[derive(Debug, Default)]
struct Waiter(Mutex<Option<Waker>>);

impl Waiters {
    /// `poll` as one of those who wait.
    pub(super) fn join(
        self: &Arc<Self>,
        mut poll: impl FnMut(Python<'_>, &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>> + Send + 'static,
    ) -> PollFn {
        let waiter = Arc::new(Waiter::default());
        let mut waiters = self.lock();
        waiters.retain(|waiter| waiter.strong_count() > 0);
        waiters.push(Arc::downgrade(&waiter));
        drop(waiters);
        let all = self.waker();
        Box::new(move |py, context| {
            waiter.set(Some(context.waker().clone()));
            poll(py, &mut Context::from_waker(&all))
        })
    }

    /// Wakes all.
    pub(super) fn waker(self: &Arc<Self>) -> Waker {
        Waker::from(Arc::clone(self))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<Waiter>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Waiters {
    fn wake(self: Arc<Self>) {
        let waiting: Vec<_> = self.lock().iter().filter_map(Weak::upgrade).collect();
        for waker in waiting.iter().filter_map(|waiter| waiter.set(None)) {
            waker.wake();
        }
    }
}

impl Waiter {
    fn set(&self, waker: Option<Waker>) -> Option<Waker> {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), waker)
    }
}
