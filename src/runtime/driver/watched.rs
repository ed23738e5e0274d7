//! A descriptor that belongs to Python and that tokio watches.
//!
//! This needs unsafe code: Rust cannot know how long a number from Python stays a valid descriptor.

#![expect(unsafe_code, reason = "a descriptor that Python owns is a bare number")]

use std::io;
use std::os::fd::RawFd;
use std::task::{Context, Poll};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The descriptor of Python's selector. The owner drops this before it closes the descriptor.
#[derive(Debug)]
pub struct SelectorDescriptor(AsyncFd<RawFd>);

impl SelectorDescriptor {
    /// Watches `selector`. Needs the context of a runtime.
    ///
    /// # Errors
    /// When the descriptor cannot be watched.
    pub fn new(selector: RawFd) -> io::Result<Self> {
        // SAFETY: only `ServingSelector.close()` closes the descriptor. It calls `LoopDriver.close()` first, which
        // drops this. Until then the number refers to the same selector.
        let watched = unsafe { AsyncFd::register_with_interest(selector, Interest::READABLE) };
        watched.map(Self).map_err(|error| error.into_parts().1)
    }

    /// Ready when the selector has something new.
    pub fn poll_ready(&self, context: &mut Context<'_>) -> Poll<()> {
        match self.0.poll_read_ready(context) {
            Poll::Ready(Ok(mut ready)) => {
                // Cleared before Python looks, so that what comes meanwhile is seen again.
                ready.clear_ready();
                Poll::Ready(())
            }
            // An error means that the runtime ends.
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
        }
    }
}
