//! Ends a pipe for its writer while the reader is still there.
//!
//! A shutdown uses this to end responses without a length.

use super::state::{Presence, Shared, wake};

/// Ends the writer as if its reader had gone. The reader still gets what is in the pipe. Then the pipe breaks off.
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
