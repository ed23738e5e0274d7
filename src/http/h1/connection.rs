//! One HTTP/1 connection as a state machine: head → answer → head, until it ends.
//!
//! Kept apart from the parts that it runs: `reading` waits for a head, `client` listens while there is an answer to come, `answering`
//! makes bytes of it. Nothing is kept between two requests but the socket, a timer and a few numbers.
//!
//! Spec: RFC 9112 9.3, 9.3.2 (one answer after the other), 9.6.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::answering::Sending;
use super::handed_on::HandedOn;
use super::inflow::Inflow;
use super::output::Output;
use crate::http::connection::{ChosenResponse, ResponseFuture};
use crate::request::body::RawBody;
use crate::request::half_closed::HalfClosed;
use crate::request::parts::RequestParts;
use crate::request::upgrade::Handover;
use crate::response::early_hints::EarlyHints;
use crate::response::own_fields::OwnFields;
use crate::wire::{Closing, DataRate, HeadParser, Limits, Refusal, Timer};

/// Who had a request so lately may have another on its way.
const LATELY: Duration = Duration::from_secs(1);

/// Who answers the requests of a connection, and how.
pub(super) trait Answers: Unpin {
    /// What is put up with.
    fn limits(&self) -> &Arc<Limits>;
    /// Answers a request.
    fn answer(&self, parts: RequestParts, body: RawBody) -> ResponseFuture;
    /// Answers what is no request, and begins with `line`.
    fn refuse(&self, refusal: &Refusal, line: Vec<u8>) -> ChosenResponse;
    /// Where it is said that the client sends no more.
    fn half_closed(&self) -> &HalfClosed;
    /// The fields that every answer gets.
    fn own_fields(&self) -> &OwnFields;
    /// Whether they include `Date`.
    fn is_dated(&self) -> bool;
    /// Whether an application may send a 103.
    fn hints(&self) -> bool;
}

/// How far the request at hand has come.
#[derive(Default)]
pub(super) enum RequestStage {
    /// There is none: the next head is waited for.
    #[default]
    Head,
    /// There is none, and what comes instead gets this answer.
    Refusing(Refusal),
    /// It has no answer yet.
    Answering(ResponseFuture),
    /// Its answer is being sent.
    Sending(Box<Sending>),
    /// Once the answer is out, the connection is not HTTP any more.
    Upgrading(Handover),
    /// Once the answer is out, it closes.
    Closing,
    /// Once what there is of the answer is out, it is cut: nothing is to look like the end.
    Cut,
}

/// What the request at hand means to its connection.
#[derive(Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is something else that is known of a request; they combine freely"
)]
pub(super) struct Now {
    pub(super) http_11: bool,
    /// The method is HEAD.
    pub(super) is_head: bool,
    /// The client may send another request.
    pub(super) keep_alive: bool,
    /// What follows cannot be read as a request: its body broke off, or will not be read.
    pub(super) lost: bool,
    /// The answer is the last.
    pub(super) last: bool,
    /// It asks to become something else.
    pub(super) upgrade: Option<Handover>,
    pub(super) hints: Option<EarlyHints>,
}

/// That the client sends no more.
#[derive(Debug, Default)]
pub(super) struct ClientClosed {
    pub(super) at: Option<Instant>,
    /// Who answers has heard of it.
    pub(super) told: bool,
}

/// What the server is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ServerPhase {
    Serving,
    /// It ends soon: each response from now on is the connection's last.
    Leaving,
    /// It ends: no other request is waited for.
    Draining,
}

/// See the top of this file.
pub(super) struct Http1<S, A> {
    pub(super) io: S,
    pub(super) answers: A,
    pub(super) turn: RequestStage,
    pub(super) now: Now,
    /// What came and was not taken.
    pub(super) input: BytesMut,
    /// How far the head in `input` was read.
    pub(super) parser: Option<Box<HeadParser>>,
    pub(super) inflow: Option<Box<Inflow>>,
    pub(super) output: Output,
    pub(super) writing: DataRate,
    /// Since when the client is waited for: it has nothing to ask, or has begun to.
    pub(super) since: Option<Instant>,
    /// It has begun to ask.
    pub(super) begun: bool,
    /// It has asked for something.
    pub(super) asked: bool,
    pub(super) ended: ClientClosed,
    pub(super) timer: Timer,
    closing: Closing,
    pub(super) server: ServerPhase,
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static, A: Answers> Http1<S, A> {
    /// A connection of which `input` was read. It must be polled on a tokio runtime that has time.
    pub(super) fn new(io: S, answers: A, input: BytesMut) -> Self {
        let limits = answers.limits();
        let (writing, timer) = (DataRate::new(limits), Timer::new(limits.keep_alive_timeout));
        Self {
            io,
            answers,
            turn: RequestStage::Head,
            now: Now::default(),
            input,
            parser: None,
            inflow: None,
            output: Output::default(),
            writing,
            since: None,
            begun: false,
            asked: false,
            ended: ClientClosed::default(),
            timer,
            closing: Closing::Open,
            server: ServerPhase::Serving,
        }
    }

    /// A connection that gets this answer, whatever it asks for.
    pub(super) fn refusing(io: S, answers: A, refusal: Refusal) -> Self {
        let mut connection = Self::new(io, answers, BytesMut::new());
        connection.turn = RequestStage::Refusing(refusal);
        connection
    }

    /// Whether a request may be on its way: nothing was asked yet, or something a moment ago.
    pub(super) fn expects_request(&self) -> bool {
        match self.turn {
            RequestStage::Head => !self.asked || self.since.is_none_or(|since| since.elapsed() < LATELY),
            _ => true,
        }
    }

    /// Ready when the connection has ended. An error is that it did not end in order.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let flushed = self.poll_output(cx)?;
            match &self.turn {
                RequestStage::Head => {
                    ready!(flushed);
                    ready!(self.poll_head(cx))?;
                }
                RequestStage::Refusing(refusal) => {
                    let refusal = refusal.clone();
                    self.refuse(cx, &refusal)?;
                }
                RequestStage::Answering(_) => ready!(self.poll_answer(cx))?,
                RequestStage::Sending(_) => ready!(self.poll_sending(cx))?,
                RequestStage::Upgrading(_) => {
                    ready!(flushed);
                    break;
                }
                RequestStage::Closing => {
                    ready!(flushed);
                    return self.poll_close(cx);
                }
                RequestStage::Cut => {
                    ready!(flushed);
                    return Poll::Ready(Err(io::Error::other("the answer broke off")));
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Writes what there is. Cuts the connection of a reader that takes nothing.
    pub(super) fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.output.is_out() {
            match self.output.poll_write(cx, &mut self.io) {
                Poll::Ready(written) => _ = self.writing.moved(written?),
                Poll::Pending => {
                    let deadline = self.writing.wait();
                    if deadline.is_some() && self.timer.poll(cx, deadline) {
                        let slow = io::Error::new(io::ErrorKind::TimedOut, "the client reads too slowly");
                        return Poll::Ready(Err(slow));
                    }
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// The request is over. What is known of it is forgotten.
    pub(super) fn end(&mut self) {
        // Nobody reads what is left of its body.
        self.now.lost |= self.inflow.take().is_some();
        self.turn = if self.now.last || self.now.lost { RequestStage::Closing } else { RequestStage::Head };
        self.now.upgrade = None;
        self.now.hints = None;
        self.since = None;
        self.begun = false;
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if matches!(self.closing, Closing::Open) {
            match Pin::new(&mut self.io).poll_shutdown(cx) {
                Poll::Ready(shut) => shut?,
                Poll::Pending => {
                    let deadline = self.writing.wait();
                    let slow = deadline.is_some() && self.timer.poll(cx, deadline);
                    return if slow { Poll::Ready(Err(io::ErrorKind::TimedOut.into())) } else { Poll::Pending };
                }
            }
            // A client may still be sending what nobody will read.
            let may_send = self.now.lost || !self.input.is_empty();
            self.closing = Closing::after_ours(may_send);
        }
        self.closing.poll(cx, &mut self.io, &mut self.timer)
    }

    /// Gives the connection to whoever it was upgraded for.
    pub(super) fn hand_on(self) {
        if let RequestStage::Upgrading(handover) = self.turn {
            // Whoever wanted it may have gone.
            let _unwanted = handover.send(Box::new(HandedOn::new(self.io, self.input, self.timer)));
        }
    }
}
