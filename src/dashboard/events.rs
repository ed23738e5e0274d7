//! The stream of `/events`: one message each second, the same for all clients.
//!
//! The number of streams is limited. A slow client misses messages, because none are kept for it.
//!
//! Spec: HTML Living Standard 9.2 (server-sent events).

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::sync::{OwnedSemaphorePermit, watch};

/// When a stream last took a message. `None` if the connection is not a stream.
#[derive(Debug, Default)]
pub struct LastTaken(Mutex<Option<Instant>>);

impl LastTaken {
    /// Whether this is a stream.
    pub fn is_stream(&self) -> bool {
        self.lock().is_some()
    }

    /// Whether this is a stream whose client keeps up.
    pub fn within(&self, timeout: Duration) -> bool {
        self.lock().is_some_and(|at| at.elapsed() < timeout)
    }

    fn now(&self) {
        *self.lock() = Some(Instant::now());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The published messages.
pub type Messages = watch::Receiver<Arc<str>>;

type Next = Pin<Box<dyn Future<Output = Option<(Messages, Bytes)>> + Send>>;

/// The body of one stream.
pub struct EventBody {
    next: Next,
    taken: Arc<LastTaken>,
    _permit: OwnedSemaphorePermit,
}

impl EventBody {
    /// A stream of `messages`, from the next one on. `taken` notes when the client takes one.
    pub fn new(messages: Messages, taken: Arc<LastTaken>, permit: OwnedSemaphorePermit) -> Self {
        taken.now();
        Self { next: Box::pin(next(messages)), taken, _permit: permit }
    }
}

async fn next(mut messages: Messages) -> Option<(Messages, Bytes)> {
    messages.changed().await.ok()?;
    let text = messages.borrow_and_update().clone();
    Some((messages, format!("data: {text}\n\n").into()))
}

impl Body for EventBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        this.taken.now();
        let Some((messages, text)) = ready!(this.next.as_mut().poll(context)) else { return Poll::Ready(None) };
        this.next = Box::pin(next(messages));
        Poll::Ready(Some(Ok(Frame::data(text))))
    }
}
