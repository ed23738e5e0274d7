//! Notes that a client has closed its side of an HTTP/1 connection while its request is answered.
//!
//! Such a client may wait for its response, or it may have left. On the wire, the two look the same. So the response is
//! still made and sent, but code that wants to know about it is told.
//!
//! Spec: RFC 9112 9.6.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};

/// See the top of this file. When this changes, the connection polls the future of the response.
#[derive(Debug, Default)]
pub struct HalfClosed(AtomicBool);

impl HalfClosed {
    /// Sets whether the client has closed its side.
    pub fn set(&self, closed: bool) {
        self.0.store(closed, Ordering::Relaxed);
    }

    /// Whether the client has closed its side.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// The result of `work`. Calls `tell` if the client closes its side before.
    ///
    /// # Cancel safety
    /// The same as that of `work`.
    pub async fn watch<F: Future + Unpin>(&self, mut work: F, tell: impl FnOnce()) -> F::Output {
        let mut tell = Some(tell);
        poll_fn(|context| {
            let result = Pin::new(&mut work).poll(context);
            if result.is_pending()
                && self.is_set()
                && let Some(tell) = tell.take()
            {
                tell();
                // Polled again, because `tell` may have caused a result.
                return Pin::new(&mut work).poll(context);
            }
            result
        })
        .await
    }
}
