//! What a call of a pool takes, averaged over the latest ones.
//!
//! Kept apart because two sides need it: the threads note it, and who decides where a call runs asks for it. A call that is short
//! is over before another thread could have been woken for it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The latest stretch of calls counts one part in so many.
const PARTS: u64 = 8;

/// The average, in nanoseconds; 0 before the first call has ended.
#[derive(Debug, Default)]
pub(super) struct CallTime(AtomicU64);

/// Calls that one thread runs one after the other.
#[derive(Debug)]
pub(super) struct Stretch {
    began: Instant,
    calls: u32,
}

impl Stretch {
    pub(super) fn begin() -> Self {
        Self { began: Instant::now(), calls: 0 }
    }

    /// Counts a call that has ended; gives their number.
    pub(super) fn count(&mut self) -> u32 {
        self.calls += 1;
        self.calls
    }
}

impl CallTime {
    /// Notes a stretch that has ended. Two threads at once may lose one of theirs.
    pub(super) fn note(&self, stretch: &Stretch) {
        if let Some(each) = stretch.began.elapsed().checked_div(stretch.calls) {
            self.take(u64::try_from(each.as_nanos()).unwrap_or(u64::MAX));
        }
    }

    fn take(&self, each: u64) {
        let before = self.0.load(Ordering::Relaxed);
        let after = if before == 0 { each } else { before / PARTS * (PARTS - 1) + each / PARTS };
        self.0.store(after, Ordering::Relaxed);
    }

    /// What a call takes.
    pub(super) fn average(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_follows_what_calls_take_now() {
        let time = CallTime::default();
        time.take(8_000);
        assert_eq!(time.average(), Duration::from_micros(8));
        time.take(1_000_000_000);
        assert!(time.average() > Duration::from_millis(100));
        for _ in 0..80 {
            time.take(8_000);
        }
        assert!(time.average() < Duration::from_micros(20));
    }

    #[test]
    fn a_stretch_without_calls_says_nothing() {
        let time = CallTime::default();
        time.note(&Stretch::begin());
        assert_eq!(time.average(), Duration::ZERO);
    }
}
