//! Tells an application whose response has not begun that its client has left.
//!
//! Apart from the messages, because the connection and the call share this.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// Notes that the client has left before there was a response.
pub(super) type DisconnectFlag = Arc<DisconnectState>;

/// See [`DisconnectFlag`].
#[derive(Debug, Default)]
pub(super) struct DisconnectState {
    gone: AtomicBool,
    /// The client may have left. If the application asks, it is told that the client has left, and that stays so.
    doubted: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl DisconnectState {
    fn tell(&self) {
        self.gone.store(true, Ordering::Release);
        self.wake();
    }

    /// Whether the client has left.
    pub(super) fn has_left(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// Whether nobody waits for the response. A client that only may have left still waits.
    pub(super) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// Notes that the client may have left.
    pub(super) fn doubt(&self) {
        self.doubted.store(true, Ordering::Release);
        self.wake();
    }

    fn wake(&self) {
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Ready when the client has left.
    pub(super) fn poll(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        if self.doubted.load(Ordering::Acquire) {
            self.gone.store(true, Ordering::Release);
        }
        if self.gone.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        *waker = Some(context.waker().clone());
        Poll::Pending
    }
}

impl AsRef<Self> for DisconnectState {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// Dropped with the service's future: the client has then got the response head, or has left. After that, the pipe of
/// the body shows whether the client leaves.
pub(super) struct NotifyOnDrop<T: AsRef<DisconnectState> + ?Sized>(pub Arc<T>);

impl<T: AsRef<DisconnectState> + ?Sized> Drop for NotifyOnDrop<T> {
    fn drop(&mut self) {
        (*self.0).as_ref().tell();
    }
}
