//! Spare threads: they replace threads of calls whose clients have left or do not read, and of calls that took too
//! long.
//!
//! A spare thread is started only if requests wait and no thread is free. When a held thread comes back, one thread
//! ends.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use pyo3::prelude::*;

use super::{Pool, PoolStats};
use crate::log::log_warning;

/// A pool has one spare thread for this many threads.
const SPARE_SHARE: usize = 4;

impl Pool {
    /// Whether requests wait for a thread and none is free.
    pub(super) fn lacks_thread(&self, stats: PoolStats) -> bool {
        stats.waiting > 0 && stats.running >= self.threads + stats.spare
    }

    /// How many spare threads are allowed now.
    pub(super) fn most_spare(&self, stats: PoolStats) -> usize {
        if self.threads == 1 {
            return 0;
        }
        let overdue = stats.overdue.min(self.threads);
        let others = (stats.orphaned + stats.stalled).saturating_sub(stats.overdue);
        overdue + self.threads.div_ceil(SPARE_SHARE).min(others)
    }

    /// Ends one spare thread if there are more of them than calls that hold threads. Returns whether the current thread
    /// must end.
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
        // To start a Python thread waits for the GIL, which the caller must not do.
        let starting = std::thread::Builder::new().name(format!("{}-spare", self.name)).spawn(move || {
            Python::attach(|py| {
                if let Some(started) = pool.spare_log.started() {
                    let name = &pool.name;
                    let started = if started == 1 { "a spare thread was" } else { &format!("{started} spare threads were") };
                    log_warning(
                        py,
                        &format!(
                            "all threads of the pool {name} are taken, {left} by calls whose clients have left, {overdue} by \
                             calls that took too long and {stalled} by calls whose clients do not read the response; \
                             {started} started"
                        ),
                    );
                }
                if let Err(error) = pool.start_thread(py) {
                    pool.counts.spare.fetch_sub(1, Ordering::AcqRel);
                    error.write_unraisable(py, None);
                }
            });
        });
        if starting.is_err() {
            // No thread could be started, so the calls wait longer.
            self.counts.spare.fetch_sub(1, Ordering::AcqRel);
        }
    }
}
