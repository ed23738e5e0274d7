//! Which calls run at the same time, where one more would only be in the way of the others.
//!
//! Kept apart because it is a judgement of what calls do, which nobody tells: whether those that run want the interpreter, or
//! wait for something else. A call that waits for a lock has let go of the interpreter, too, but one call more would be one
//! more in front of that lock: Django's run at half the speed when two threads take turns in them. A call that waits for I/O
//! leaves the interpreter alone, and is not waited for.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use pyo3::prelude::*;

use super::Pool;

/// Who wants the interpreter has taken it after such a time. The system makes it about twice as long.
const PAUSE: Duration = Duration::from_micros(50);

/// So often a call is given way that begins no other. The interpreter changes hands every 5 ms.
const MOST_PAUSES: u32 = 2;

/// After so many calls a thread asks whether it is in the way.
pub(super) const SELDOM: u32 = 16;

impl Pool {
    /// Lets the calls that run go first, for as long as they want the interpreter and the queue moves.
    pub(super) fn throttle(&self, py: Python<'_>) {
        let (mut begun, mut pauses) = (self.counts.begun.load(Ordering::Acquire), 0);
        while pauses < MOST_PAUSES && self.counts.running.load(Ordering::Acquire) > 0 && !self.jobs.is_empty() {
            let asked = py.detach(|| {
                std::thread::sleep(PAUSE);
                Instant::now()
            });
            if asked.elapsed() < PAUSE {
                return;
            }
            let now = self.counts.begun.load(Ordering::Acquire);
            // A call that computes for long, on the other hand, is not to hold up all others.
            pauses = if now == begun { pauses + 1 } else { 0 };
            begun = now;
        }
    }
}
