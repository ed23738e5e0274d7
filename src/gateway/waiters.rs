//! Lets several tasks of one application wait for the same request, such as a task in `receive` beside a stream, or
//! many senders to one WebSocket.
//!
//! A pipe knows only one waker for each end. That waker is this list: it wakes all tasks, and each polls again. A
//! cancelled task has dropped its waiter, so it takes no wake-up from the others.
//!
//! Spec: ASGI "Applications": `receive` and `send` may be awaited wherever the application likes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use pyo3::prelude::*;
use rsgi_bridge::host::awaitable::PollFn;
use slab::Slab;

/// All tasks that wait for something of one request. They are woken together.
#[derive(Debug)]
pub(super) struct Waiters {
    list: Arc<WaiterList>,
    /// Wakes all of them. Kept, because each message needs it.
    waker: Waker,
}

/// The wakers of the waiting tasks. A task that runs, and will poll by itself, has none.
#[derive(Debug, Default)]
struct WaiterList(Mutex<Slab<Option<Waker>>>);

/// One waiting task, until this is dropped.
#[derive(Debug)]
struct Waiter {
    list: Arc<WaiterList>,
    key: usize,
}

impl Default for Waiters {
    fn default() -> Self {
        let list = Arc::<WaiterList>::default();
        Self { waker: Waker::from(Arc::clone(&list)), list }
    }
}

impl Waiters {
    /// Makes the caller one of the waiting tasks. The result runs `poll` with the common waker.
    pub(super) fn join(
        &self,
        mut poll: impl FnMut(Python<'_>, &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>> + Send + 'static,
    ) -> PollFn {
        let (key, list) = (self.list.lock().insert(None), Arc::clone(&self.list));
        let (waiter, all) = (Waiter { list, key }, self.waker.clone());
        Box::new(move |py, context| {
            waiter.set(context.waker());
            poll(py, &mut Context::from_waker(&all))
        })
    }

    /// Wakes all of them.
    pub(super) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Whether no task waits, and nothing will wake them.
    pub(super) fn are_unused(&self) -> bool {
        // The waker has the second reference.
        Arc::strong_count(&self.list) == 2
    }
}

impl WaiterList {
    fn lock(&self) -> MutexGuard<'_, Slab<Option<Waker>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for WaiterList {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let (first, others) = {
            let mut list = self.lock();
            let mut waiting = list.iter_mut().filter_map(|(_, waker)| waker.take());
            // Most often there is one, and this allocates nothing.
            (waiting.next(), waiting.collect::<Vec<_>>())
        };
        for waker in first.into_iter().chain(others) {
            waker.wake();
        }
    }
}

impl Waiter {
    fn set(&self, waker: &Waker) {
        // A task that only looks has no waker.
        if waker.will_wake(Waker::noop()) {
            return;
        }
        // Dropped without the lock, because it may run Python code.
        let _earlier = self.list.lock().get_mut(self.key).map(|place| place.replace(waker.clone()));
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let _waker = self.list.lock().try_remove(self.key);
    }
}
