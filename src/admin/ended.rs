//! What workers that have ended leave behind: what was counted stays counted.
//!
//! Apart from `workers.rs`, which knows those that can still be asked.

use std::collections::VecDeque;

use super::status::Report;
use crate::metrics::Samples;

/// So many results of shadow traffic are kept, each of one worker.
const MOST_SHADOW: usize = 100;

/// See the top of this file.
#[derive(Debug, Default)]
pub struct EndedWorkers {
    /// Their numbers.
    pub samples: Samples,
    /// What the comparison of shadow traffic said in each of them.
    pub shadow: VecDeque<String>,
}

impl EndedWorkers {
    /// Keeps what a worker said last, if it said anything.
    pub fn keep(&mut self, last: Option<Report>) {
        let Some(report) = last else { return };
        self.samples.add_ended(&report.samples);
        self.shadow.extend(report.shadow);
        if self.shadow.len() > MOST_SHADOW {
            self.shadow.pop_front();
        }
    }
}
