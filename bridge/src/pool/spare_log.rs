//! How often the log has a line about the spare threads of a pool.
//!
//! Kept apart from `spare.rs`, which is about the pool, because this knows a clock and a number only.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Where clients leave again and again, spare threads come and go; the log has a line for them so often.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// What the log has about the spare threads of a pool.
#[derive(Debug, Default)]
pub(super) struct SpareLog(Mutex<(Option<Instant>, usize)>);

impl SpareLog {
    /// Counts a spare thread that was started. Gives how many the log has no line of, if it is time for one.
    pub(super) fn started(&self) -> Option<usize> {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, unsaid) = &mut *said;
        *unsaid += 1;
        if last.is_some_and(|last| last.elapsed() < SAY_EVERY) {
            return None;
        }
        *last = Some(Instant::now());
        Some(std::mem::take(unsaid))
    }
}
