//! Lets several tasks of one application wait for the same request, such as a task in `receive` beside a stream, or
//! many senders to one WebSocket.
//!
//! A pipe knows only one waker for each end. That waker is this list: it wakes all tasks, and each polls again. A
//! cancelled task has dropped its waiter, so it takes no wake-up from the others.
//!
//! Spec: ASGI "Applications": `receive` and `send` may be awaited wherever the application likes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};

use pyo3::prelude::*;
use rsgi_bridge::host::awaitable::PollFn;

/// All tasks that wait for something of one request. They are woken together.
#[derive(Debug, Default)]
pub(super) struct Waiters(Mutex<Vec<Weak<Waiter>>>);

/// One waiting task.
#[derive(Debug, Default)]
struct Waiter(Mutex<Option<Waker>>);

impl Waiters {
    /// Makes the caller one of the waiting tasks. The result runs `poll` with the common waker.
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

    /// Wakes all of them.
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
