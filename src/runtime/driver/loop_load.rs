//! Measures what a loop that drives tokio does, and decides whether another thread should drive beside it.
//!
//! A loop that drives reads a request, runs it and sends the response without a hand-over between threads. For longer
//! calls, a second processor for the sockets saves more than the hand-over costs, as for WSGI calls. With few requests
//! there is nothing to share.

use std::time::{Duration, Instant};

use super::second_processor::SHORT;

/// Another thread begins to drive if calls take at least this, and ends below [`SHORT`].
const LONG: Duration = Duration::from_micros(28);

/// A decision needs this many calls.
const ENOUGH: u32 = 64;

/// A decision needs this time, so that one burst of calls looks no busier than it is.
const SHORTEST: Duration = Duration::from_millis(20);

/// After this time, a decision needs no more calls: there are only few.
const LONGEST: Duration = Duration::from_millis(100);

/// What the loop has done since the last decision.
#[derive(Debug)]
pub(super) struct LoopLoad {
    began: Instant,
    /// How long it ran Python.
    busy: Duration,
    /// How many calls have begun.
    calls: u32,
    /// In how many turns of the loop they have begun.
    turns: u32,
}

impl LoopLoad {
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), busy: Duration::ZERO, calls: 0, turns: 0 }
    }

    /// Notes a turn of the loop that took `busy`, in which `calls` calls have begun. `beside` says whether another
    /// thread drives. Returns whether another thread should drive from now on, or `None` if it is too early to say.
    pub(super) fn turn(&mut self, busy: Duration, calls: u32, beside: bool) -> Option<bool> {
        self.busy += busy;
        self.calls += calls;
        self.turns += u32::from(calls > 0);
        let time = self.began.elapsed();
        if time < if self.calls < ENOUGH { LONGEST } else { SHORTEST } {
            return None;
        }
        let decided = self.decide(time, beside);
        *self = Self::new();
        Some(decided)
    }

    /// What to do after `time`.
    fn decide(&self, time: Duration, beside: bool) -> bool {
        let each = self.busy.checked_div(self.calls).unwrap_or(self.busy);
        if beside { self.still_pays(each, time) } else { self.pays(each, time) }
    }

    /// Whether a second processor pays: the loop is busy with several long calls at a time.
    fn pays(&self, each: Duration, time: Duration) -> bool {
        self.calls >= ENOUGH && each >= LONG && self.busy * 2 > time && self.calls >= 2 * self.turns
    }

    fn still_pays(&self, each: Duration, time: Duration) -> bool {
        let several = self.calls * 10 > self.turns * 11;
        each >= SHORT && if several { self.busy * 3 > time } else { self.busy * 4 > time * 3 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Duration = Duration::from_millis(100);

    /// Whether another thread should drive, after `calls` calls of `each` in `turns` turns.
    fn decides(each: u64, calls: u32, turns: u32, beside: bool) -> bool {
        let busy = Duration::from_micros(each) * calls;
        LoopLoad { began: Instant::now(), busy, calls, turns }.decide(TIME, beside)
    }

    #[test]
    fn another_thread_drives_beside_a_loop_that_is_busy_with_several_long_calls_at_a_time() {
        assert!(decides(40, 2000, 100, false));
        assert!(!decides(5, 15_000, 300, false), "the calls are short");
        assert!(!decides(40, 500, 100, false), "the loop mostly sleeps");
        assert!(!decides(80, 1000, 1000, false), "there is one client");
        assert!(!decides(10_000, 10, 2, false), "so few calls say little");
    }

    #[test]
    fn the_loop_drives_again_when_there_is_little_to_do_or_calls_are_short() {
        assert!(decides(24, 2000, 100, true), "between the limits, nothing changes");
        assert!(!decides(24, 2000, 100, false));
        assert!(!decides(15, 5000, 100, true));
        assert!(!decides(40, 500, 100, true));
        assert!(!decides(60, 1000, 1000, true), "one client leaves");
        assert!(!decides(40, 0, 0, true));
    }

    #[test]
    fn a_decision_takes_its_time() {
        let mut load = LoopLoad::new();
        assert_eq!(load.turn(SHORTEST, 10 * ENOUGH, false), None);
        load.began = Instant::now().checked_sub(SHORTEST).unwrap_or(load.began);
        assert!(load.turn(Duration::ZERO, 0, false).is_some());
        load.began = Instant::now().checked_sub(SHORTEST).unwrap_or(load.began);
        assert_eq!(load.turn(Duration::ZERO, ENOUGH - 1, false), None, "there may be more");
    }
}
