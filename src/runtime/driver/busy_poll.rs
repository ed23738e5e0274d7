//! Polls the sockets for a while before the driving thread sleeps (`--busy-poll`).
//!
//! It is a task of the runtime that yields again and again. While a task yields, tokio polls the sockets without
//! waiting. This saves the time to wake the thread, which is most of the time of a single request. In return, the
//! processor is busy during short pauses between requests.
//!
//! `auto` polls only while requests follow each other closely, and stops for a moment when another thread wants the
//! processor.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use futures::task::AtomicWaker;

use crate::config::settings::PollTime;

/// How long `auto` polls.
const AUTO: Duration = Duration::from_micros(100);

/// `auto` begins to poll after this many short pauses, one after the other.
const ENOUGH: u32 = 16;

/// A yield that takes longer than this has let another thread run.
const YIELDED: Duration = Duration::from_micros(20);

/// For this long, `auto` leaves the processor to the other thread.
const BACK_OFF: Duration = Duration::from_millis(10);

/// How long to poll, and the time of the last activity.
#[derive(Debug)]
pub struct BusyPoll {
    began: Instant,
    /// The time of the last activity, in nanoseconds since `began`.
    active: AtomicU64,
    timeout: u64,
    /// `None` if it always polls.
    pauses: Option<ShortPauses>,
    looker: AtomicWaker,
}

/// What `auto` has seen.
#[derive(Debug, Default)]
struct ShortPauses {
    /// How many pauses since the last long one were shorter than the timeout.
    short: AtomicU32,
    /// Until when it does not poll, in nanoseconds.
    until: AtomicU64,
}

impl BusyPoll {
    /// `None` if there is nothing to poll for.
    pub fn new(time: PollTime) -> Option<Arc<Self>> {
        let (timeout, pauses) = match time {
            PollTime::Auto => (AUTO, Some(ShortPauses::default())),
            PollTime::Always(timeout) if timeout.is_zero() => return None,
            PollTime::Always(timeout) => (timeout, None),
        };
        let (began, active, looker) = (Instant::now(), AtomicU64::new(0), AtomicWaker::new());
        Some(Arc::new(Self { began, active, timeout: nanoseconds(timeout), pauses, looker }))
    }

    fn now(&self) -> u64 {
        nanoseconds(self.began.elapsed())
    }

    /// Whether to poll.
    fn polls(&self, now: u64) -> bool {
        let pays = |pauses: &ShortPauses| {
            pauses.short.load(Ordering::Relaxed) >= ENOUGH && pauses.until.load(Ordering::Relaxed) <= now
        };
        now.saturating_sub(self.active.load(Ordering::Relaxed)) < self.timeout && self.pauses.as_ref().is_none_or(pays)
    }

    /// Notes that a thread begins to drive.
    pub fn resume(&self) {
        self.active.store(self.now(), Ordering::Relaxed);
        self.wake_looker();
    }

    /// Notes activity of the driving thread: a request or a response.
    pub fn active(&self) {
        self.active_at(self.now());
    }

    fn active_at(&self, now: u64) {
        let before = self.active.swap(now, Ordering::Relaxed);
        if let Some(pauses) = &self.pauses {
            let short = now.saturating_sub(before) < self.timeout;
            let count = if short { pauses.short.load(Ordering::Relaxed).saturating_add(1) } else { 0 };
            pauses.short.store(count, Ordering::Relaxed);
        }
        self.wake_looker();
    }

    fn wake_looker(&self) {
        if self.pauses.as_ref().is_none_or(|pauses| pauses.short.load(Ordering::Relaxed) >= ENOUGH) {
            self.looker.wake();
        }
    }

    /// Lets another thread use the processor.
    fn give_way(&self) {
        let before = self.now();
        std::thread::yield_now();
        self.yielded(before, self.now());
    }

    /// Backs off if another thread ran in between.
    fn yielded(&self, before: u64, after: u64) {
        let Some(pauses) = &self.pauses else { return };
        if after.saturating_sub(before) > nanoseconds(YIELDED) {
            pauses.until.store(after.saturating_add(nanoseconds(BACK_OFF)), Ordering::Relaxed);
        }
    }

    /// Yields again and again while it polls. Otherwise sleeps until there is activity.
    pub async fn look(self: Arc<Self>) {
        loop {
            while self.polls(self.now()) {
                self.give_way();
                tokio::task::yield_now().await;
            }
            poll_fn(|context| {
                self.looker.register(context.waker());
                if self.polls(self.now()) { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: u64 = 1;
    const LONG: u64 = 1_000_000;

    /// Polls now, after activities with these pauses between them, in nanoseconds.
    fn polls_after(pauses: &[u64]) -> bool {
        let Some(poll) = BusyPoll::new(PollTime::Auto) else { return false };
        let mut now = 0;
        for pause in pauses {
            now += pause;
            poll.active_at(now);
        }
        poll.polls(now)
    }

    #[test]
    fn auto_polls_after_short_pauses_only() {
        let enough = vec![SHORT; usize::try_from(ENOUGH).unwrap_or_default()];
        let few = enough.split_last().map_or(&[][..], |(_, few)| few);
        assert!(polls_after(&enough));
        assert!(!polls_after(few));
        assert!(!polls_after(&[few, &[LONG], few].concat()), "a long pause begins the count again");
    }

    #[test]
    fn auto_leaves_the_processor_to_another_thread() {
        let Some(poll) = BusyPoll::new(PollTime::Auto) else { panic!("auto polls") };
        (1..100).for_each(|now| poll.active_at(now));
        assert!(poll.polls(100));
        poll.yielded(100, 100 + nanoseconds(YIELDED) + 1);
        assert!(!poll.polls(101 + nanoseconds(YIELDED)));
    }

    #[test]
    fn a_given_time_is_always_polled() {
        assert!(BusyPoll::new(PollTime::Always(Duration::ZERO)).is_none());
        let Some(poll) = BusyPoll::new(PollTime::Always(AUTO)) else { panic!("it polls") };
        poll.active_at(LONG);
        assert!(poll.polls(LONG + nanoseconds(AUTO) - 1));
        assert!(!poll.polls(LONG + nanoseconds(AUTO)));
    }
}
