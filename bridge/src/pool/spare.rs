//! Spare threads: they take the places of those that are held, by calls whose clients have left or take nothing.
//!
//! Kept apart because it is the one thing that changes the number of threads: none is started before requests wait and no thread
//! is free, and each ends when a held one comes back.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use pyo3::prelude::*;

use super::{Pool, PoolStats};
use crate::log::log_warning;

/// One spare thread for so many threads of a pool.
const SPARE_SHARE: usize = 4;

impl Pool {
    /// Whether requests wait for a thread and none is free.
    pub(super) fn lacks_thread(&self, stats: PoolStats) -> bool {
        stats.waiting > 0 && stats.running >= self.threads + stats.spare
    }

    /// How many spare threads there may be.
    pub(super) fn most_spare(&self, stats: PoolStats) -> usize {
        if self.threads == 1 {
            return 0;
        }
        let overdue = stats.overdue.min(self.threads);
        let others = (stats.orphaned + stats.stalled).saturating_sub(stats.overdue);
        overdue + self.threads.div_ceil(SPARE_SHARE).min(others)
    }

    /// Whether a thread that has ended a call is one too many: fewer calls hold threads than there are spare ones.
    pub(super) fn has_one_too_many(&self) -> bool {
        if self.counts.spare.load(Ordering::Acquire) == 0 {
            return false;
        }
        let held = self.counts.orphaned.load(Ordering::Acquire) + self.counts.stalled.load(Ordering::Acquire);
        let fewer = |spare: usize| (spare > held).then(|| spare - 1);
        self.counts.spare.fetch_update(Ordering::AcqRel, Ordering::Acquire, fewer).is_ok()
    }

    /// Starts a spare thread if calls wait, no thread is free, and orphaned or stalled calls hold some.
    pub(super) fn start_spare(self: &Arc<Self>) {
        let stats = self.stats();
        let PoolStats { orphaned, overdue, stalled, spare, .. } = stats;
        let left = orphaned.saturating_sub(overdue);
        let needed = self.lacks_thread(stats) && spare < self.most_spare(stats);
        if !needed || self.counts.spare.compare_exchange(spare, spare + 1, Ordering::AcqRel, Ordering::Acquire).is_err()
        {
            return;
        }
        let pool = Arc::clone(self);
        // Starting a Python thread waits for the interpreter, and who calls this may not.
        let starting = std::thread::Builder::new().name(format!("{}-spare", self.name)).spawn(move || {
            Python::attach(|py| {
                let name = &pool.name;
                log_warning(
                    py,
                    &format!(
                        "all threads of the pool {name} are taken, {left} by calls whose clients have left, {overdue} by calls \
                         that took too long and {stalled} by calls whose clients do not read their answers; a spare thread was \
                         started"
                    ),
                );
                if let Err(error) = pool.start_thread(py) {
                    pool.counts.spare.fetch_sub(1, Ordering::AcqRel);
                    error.write_unraisable(py, None);
                }
            });
        });
        if starting.is_err() {
            // No thread can be had: the calls go on waiting.
            self.counts.spare.fetch_sub(1, Ordering::AcqRel);
        }
    }
}
