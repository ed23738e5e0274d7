//! Whether somebody reads from a pipe, as it is seen from outside.
//!
//! Kept apart because it is neither end: who measures how long an application takes does not count the time in which it waits
//! for its client.

use std::sync::Arc;

use super::{End, PipeReader, Shared, Weight};

/// Knows how a reader goes on.
pub trait Reading: Send + Sync + std::fmt::Debug {
    /// Whether the reader waits for something to come. Never blocks, from any thread.
    fn waits(&self) -> bool;

    /// How many items it has taken.
    fn taken(&self) -> u64;
}

impl<T: Weight + Send + std::fmt::Debug + 'static> PipeReader<T> {
    /// What knows how this reader goes on.
    pub fn reading_handle(&self) -> Arc<dyn Reading> {
        Arc::clone(&self.shared) as _
    }
}

impl<T: Send + std::fmt::Debug> Reading for Shared<T> {
    fn waits(&self) -> bool {
        let state = self.lock();
        state.reader_waker.is_some() && matches!(state.end, End::Open)
    }

    fn taken(&self) -> u64 {
        self.lock().taken
    }
}
