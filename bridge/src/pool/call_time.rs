//! The average time of the latest calls of a pool, or of an event loop.
//!
//! The threads that run calls record it. The server reads it to decide whether another thread pays.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The latest stretch counts one part in this many.
const PARTS: u64 = 8;

/// The average in nanoseconds; 0 before the first call has ended.
#[derive(Debug, Default)]
pub struct CallTime(AtomicU64);

/// Calls that one thread runs one after another.
#[derive(Debug)]
pub struct CallStretch {
    began: Instant,
    calls: u32,
}

impl CallStretch {
    /// Begins now.
    #[must_use]
    pub fn begin() -> Self {
        Self { began: Instant::now(), calls: 0 }
    }

    /// Counts a call that has ended. Returns the number of calls so far.
    pub fn count(&mut self) -> u32 {
        self.calls += 1;
        self.calls
    }
}

impl CallTime {
    /// Adds a stretch that has ended to the average. If two threads do this at once, one of the two may be lost.
    pub fn note(&self, stretch: &CallStretch) {
        if let Some(each) = stretch.began.elapsed().checked_div(stretch.calls) {
            self.take(u64::try_from(each.as_nanos()).unwrap_or(u64::MAX));
        }
    }

    fn take(&self, each: u64) {
        let before = self.0.load(Ordering::Relaxed);
        let after = if before == 0 { each } else { before / PARTS * (PARTS - 1) + each / PARTS };
        self.0.store(after, Ordering::Relaxed);
    }

    /// The average time of a call.
    pub fn average(&self) -> Duration {
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
        time.note(&CallStretch::begin());
        assert_eq!(time.average(), Duration::ZERO);
    }
}
