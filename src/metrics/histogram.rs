//! Histograms of durations, counted without a lock.
//!
//! All have the same bounds, so that the numbers of workers can be added up.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::sample::Value;

/// The upper bounds, in microseconds: from the time of a small application to the time that a client waits.
const BOUNDS: [u64; 16] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
    10_000_000, 30_000_000, 60_000_000,
];

/// The counts between each two bounds, and above the last.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    nanoseconds: AtomicU64,
}

impl Histogram {
    /// Counts one duration.
    pub(super) fn observe(&self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        // As in Prometheus (`le`), a duration that equals a bound belongs to the bucket below it.
        let place = BOUNDS.iter().position(|bound| nanoseconds <= bound * 1000).unwrap_or(BOUNDS.len());
        if let Some(bucket) = self.buckets.get(place) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// The counts; `None` if there are none.
    pub(super) fn value(&self) -> Option<Value> {
        let buckets: Vec<u64> = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect();
        let nanoseconds = self.nanoseconds.load(Ordering::Relaxed);
        buckets.iter().any(|count| *count > 0).then_some(Value::Times { nanoseconds, buckets })
    }
}

/// The upper bounds in seconds. The last one is infinite.
pub fn bounds() -> impl Iterator<Item = f64> {
    BOUNDS.iter().map(|micros| Duration::from_micros(*micros).as_secs_f64()).chain([f64::INFINITY])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_at_a_bound_is_below_it() {
        let histogram = Histogram::default();
        assert!(histogram.value().is_none());
        for micros in [500, 501, 60_000_000, 60_000_001] {
            histogram.observe(Duration::from_micros(micros));
        }
        let Some(Value::Times { nanoseconds, buckets }) = histogram.value() else { panic!("no times") };
        assert_eq!(nanoseconds, 120_001_002_000);
        assert_eq!((buckets[0], buckets[1], buckets[15], buckets[16]), (1, 1, 1, 1));
        assert_eq!(bounds().count(), buckets.len());
    }
}
