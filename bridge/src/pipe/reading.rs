//! Shows from outside whether a reader waits.
//!
//! The time limit of a request needs it: the time in which an application waits for its client does not count.

use std::sync::Arc;

use super::ends::PipeReader;
use super::state::{End, Shared, Weight};

/// A handle that observes a reader.
pub trait Reading: Send + Sync + std::fmt::Debug {
    /// Whether the reader waits for an item. Never blocks, from any thread.
    fn waits(&self) -> bool;

    /// How many items the reader has taken.
    fn taken(&self) -> u64;
}

impl<T: Weight + Send + std::fmt::Debug + 'static> PipeReader<T> {
    /// A handle that observes this reader.
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
