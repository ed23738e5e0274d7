//! Numbers for output: of one process, of several, and of processes that have ended.
//!
//! A worker sends them to its supervisor, which adds them up.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::family::{Family, Merge, MetricKind};

/// One number of one metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The metric.
    pub family: Family,
    /// The values of its labels, in the order of the metric.
    pub labels: Vec<String>,
    /// The number.
    pub value: Value,
}

/// The value of a sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// A count.
    Count(u64),
    /// A number of seconds, or a ratio.
    Seconds(f64),
    /// A histogram.
    Times {
        /// The sum of all durations.
        nanoseconds: u64,
        /// The counts between each two bounds.
        buckets: Vec<u64>,
    },
}

impl Sample {
    /// A value with its labels, which must be those of the family, in its order.
    pub fn new(family: Family, labels: &[(&str, &str)], value: Value) -> Self {
        debug_assert!(
            labels.iter().map(|(name, _)| name).eq(family
                .description()
                .labels
                .iter()
                .filter(|name| **name != "worker")),
            "{family:?} has other labels"
        );
        Self { family, labels: labels.iter().map(|(_, value)| (*value).to_owned()).collect(), value }
    }

    /// A count with its labels.
    pub fn count(family: Family, labels: &[(&str, &str)], count: usize) -> Self {
        Self::new(family, labels, Value::Count(count as u64))
    }
}

impl Value {
    fn add(&mut self, other: &Self) {
        match (self, other) {
            (Self::Count(mine), Self::Count(theirs)) => *mine = mine.saturating_add(*theirs),
            (Self::Seconds(mine), Self::Seconds(theirs)) => *mine += theirs,
            (Self::Times { nanoseconds, buckets }, Self::Times { nanoseconds: more, buckets: others }) => {
                *nanoseconds = nanoseconds.saturating_add(*more);
                for (mine, theirs) in buckets.iter_mut().zip(others) {
                    *mine = mine.saturating_add(*theirs);
                }
            }
            // Values of one metric have the same kind.
            _ => {}
        }
    }
}

/// The combined numbers of several processes.
#[derive(Debug, Clone, Default)]
pub struct Samples(BTreeMap<(Family, Vec<String>), Value>);

impl Samples {
    /// Adds the numbers of the worker with the name `worker`.
    pub fn add(&mut self, worker: &str, samples: &[Sample]) {
        for Sample { family, labels, value } in samples {
            let mut labels = labels.clone();
            if family.description().merge == Merge::Each {
                labels.push(worker.to_owned());
            }
            self.push(*family, labels, value);
        }
    }

    /// Adds the numbers of a worker that has ended. Counters and histograms count on; gauges are dropped.
    pub fn add_ended(&mut self, samples: &[Sample]) {
        for Sample { family, labels, value } in samples {
            if family.description().kind != MetricKind::Gauge {
                self.push(*family, labels.clone(), value);
            }
        }
    }

    fn push(&mut self, family: Family, labels: Vec<String>, value: &Value) {
        if let Some(mine) = self.0.get_mut(&(family, labels.clone())) {
            // Each process reports 1, but there is one server.
            if family != Family::Info {
                mine.add(value);
            }
        } else {
            self.0.insert((family, labels), value.clone());
        }
    }

    /// The samples of one metric, with the values of their labels.
    pub fn of(&self, family: Family) -> impl Iterator<Item = (&[String], &Value)> {
        let range = (family, Vec::new())..;
        self.0
            .range(range)
            .take_while(move |((each, _), _)| *each == family)
            .map(|((_, labels), value)| (labels.as_slice(), value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(family: Family, labels: &[&str], count: u64) -> Sample {
        Sample { family, labels: labels.iter().map(|label| (*label).to_owned()).collect(), value: Value::Count(count) }
    }

    #[test]
    fn what_has_ended_counts_on_and_is_not_there() {
        let (refused, open) = (sample(Family::Refusals, &["other"], 3), sample(Family::WebSocketsOpen, &["a"], 5));
        let mut all = Samples::default();
        all.add_ended(&[refused.clone(), open.clone()]);
        all.add("1", &[refused, open, sample(Family::WorkerUp, &[], 1)]);
        all.add("2", &[sample(Family::WorkerUp, &[], 0)]);
        let only = |family| all.of(family).map(|(_, value)| value.clone()).collect::<Vec<_>>();
        assert_eq!(
            (only(Family::Refusals), only(Family::WebSocketsOpen)),
            (vec![Value::Count(6)], vec![Value::Count(5)])
        );
        let up: Vec<_> = all.of(Family::WorkerUp).collect();
        assert_eq!(up, [(&["1".to_owned()][..], &Value::Count(1)), (&["2".to_owned()][..], &Value::Count(0))]);
    }

    #[test]
    fn times_are_added_bound_by_bound() {
        let times = |buckets: &[u64]| Value::Times { nanoseconds: 7, buckets: buckets.to_vec() };
        let mut value = times(&[1, 2, 3]);
        value.add(&times(&[10, 0, 1]));
        assert_eq!(value, Value::Times { nanoseconds: 14, buckets: vec![11, 2, 4] });
    }
}
