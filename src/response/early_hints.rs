//! `103 Early Hints`: carries the hints of an application to the connection.
//!
//! The application calls `send` on its own thread. The connection takes the bytes when it can write.
//!
//! Spec: RFC 8297; RFC 9110 15.2; ASGI extension "Early Hints".

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Context;

use futures::task::AtomicWaker;

use crate::request::parts::RequestParts;

/// At most this many bytes of hints wait. Further ones are dropped, because a hint is optional.
const MOST: usize = 64 << 10;

/// The hints of one request that were not written yet.
#[derive(Clone, Debug, Default)]
pub struct EarlyHints(Arc<HintQueue>);

#[derive(Debug, Default)]
struct HintQueue {
    lines: Mutex<Vec<u8>>,
    connection: AtomicWaker,
}

/// Allows the application of this request to send hints.
pub fn offer(parts: &mut RequestParts) -> EarlyHints {
    let hints = EarlyHints::default();
    parts.extensions.insert(hints.clone());
    hints
}

impl EarlyHints {
    /// The hints of a request, if its connection can send them.
    pub fn of(parts: &RequestParts) -> Option<&Self> {
        parts.extensions.get()
    }

    /// Queues a 103 with these values of `Link`.
    pub fn send(&self, links: &[Vec<u8>]) {
        let mut waiting = self.lines();
        if waiting.len() > MOST {
            return;
        }
        waiting.extend_from_slice(b"HTTP/1.1 103 Early Hints\r\n");
        for link in links {
            for part in [b"link: ", link.as_slice(), b"\r\n"] {
                waiting.extend_from_slice(part);
            }
        }
        waiting.extend_from_slice(b"\r\n");
        drop(waiting);
        self.0.connection.wake();
    }

    /// Wakes the connection when there are hints. Call this before `take`.
    pub fn register(&self, context: &Context<'_>) {
        self.0.connection.register(context.waker());
    }

    /// The bytes to write.
    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.lines())
    }

    fn lines(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
