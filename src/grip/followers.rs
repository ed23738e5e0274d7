//! How many streams follow their `Grip-Link` at a time.
//!
//! One published item can make all streams of a channel ask the application again. Apart from `origin.rs`, which asks, because
//! without a bound the application would get all these requests at once.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::log::line;

/// The log says so often, at most, that streams wait.
const BETWEEN_LINES: Duration = Duration::from_secs(60);

/// See the top of this file.
#[derive(Debug)]
pub(super) struct Followers {
    most: usize,
    turns: Semaphore,
    warned: Mutex<Option<Instant>>,
}

impl Followers {
    pub(super) fn new(most: usize) -> Self {
        Self { most, turns: Semaphore::new(most.min(Semaphore::MAX_PERMITS)), warned: Mutex::default() }
    }

    /// The turn of a stream, while it is kept. `None` never comes: nobody closes the semaphore.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        if let Ok(turn) = self.turns.try_acquire() {
            return Some(turn);
        }
        self.warn();
        self.turns.acquire().await.ok()
    }

    fn warn(&self) {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.is_none_or(|time| time.elapsed() >= BETWEEN_LINES) {
            *warned = Some(Instant::now());
            line(format_args!(
                "warning: more than {} held streams follow their `Grip-Link` at the same time; the others wait for their turn \
                 (`--grip-max-followers`)",
                self.most
            ));
        }
    }
}
