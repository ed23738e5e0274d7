//! A descriptor that belongs to Python and that tokio watches.
//!
//! This needs unsafe code: Rust cannot know how long a number from Python stays a valid descriptor.

#![expect(unsafe_code, reason = "a descriptor that Python owns is a bare number")]

use std::io;
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::task::{Context, Poll};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
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

/// Sleeps until `selector` or `other` is ready, or `timeout` is over. Returns which of them are ready.
///
/// A signal ends it early, with neither of them.
pub(super) fn sleep_until_ready(selector: RawFd, other: &impl AsFd, timeout: Option<Timespec>) -> (bool, bool) {
    // SAFETY: as above, `ServingSelector.close()` closes it, on the thread that is here.
    let selector = unsafe { BorrowedFd::borrow_raw(selector) };
    let mut both =
        [PollFd::from_borrowed_fd(selector, PollFlags::IN), PollFd::from_borrowed_fd(other.as_fd(), PollFlags::IN)];
    match poll(&mut both, timeout.as_ref()) {
        Ok(_) => (!both[0].revents().is_empty(), !both[1].revents().is_empty()),
        Err(_) => (false, false),
    }
}
