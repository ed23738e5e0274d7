//! The counts of workers that have ended.
//!
//! `workers.rs` has the workers that can still be asked.

use std::collections::VecDeque;

use super::status::Report;
use crate::metrics::Samples;

/// The most results of shadow traffic that are kept, one per ended worker.
const MOST_SHADOW: usize = 100;

/// The last reports of ended workers.
#[derive(Debug, Default)]
pub struct EndedWorkers {
    /// Their counters, added up.
    pub samples: Samples,
    /// The results of shadow traffic in each of them.
    pub shadow: VecDeque<String>,
}

impl EndedWorkers {
    /// Adds the last report of a worker, if there was one.
    pub fn keep(&mut self, last: Option<Report>) {
        let Some(report) = last else { return };
        self.samples.add_ended(&report.samples);
        self.shadow.extend(report.shadow);
        if self.shadow.len() > MOST_SHADOW {
            self.shadow.pop_front();
        }
    }
}
