//! That a client has ended its side of an HTTP/1 connection while its request is answered.
//!
//! Such a client waits for its answer, or it has left: on the wire the two look the same. So whatever answers goes on, and what it
//! sends leaves; but who wants to know hears of it. Kept apart because the connection says so and the gateways listen.
//!
//! Spec: RFC 9112 9.6.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};

/// See the top of this file. The connection polls who listens when this changes.
#[derive(Debug, Default)]
pub struct HalfClosed(AtomicBool);

impl HalfClosed {
    /// Says it, or for the next request that it is not so yet.
    pub fn set(&self, closed: bool) {
        self.0.store(closed, Ordering::Relaxed);
    }

    /// The result of `work`; `tell` is called if the client ends its side before.
    ///
    /// # Cancel safety
    /// As that of `work`.
    pub async fn watch<F: Future + Unpin>(&self, mut work: F, tell: impl FnOnce()) -> F::Output {
        let mut tell = Some(tell);
        poll_fn(|context| {
            let result = Pin::new(&mut work).poll(context);
            if result.is_pending()
                && self.0.load(Ordering::Relaxed)
                && let Some(tell) = tell.take()
            {
                tell();
                // What that has brought about may be the result.
                return Pin::new(&mut work).poll(context);
            }
            result
        })
        .await
    }
}
