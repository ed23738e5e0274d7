//! Lets the thread `rsgi-io` sleep by the clock while many calls wait for a WSGI thread or for the event loop.
//!
//! Otherwise each response wakes it, if it drives. A wake costs the thread that runs the calls a system call, and
//! `rsgi-io` two context switches. A client whose call waits behind many others does not notice a fraction of a
//! millisecond. So nobody wakes `rsgi-io` then. It pauses for a small part of the time that the waiting calls will take,
//! and sends the responses of that time together.

use std::time::Duration;

use super::second_processor::SHORT;
use crate::runtime::event_loop::EventLoop;

/// With fewer waiting calls, the threads might run out of calls during a pause.
const FEWEST_WAITING: usize = 8;

/// A pause takes one part in this many of the time that the waiting calls take.
const PARTS: u32 = 16;

/// The longest pause. Longer calls have too few responses for it.
const LONGEST: Duration = Duration::from_micros(250);

/// The calls at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct WaitingCalls {
    /// How many calls have begun so far.
    pub(super) begun: usize,
    /// How many calls wait.
    pub(super) calls: usize,
    /// How long a call takes on average.
    pub(super) call_time: Duration,
}

impl WaitingCalls {
    /// The calls that wait for `event_loop`.
    pub(super) fn of(event_loop: &EventLoop) -> Self {
        Self { begun: event_loop.begun(), calls: event_loop.waiting(), call_time: event_loop.call_time() }
    }
}

/// The pauses of one stretch of driving.
#[derive(Debug)]
pub(super) struct DriverPauses<F> {
    /// Says which calls wait.
    look: F,
    /// How many calls had begun before the latest pause.
    begun: usize,
}

impl<F: Fn() -> WaitingCalls> DriverPauses<F> {
    /// Pauses for the calls that `look` tells.
    pub(super) fn new(look: F) -> Self {
        let begun = look().begun;
        Self { look, begun }
    }

    /// Sleeps if many calls wait. Returns whether it has slept.
    ///
    /// If no call has begun since the last pause, all threads may be blocked for long. Then it does not sleep.
    pub(super) fn pause(&mut self) -> bool {
        let WaitingCalls { begun, calls, call_time } = (self.look)();
        if std::mem::replace(&mut self.begun, begun) == begun {
            return false;
        }
        let Some(time) = length(calls, call_time) else { return false };
        std::thread::sleep(time);
        true
    }
}

/// How long to pause while this many calls wait, which take `call_time` each.
fn length(waiting: usize, call_time: Duration) -> Option<Duration> {
    if waiting < FEWEST_WAITING || !(SHORT..=LONGEST).contains(&call_time) {
        return None;
    }
    let work = call_time.saturating_mul(u32::try_from(waiting).unwrap_or(u32::MAX));
    Some((work / PARTS).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::sync::{Arc, mpsc};
    use std::task::Poll;
    use std::time::Instant;

    use pyo3::prelude::*;
    use rsgi_bridge::pool::{Job, JobHandle, Pool};

    use super::super::Driver;
    use super::*;
    use crate::config::settings::PollTime;
    use crate::request::error::RequestError;
    use crate::response::app_response::AppResponse;
    use crate::runtime::reply;
    use crate::runtime::response_queue::{Responder, ResponseQueue};

    /// A call that ends when the other side of the channel is dropped.
    struct Held(mpsc::Receiver<()>);

    impl Job for Held {
        fn run(self: Box<Self>, py: Python<'_>, _job_handle: &JobHandle) {
            let Self(until) = *self;
            let _over = py.detach(move || until.recv());
        }
    }

    #[test]
    fn a_pause_is_a_small_part_of_the_work_that_waits() {
        let call = Duration::from_micros(50);
        assert_eq!(length(FEWEST_WAITING - 1, call), None, "the threads would run out of calls");
        assert_eq!(length(FEWEST_WAITING, call), Some(Duration::from_micros(25)));
        assert_eq!(length(64, call), Some(Duration::from_micros(200)));
        assert_eq!(length(usize::MAX, call), Some(LONGEST));
        assert_eq!(length(64, LONGEST + call), None, "long calls have few responses");
        assert_eq!(length(64, SHORT / 2), None, "short calls end during any pause");
    }

    #[test]
    fn it_pauses_only_while_calls_begin() {
        Python::initialize();
        Python::attach(|py| {
            let pool = Pool::start(py, "pauses", 1, 2 * FEWEST_WAITING).unwrap();
            let mut pauses = DriverPauses::new(|| WaitingCalls {
                begun: pool.progress().0,
                calls: pool.stats().waiting,
                call_time: SHORT,
            });
            let held: Vec<_> = (0..=FEWEST_WAITING + 1)
                .map(|_| {
                    let (holds, until) = mpsc::channel();
                    pool.submit(Box::new(Held(until)), pool.job_handle()).unwrap();
                    holds
                })
                .collect();
            let begun = |calls| {
                let deadline = Instant::now() + Duration::from_secs(20);
                while py.detach(|| pool.progress().0) < calls && Instant::now() < deadline {
                    py.detach(std::thread::yield_now);
                }
                assert_eq!(pool.progress().0, calls);
            };
            begun(1);
            assert!(pauses.pause(), "many calls wait");
            assert!(!pauses.pause(), "the only thread is in the same call as before");
            let mut held = held.into_iter();
            drop(held.next());
            begun(2);
            assert!(pauses.pause());
            drop(held);
            pool.stop();
        });
    }

    /// A driver with a response queue, and so many replies on their way to tasks of it.
    fn driver(replies: usize) -> (Arc<Driver>, Arc<ResponseQueue>, Vec<Responder>, Arc<AtomicUsize>) {
        let response_queue = Arc::<ResponseQueue>::default();
        let driver = Driver::new(Arc::clone(&response_queue), PollTime::Always(Duration::ZERO)).unwrap();
        let arrived = Arc::<AtomicUsize>::default();
        let responders = (0..replies)
            .map(|_| {
                let ((responder, reply), arrived) = (reply::channel(), Arc::clone(&arrived));
                driver.spawn(async move {
                    let _response = reply.await;
                    arrived.fetch_add(1, Ordering::Relaxed);
                });
                responder
            })
            .collect();
        (Arc::new(driver), response_queue, responders, arrived)
    }

    #[test]
    fn responses_of_a_pause_arrive_together_and_wake_nobody() {
        const EACH: usize = 10;
        let (driver, response_queue, mut responders, arrived) = driver(3 * EACH);
        // If a response were forgotten, the driver would sleep for ever.
        let (late, watching) = (Arc::<AtomicBool>::default(), Arc::clone(&driver));
        let sets_late = Arc::clone(&late);
        driver.spawn(async move {
            tokio::time::sleep(Duration::from_secs(20)).await;
            sets_late.store(true, Ordering::Relaxed);
            watching.interrupt();
        });
        let mut polls = Vec::new();
        driver.try_drive_with_pauses(
            |_| {
                polls.push(arrived.load(Ordering::Relaxed));
                if polls.len() == 1 {
                    driver.interrupt();
                }
                if polls.last() == Some(&(3 * EACH)) || late.load(Ordering::Relaxed) {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            },
            || {
                for responder in responders.split_off(responders.len().saturating_sub(EACH)) {
                    response_queue.send(responder, AppResponse::Error(RequestError::application_failed()));
                }
                true
            },
        );
        // The responses of each pause are delivered at its end, and their tasks run before the next one.
        assert_eq!(polls, [0, 0, EACH, 2 * EACH, 3 * EACH]);
    }
}
