//! The numbers of one route of one application: requests, errors, and durations.
//!
//! Quantiles are estimated as Prometheus does it, so that both show the same.

use serde_json::{Value, json};

use crate::metrics::bounds;

/// The counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RouteNumbers {
    /// Requests.
    pub requests: u64,
    /// Those with a status of 500 or above.
    pub errors: u64,
    /// The number of requests in each bucket of durations.
    pub buckets: Vec<u64>,
}

impl RouteNumbers {
    /// Adds requests with this class of status.
    pub fn add_requests(&mut self, status: &str, count: u64) {
        self.requests = self.requests.saturating_add(count);
        if matches!(status, "5xx" | "other") {
            self.errors = self.errors.saturating_add(count);
        }
    }

    /// Adds durations.
    pub fn add_times(&mut self, buckets: &[u64]) {
        self.buckets.resize(self.buckets.len().max(buckets.len()), 0);
        for (mine, theirs) in self.buckets.iter_mut().zip(buckets) {
            *mine = mine.saturating_add(*theirs);
        }
    }

    /// The counts since `before`. A count may be lower than before, if a worker was killed before it reported its last
    /// requests.
    pub fn since(&self, before: &Self) -> Self {
        let earlier = before.buckets.iter().copied().chain(std::iter::repeat(0));
        Self {
            requests: self.requests.saturating_sub(before.requests),
            errors: self.errors.saturating_sub(before.errors),
            buckets: self.buckets.iter().zip(earlier).map(|(now, before)| now.saturating_sub(before)).collect(),
        }
    }

    /// The quantile `part` of the durations, in seconds. `None` without requests.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    pub fn quantile(&self, part: f64) -> Option<f64> {
        // Durations belong to a path, so they may come from requests with another method.
        if self.requests == 0 {
            return None;
        }
        let all: u64 = self.buckets.iter().sum();
        let rank = part * all as f64;
        let (mut below, mut lower) = (0.0, 0.0);
        for (upper, count) in bounds().zip(&self.buckets).filter(|_| all > 0) {
            let count = *count as f64;
            if upper.is_infinite() {
                return Some(lower);
            }
            if count > 0.0 && below + count >= rank {
                return Some(lower + (upper - lower) * (rank - below) / count);
            }
            (below, lower) = (below + count, upper);
        }
        None
    }

    /// The numbers as JSON.
    pub fn document(&self) -> Value {
        json!({
            "requests": self.requests,
            "errors": self.errors,
            "p50": self.quantile(0.5).map(rounded),
            "p99": self.quantile(0.99).map(rounded),
        })
    }
}

/// Rounds seconds to microseconds.
pub fn rounded(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_estimated_within_a_bucket() {
        let mut numbers = RouteNumbers::default();
        assert_eq!(numbers.quantile(0.5), None);
        // 10 requests up to 0.5 ms, 10 up to 1 ms.
        numbers.add_times(&[10, 10]);
        assert_eq!(numbers.quantile(0.5), None, "they belong to another method");
        numbers.add_requests("2xx", 20);
        assert_eq!(numbers.quantile(0.5).map(rounded), Some(0.0005));
        assert_eq!(numbers.quantile(0.75).map(rounded), Some(0.00075));
        let mut slow = RouteNumbers::default();
        let mut buckets = vec![0; bounds().count()];
        buckets.last_mut().into_iter().for_each(|last| *last = 5);
        slow.add_times(&buckets);
        slow.add_requests("2xx", 5);
        assert_eq!(slow.quantile(0.99), Some(60.0), "above the last bound there is no more to say");
    }

    #[test]
    fn counts_that_went_down_are_none() {
        let mut before = RouteNumbers::default();
        before.add_requests("5xx", 7);
        before.add_times(&[7]);
        assert_eq!(RouteNumbers::default().since(&before), RouteNumbers::default());
        let mut now = before.clone();
        now.add_requests("2xx", 3);
        now.add_times(&[1, 2]);
        assert_eq!(now.since(&before), RouteNumbers { requests: 3, errors: 0, buckets: vec![1, 2] });
    }
}
