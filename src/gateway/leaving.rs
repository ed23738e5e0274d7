//! What `send` raises after the client has left, and when. Tasks that wait in `receive` get `http.disconnect` first.
//!
//! The delay is for frameworks. Django cancels its view and closes its response when `receive` returns
//! `http.disconnect`; an error from `send` would skip that and leave everything open. Starlette waits in `receive` only
//! where it must, and otherwise ends with the error from `send`.
//!
//! Spec: ASGI HTTP 2.5 "Disconnect - receive event", "Disconnected Client - send exception".

use std::sync::Arc;
use std::task::Poll;

use futures::FutureExt;
use pyo3::prelude::*;
use rsgi_bridge::host::awaitable::PollFn;
use tokio::sync::oneshot;

use crate::runtime::event_loop::EventLoop;

/// How many turns of the loop the tasks in `receive` get before `send` raises. Django needs one turn to start
/// cancelling its view and four to finish. Each layer that passes messages between tasks needs a few more.
const LISTENERS_TURNS: u32 = 16;

/// Raises `error` after the tasks that wait in `receive` have had their turns.
pub(super) fn raise_after_listeners(event_loop: &Arc<EventLoop>, error: PyErr) -> PollFn {
    let (had_theirs, mut turns) = oneshot::channel::<()>();
    event_loop.run_later(LISTENERS_TURNS, Box::new(move |_| drop(had_theirs)));
    Box::new(move |py, context| turns.poll_unpin(context).map(|_| Err(error.clone_ref(py))))
}

/// Wraps a wait of `send`. The first error goes to `hold_back`, which returns what to wait for instead, or an error to
/// raise at once.
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
