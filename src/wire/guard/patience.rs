//! How long the guard waits for a client that says nothing.
//!
//! Apart from the guard because it decides and reads nothing: which clock runs is told by where the messages have got to.
//!
//! Spec: RFC 9112 6.3 (8: ended early), 9.3 (idle); RFC 9110 15.5.9.

use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use super::{Filled, Guard};
use crate::wire::Refusal;
use crate::wire::framer::State;
use crate::wire::linger::Closing;

/// How long a connection is idle before it rests.
const MOMENT: Duration = Duration::from_secs(1);
/// How long a client that has said that it sends no more may wait for its answer. One that has left looks the same.
const HALF_CLOSED: Duration = Duration::from_millis(500);

impl<S> Guard<S> {
    /// The client sends no more. hyper would drop a request that is being answered, so it hears of it a little later.
    pub(super) fn poll_half_closed(&mut self, cx: &mut Context<'_>) -> Poll<Filled> {
        let answering = matches!(self.framer.state, State::Head) && !self.wire.all_ended(self.framer.heads);
        let began = *self.half_closed.get_or_insert_with(Instant::now);
        if !answering || self.alarm.poll(cx, Some(began + HALF_CLOSED)) {
            return Poll::Ready(Filled::End);
        }
        Poll::Pending
    }

    /// The socket has nothing. Ready when the client has had its time.
    pub(super) fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<Filled> {
        match self.framer.state {
            State::Head if self.framer.head_begun(&self.held) => {
                let began = *self.head_began.get_or_insert_with(Instant::now);
                if self.alarm.poll(cx, began.checked_add(self.limits.header_timeout)) {
                    self.framer.state = State::Refused(Refusal::too_slow("the request head took too long"));
                    return Poll::Ready(Filled::More);
                }
            }
            State::Head => return self.poll_idle(cx),
            State::Fixed(_) | State::Chunked(_) => {
                let deadline = self.body_until();
                if deadline.is_some() && self.alarm.poll(cx, deadline) {
                    self.framer.state = State::Broken(Refusal::too_slow("the request body came too slowly"));
                    return Poll::Ready(Filled::More);
                }
            }
            _ => {}
        }
        Poll::Pending
    }

    /// There is no request, or none that has more to come. Ready when the connection has lain idle for long enough.
    pub(super) fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<Filled> {
        loop {
            let (since, most) = match self.idle_since() {
                Some(since) if self.framer.heads > 0 => (since, self.limits.keep_alive_timeout),
                Some(since) => (since, self.limits.header_timeout),
                None => {
                    self.alarm.poll(cx, None);
                    return Poll::Pending;
                }
            };
            // One that we have closed is listened to, but never again for requests.
            let open = matches!(self.closing, Closing::Open);
            let may_rest = open && self.framer.heads > 0 && most > MOMENT && !self.wire.rests();
            if !self.alarm.poll(cx, since.checked_add(if may_rest { MOMENT } else { most })) {
                return Poll::Pending;
            }
            if !may_rest {
                return Poll::Ready(Filled::End);
            }
            self.wire.rest();
        }
    }

    /// Since when there has been no request; `None` while there is one.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        if self.framer.heads == 0 {
            return Some(self.wire.created());
        }
        if !self.wire.all_ended(self.framer.heads) || self.writing.is_waiting() {
            return None;
        }
        let ended = self.wire.ended_at();
        Some(self.drained.map_or(ended, |drained| drained.max(ended)))
    }

    /// Until when the next bytes of a body are waited for.
    fn body_until(&mut self) -> Option<Instant> {
        if self.measured != self.framer.heads {
            self.measured = self.framer.heads;
            self.reading.restart();
        }
        self.reading.wait()
    }
}
