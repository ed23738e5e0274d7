//! Decides how many calls run at the same time: another call starts only if it is not in the way of those that run.
//!
//! The pool cannot see whether the running calls compute or wait. So a thread with a new call releases the GIL for a
//! moment and takes it again. If it gets the GIL at once, the running calls wait for I/O, and the new call can start.
//! If not, the running calls want the GIL, and another call would only compete with them. A call that waits for a lock
//! releases the GIL too, but another call would only wait for the same lock: Django's calls run at half the speed if
//! two threads take turns in them. So the pause is long enough for such a call to take the GIL again.

use std::sync::atomic::Ordering;

use pyo3::prelude::*;

use super::Pool;
use super::gil_pause::others_take_gil;

/// How many times a thread waits in a row while no other call begins. Python's threads take turns every 5 ms.
const MOST_PAUSES: u32 = 2;

/// After this many calls, a thread checks again whether it is in the way of others.
pub(super) const SELDOM: u32 = 16;

impl Pool {
    /// Lets the running calls go first, while they want the GIL and other threads still start calls.
    pub(super) fn throttle(&self, py: Python<'_>) {
        let (mut begun, mut pauses) = (self.counts.begun.load(Ordering::Acquire), 0);
        while pauses < MOST_PAUSES && self.counts.running.load(Ordering::Acquire) > 0 && !self.jobs.is_empty() {
            if !others_take_gil(py) {
                return;
            }
            let now = self.counts.begun.load(Ordering::Acquire);
            // But one call that computes for long must not hold up all others.
            pauses = if now == begun { pauses + 1 } else { 0 };
            begun = now;
        }
    }
}
