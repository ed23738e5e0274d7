//! What `send` raises when the client has left, and when: whoever listens in `receive` hears of it first.
//!
//! Kept apart from the exchange because it is about how frameworks end. Django cancels its view when `receive` says that the
//! client has left, and closes its response then; an error of `send` passes it by, and leaves all that open. Starlette listens
//! only where it must, and ends by the error.
//!
//! Spec: ASGI HTTP 2.5 "Disconnect - receive event", "Disconnected Client - send exception".

use std::sync::Arc;
use std::task::Poll;

use futures::FutureExt;
use pyo3::prelude::*;
use rsgi_bridge::host::awaitable::PollFn;
use tokio::sync::oneshot;

use crate::runtime::event_loop::EventLoop;

/// How many turns of the loop those who listen have: Django takes one to begin and four to cancel its view, and each layer that
/// hands messages from task to task takes some more.
const LISTENERS_TURNS: u32 = 16;

/// Raises `error` when those who listen in `receive` have had their turns.
pub(super) fn raise_after_listeners(event_loop: &Arc<EventLoop>, error: PyErr) -> PollFn {
    let (had_theirs, mut turns) = oneshot::channel::<()>();
    event_loop.run_later(LISTENERS_TURNS, Box::new(move |_| drop(had_theirs)));
    Box::new(move |py, context| turns.poll_unpin(context).map(|_| Err(error.clone_ref(py))))
}

/// A wait of `send`. The first error that it comes to is handed to `hold_back`, which gives what to wait for instead, or the
/// error for now.
pub(super) fn put_off(
    mut poll: PollFn,
    hold_back: impl FnOnce(Python<'_>, PyErr) -> PyResult<PollFn> + Send + 'static,
) -> PollFn {
    let mut hold_back = Some(hold_back);
    Box::new(move |py, context| match (poll(py, context), hold_back.take()) {
        (Poll::Ready(Err(error)), Some(hold_back)) => match hold_back(py, error) {
            Ok(later) => {
                poll = later;
                poll(py, context)
            }
            Err(error) => Poll::Ready(Err(error)),
        },
        (polled, not_yet) => {
            hold_back = not_yet;
            polled
        }
    })
}
