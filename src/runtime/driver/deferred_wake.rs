//! Wakes the loop once for the requests of a batch, if another thread reads them.
//!
//! The thread that drives tokio reads from all sockets that are ready, one after the other. If it woke the loop for the
//! first request, the system would often let the loop's thread run in its place: it would handle this one request, sleep,
//! and be woken for the next one. So the wake is put off until the tasks that are ready now have had their turn, until
//! there are [`MOST`] events, or until the thread stops driving. `wake_flag.rs` saves wakes of a thread that is awake.

use std::cell::Cell;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Poll, Waker};

use futures::task::AtomicWaker;

use super::wake_flag::WakeFlag;

/// The most events that wait for one wake. Small, so that the loop can begin while the thread reads on.
const MOST: u32 = 32;

thread_local! {
    /// What the current thread puts off.
    static PUT_OFF: Cell<*const DeferredWake> = const { Cell::new(std::ptr::null()) };
}

/// The wakes of one loop.
#[derive(Debug, Default)]
pub struct DeferredWake {
    flag: WakeFlag,
    /// How many events wait for a wake. Only the thread that drives uses it.
    events: AtomicU32,
    /// The task that wakes the loop.
    task: AtomicWaker,
}

/// Puts off the wakes of a loop while this exists, for events that come from this thread.
#[derive(Debug)]
pub struct PuttingOff<'a>(&'a DeferredWake);

impl DeferredWake {
    /// Tells the loop that its queue has an event: now, or later. Never blocks, from any thread.
    pub fn notify(&self) {
        if !self.puts_off() {
            self.flag.notify();
        }
    }

    /// From now on, wakes `listener`. See [`WakeFlag::listen`].
    pub fn listen(&self, listener: &Waker) {
        self.flag.listen(listener);
    }

    /// From now on, wakes nobody. See [`WakeFlag::suppress`].
    pub fn suppress(&self) {
        self.flag.suppress();
    }

    /// Puts off wakes until the result is dropped. [`DeferredWake::run`] must be a task of the runtime that this thread
    /// drives.
    pub(super) fn put_off(&self) -> PuttingOff<'_> {
        PUT_OFF.set(self);
        PuttingOff(self)
    }

    /// Wakes the loop behind the tasks that were ready before. Never ends.
    pub(super) fn run(self: Arc<Self>) -> impl Future<Output = ()> + Send {
        poll_fn(move |context| {
            self.task.register(context.waker());
            self.wake_now();
            Poll::Pending
        })
    }

    /// Notes an event of this thread. Returns whether its wake is put off.
    fn puts_off(&self) -> bool {
        if !std::ptr::eq(PUT_OFF.get(), self) {
            return false;
        }
        let events = self.events.load(Ordering::Relaxed);
        if events == 0 {
            self.task.wake();
        }
        let put_off = events + 1 < MOST;
        self.events.store(if put_off { events + 1 } else { 0 }, Ordering::Relaxed);
        put_off
    }

    fn wake_now(&self) {
        if self.events.swap(0, Ordering::Relaxed) > 0 {
            self.flag.notify();
        }
    }
}

impl Drop for PuttingOff<'_> {
    fn drop(&mut self) {
        PUT_OFF.set(std::ptr::null());
        self.0.wake_now();
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::atomic::AtomicUsize;
    use std::task::{Context, Wake};

    use super::*;

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wakes {
        fn count(&self) -> usize {
            self.0.load(Ordering::Relaxed)
        }
    }

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The wakes of a loop that listens, and how many there were.
    fn listening() -> (Arc<DeferredWake>, Arc<Wakes>) {
        let (deferred, wakes) = (Arc::<DeferredWake>::default(), Arc::<Wakes>::default());
        deferred.listen(&Waker::from(Arc::clone(&wakes)));
        (deferred, wakes)
    }

    fn notify(deferred: &DeferredWake, events: u32) {
        (0..events).for_each(|_| deferred.notify());
    }

    #[test]
    fn the_events_of_a_batch_wake_the_loop_once_and_behind_the_tasks_that_are_ready() {
        let (deferred, wakes) = listening();
        let task = Arc::<Wakes>::default();
        let (mut running, its_waker) = (pin!(Arc::clone(&deferred).run()), Waker::from(Arc::clone(&task)));
        let mut poll = || assert_eq!(running.as_mut().poll(&mut Context::from_waker(&its_waker)), Poll::Pending);
        poll();
        let _putting_off = deferred.put_off();
        notify(&deferred, 3);
        assert_eq!((wakes.count(), task.count()), (0, 1));
        poll();
        assert_eq!(wakes.count(), 1);
        poll();
        assert_eq!(wakes.count(), 1, "there was nothing new");
    }

    #[test]
    fn many_events_do_not_wait_for_the_end_of_the_batch() {
        let (deferred, wakes) = listening();
        let _putting_off = deferred.put_off();
        notify(&deferred, MOST - 1);
        assert_eq!(wakes.count(), 0);
        notify(&deferred, 1);
        assert_eq!(wakes.count(), 1);
    }

    #[test]
    fn a_thread_that_stops_driving_leaves_no_event_behind() {
        let (deferred, wakes) = listening();
        let putting_off = deferred.put_off();
        notify(&deferred, 1);
        drop(putting_off);
        assert_eq!(wakes.count(), 1);
        deferred.listen(&Waker::from(Arc::clone(&wakes)));
        notify(&deferred, 1);
        assert_eq!(wakes.count(), 2, "without it, a thread wakes at once");
    }

    #[test]
    fn the_wakes_of_another_loop_are_not_put_off() {
        let ((deferred, _), (other, wakes)) = (listening(), listening());
        let _putting_off = deferred.put_off();
        notify(&other, 1);
        assert_eq!(wakes.count(), 1);
    }

    #[test]
    fn the_wakes_of_another_thread_are_not_put_off() {
        let (deferred, wakes) = listening();
        let _putting_off = deferred.put_off();
        std::thread::scope(|scope| scope.spawn(|| notify(&deferred, 1)).join()).unwrap();
        assert_eq!(wakes.count(), 1);
    }
}
