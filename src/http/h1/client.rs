//! Listens to the client while its request is answered: it may send a body, send the next request, close its side, or
//! leave.
//!
//! What is read ahead is limited. A client that sends more has to wait.
//!
//! Spec: RFC 9112 6.3 (8: ended early), 9.3.2, 9.6; RFC 9110 10.1.1 (`Expect`).

use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::connection::{Http1, RequestStage, Respond};
use super::inflow::Fed;
use super::reading::poll_read;
use crate::wire::{keep_rest, poll_fill};

/// How many bytes a client may send before its response, in addition to the body.
const MOST_AHEAD: usize = 64 << 10;
/// How many bytes of a body are read at once.
const READ: usize = 64 << 10;
/// How long after it has closed its side a client is assumed to be there.
const HALF_CLOSED: Duration = Duration::from_millis(500);

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// The result of listening.
pub(super) enum Heard {
    /// Nothing that the response may wait for.
    Nothing,
    /// Something that the response may wait for.
    Something,
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static, R: Respond> Http1<S, R> {
    /// Reads what comes, and passes it on.
    ///
    /// # Errors
    /// When the client has left.
    pub(super) fn listen(&mut self, cx: &mut Context<'_>) -> io::Result<Heard> {
        let mut heard = Heard::Nothing;
        loop {
            if self.feed(false) {
                heard = Heard::Something;
            }
            if self.invite(cx)?.is_pending() {
                return Ok(heard);
            }
            if self.ended.at.is_some() {
                return if self.doubt(cx)? { Ok(Heard::Something) } else { Ok(heard) };
            }
            match self.poll_more(cx) {
                Poll::Ready(Ok(0)) => self.end_early(),
                Poll::Ready(Ok(count)) => _ = self.inflow.as_mut().map(|inflow| inflow.moved(count)),
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => return Ok(if self.give_up(cx) { Heard::Something } else { heard }),
            }
        }
    }

    /// Passes on what has arrived of the body: as much as there is room for, or all of it. Returns whether the body has
    /// ended or broken off.
    pub(super) fn feed(&mut self, all: bool) -> bool {
        let Some(inflow) = &mut self.inflow else { return false };
        let fed = inflow.feed(&mut self.input, all);
        if fed != Fed::More {
            self.inflow = None;
        }
        self.now.lost |= fed == Fed::Broken;
        fed != Fed::More
    }

    /// Ready when more can be read. Sends `100 Continue` when the body is first wanted.
    fn invite(&mut self, cx: &mut Context<'_>) -> io::Result<Poll<()>> {
        let Some(inflow) = &mut self.inflow else {
            // After a body that broke off, nothing more is read.
            return Ok(if self.now.lost || self.input.len() >= MOST_AHEAD { Poll::Pending } else { Poll::Ready(()) });
        };
        if inflow.poll_invited(cx).is_ready() {
            self.output.copy(CONTINUE);
            if let Poll::Ready(Err(error)) = self.poll_output(cx) {
                return Err(error);
            }
        }
        let Some(inflow) = &mut self.inflow else { return Ok(Poll::Ready(())) };
        Ok(match inflow.poll_room(cx) {
            Poll::Ready(Ok(())) => Poll::Ready(()),
            // If nobody reads the body, the rest stays in the socket.
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
        })
    }

    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Self { io, input, .. } = self;
        if self.inflow.is_some() {
            input.reserve(READ);
            return poll_fill(io, cx, input);
        }
        poll_read(io, cx, |fresh| {
            let arrived = fresh.len();
            keep_rest(fresh, 0, input);
            arrived
        })
    }

    /// Notes that the client has closed its side. A body that is incomplete now breaks off.
    fn end_early(&mut self) {
        self.ended.at = Some(Instant::now());
        if let Some(inflow) = self.inflow.take() {
            inflow.end_early();
            self.now.lost = true;
        }
    }

    /// After a client has closed its side, waits a moment and then tells the code that makes the response, once.
    /// Returns `true` when it does.
    ///
    /// # Errors
    /// If the request may switch protocols: then closing its side means that the client has left.
    fn doubt(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let deadline = self.ended.at.and_then(|at| at.checked_add(HALF_CLOSED));
        if self.ended.told || !self.timer.poll(cx, deadline) {
            return Ok(false);
        }
        if self.now.upgrade.is_some() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.ended.told = true;
        match &mut self.turn {
            RequestStage::Sending(sending) => sending.half_closed(),
            _ => self.responder.client().half_closed.set(true),
        }
        Ok(true)
    }

    /// Gives up a body that comes too slowly. Returns whether it did.
    fn give_up(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(inflow) = &mut self.inflow else { return false };
        let deadline = inflow.deadline();
        if deadline.is_none() || !self.timer.poll(cx, deadline) {
            return false;
        }
        inflow.give_up();
        self.inflow = None;
        self.now.lost = true;
        true
    }

    /// The response begins. Whether the client can send another request depends on whether its whole body has arrived.
    pub(super) fn settle(&mut self) {
        if let Some(inflow) = &mut self.inflow {
            inflow.response_began();
            self.feed(true);
        }
        self.now.lost |= self.inflow.is_some();
    }
}
