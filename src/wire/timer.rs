//! A timer for deadlines that nearly always move before they expire.
//!
//! To set a tokio timer for each request would cost more than to parse the request. So [`Timer`] does not touch the
//! tokio timer while its deadline only moves further away. When the tokio timer fires too early, [`Timer`] looks at the
//! clock and sleeps again. It never sleeps longer than the idle timeout of a connection. So if a nearer deadline is set
//! but not polled, it fires that much too late at most. Several deadlines of a connection share one [`Timer`]. The
//! deadline of a response has its own one ([`SpareTimer`]), which the next request reuses.
//!
//! A deadline that is found much too late was missed, because the process was stopped (SIGSTOP) or the machine suspended.
//! tokio may fire its timers before it looks at the sockets, since SIGCONT interrupts its wait. So the timer then waits a
//! moment longer, and what has arrived meanwhile is read.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::SpareList;

/// To look at the clock more often would cost too much.
const SHORTEST_SLEEP: Duration = Duration::from_millis(50);
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);

/// A deadline that is found later than this was missed because the server did not run.
pub const MISSED: Duration = Duration::from_millis(500);
/// How much longer the timer waits then.
pub const SECOND_LOOK: Duration = Duration::from_millis(100);

/// See the top of this file.
#[derive(Debug)]
pub struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    armed: bool,
    /// The task that the tokio timer wakes.
    waker: Option<Waker>,
    longest: Duration,
    /// A deadline that was missed, and until when the timer waits instead.
    missed: Option<(Instant, Instant)>,
}

impl Timer {
    /// A timer that sleeps for `longest` at most. No deadline may be nearer than that unless it is polled.
    pub fn new(longest: Duration) -> Self {
        let longest = longest.clamp(SHORTEST_SLEEP, LONGEST_SLEEP);
        Self { sleep: None, armed: false, waker: None, longest, missed: None }
    }

    /// Returns whether `deadline` has passed. If not, the task is woken when it has. With `None`, there is no deadline
    /// and the timer only stays set.
    pub fn poll(&mut self, cx: &mut Context<'_>, mut deadline: Option<Instant>) -> bool {
        loop {
            if let Some(sleep) = &mut self.sleep
                && self.armed
                && deadline.is_none_or(|deadline| sleep.deadline() <= deadline)
            {
                // To ask whether the timer has fired is cheaper than to poll it.
                let told = self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
                if told && !sleep.is_elapsed() {
                    return false;
                }
                match sleep.as_mut().poll(cx) {
                    Poll::Pending => {
                        self.waker = Some(cx.waker().clone());
                        return false;
                    }
                    Poll::Ready(()) => self.armed = false,
                }
            }
            let now = Instant::now();
            if let Some(passed) = deadline.filter(|deadline| *deadline <= now) {
                let until = self.second_look(passed, now);
                if until <= now {
                    return true;
                }
                deadline = Some(until);
                continue;
            }
            self.arm(now, deadline);
        }
    }

    /// Until when to wait after a deadline has passed.
    fn second_look(&mut self, passed: Instant, now: Instant) -> Instant {
        match self.missed {
            Some((missed, until)) if missed == passed || until == passed => until,
            _ if now - passed <= MISSED => passed,
            _ => {
                self.missed = Some((passed, now + SECOND_LOOK));
                now + SECOND_LOOK
            }
        }
    }

    fn arm(&mut self, now: Instant, deadline: Option<Instant>) {
        let latest = now + self.longest;
        let at = deadline.map_or(latest, |deadline| deadline.min(latest));
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().reset(at),
            None => self.sleep = Some(Box::pin(sleep_until(at))),
        }
        self.armed = true;
        self.waker = None;
    }
}

/// Keeps the timers of requests for the next requests of the same connection.
///
/// A timer has its own memory, because most connections never need one.
#[derive(Debug, Default)]
pub struct SpareTimer(SpareList<Box<Timer>>);

impl SpareTimer {
    /// The result of `work`, or `None` if it takes longer than `timeout`.
    ///
    /// # Cancel safety
    /// The same as that of `work`.
    pub async fn in_time<F: Future + Unpin>(&self, timeout: Duration, work: &mut F) -> Option<F::Output> {
        let deadline = Instant::now().checked_add(timeout);
        let mut timer = self.0.take().unwrap_or_else(|| Box::new(Timer::new(timeout)));
        let result = poll_fn(|cx| match Pin::new(&mut *work).poll(cx) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            Poll::Pending if timer.poll(cx, deadline) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        let result = result.await;
        self.0.keep(timer);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
    }

    async fn fire(timer: &mut Timer, deadline: Instant) {
        poll_fn(|cx| if timer.poll(cx, Some(deadline)) { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    #[test]
    fn a_missed_deadline_leaves_time_for_a_second_look() {
        runtime().block_on(async {
            let (start, mut timer) = (Instant::now(), Timer::new(Duration::from_secs(60)));
            let missed = start.checked_sub(Duration::from_secs(30)).unwrap();
            fire(&mut timer, missed).await;
            assert!(start.elapsed() >= SECOND_LOOK && start.elapsed() < Duration::from_secs(5));
            fire(&mut timer, start).await;
        });
    }

    #[test]
    fn it_rings_at_the_deadline_however_it_was_set_before() {
        runtime().block_on(async {
            let start = Instant::now();
            let mut timer = Timer::new(Duration::from_secs(60));
            poll_fn(|cx| Poll::Ready(timer.poll(cx, None))).await;
            fire(&mut timer, start + Duration::from_millis(40)).await;
            assert!(start.elapsed() >= Duration::from_millis(40) && start.elapsed() < Duration::from_secs(5));
            poll_fn(|cx| Poll::Ready(timer.poll(cx, Some(start + Duration::from_millis(60))))).await;
            fire(&mut timer, start + Duration::from_millis(90)).await;
            assert!(start.elapsed() >= Duration::from_millis(90));
        });
    }
}
