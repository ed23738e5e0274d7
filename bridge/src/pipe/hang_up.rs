//! How a pipe ends for its writer before the reader has gone.
//!
//! Kept apart because it is neither end: a stop of the server ends answers that have no end of their own.

use super::doubt::Presence;
use super::{Shared, wake};

/// Ends the writer as if its reader had gone. What it has put in is read to its end, and then the pipe breaks off.
pub trait HangUp: Send + Sync + std::fmt::Debug {
    /// Ends the writer. Never blocks, from any thread.
    fn hang_up(&self);
}

impl<T: Send + std::fmt::Debug> HangUp for Shared<T> {
    fn hang_up(&self) {
        let (writer, closed) = {
            let mut state = self.lock();
            state.presence = Presence::Gone;
            (state.writer_waker.take(), state.closed_waker.take())
        };
        wake(writer);
        wake(closed);
    }
}
