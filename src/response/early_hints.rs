//! `103 Early Hints`: what an application says before its answer, on the way to the connection.
//!
//! Kept apart because it goes beside the answer: the application sends from its own thread, the connection writes when it can.
//!
//! Spec: RFC 8297; RFC 9110 15.2; ASGI extension "Early Hints".

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Context;

use futures::task::AtomicWaker;

use crate::request::parts::RequestParts;

/// So many bytes of hints wait at most: what is more is left out, as it is no more than a hint.
const MOST: usize = 64 << 10;

/// See the top of this file.
#[derive(Clone, Debug, Default)]
pub struct EarlyHints(Arc<HintQueue>);

#[derive(Debug, Default)]
struct HintQueue {
    lines: Mutex<Vec<u8>>,
    connection: AtomicWaker,
}

/// Lets the application of this request send hints.
pub fn offer(parts: &mut RequestParts) -> EarlyHints {
    let hints = EarlyHints::default();
    parts.extensions.insert(hints.clone());
    hints
}

impl EarlyHints {
    /// Those of a request, if its connection takes any.
    pub fn of(parts: &RequestParts) -> Option<&Self> {
        parts.extensions.get()
    }

    /// Sends an informational answer with these values of `Link`.
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

    /// Has the connection woken when there are hints. Ask before taking.
    pub fn register(&self, context: &Context<'_>) {
        self.0.connection.register(context.waker());
    }

    /// What is to be written.
    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.lines())
    }

    fn lines(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
