//! One HTTP/1 connection as a state machine: head → response → head, until it ends.
//!
//! `reading` waits for a head, `client` listens until there is a response, and `responding` sends it. Between two
//! requests, a connection keeps only the socket, a timer and a few numbers.
//!
//! Spec: RFC 9112 9.3, 9.3.2 (responses are sent in order), 9.6.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::handed_on::HandedOn;
use super::inflow::Inflow;
use super::output::Output;
use super::sending::Sending;
use crate::gateway::client_state::ClientState;
use crate::http::connection::ChosenResponse;
use crate::http::direct::PendingResponse;
use crate::request::body::RawBody;
use crate::request::parts::RequestParts;
use crate::request::upgrade::Handover;
use crate::response::early_hints::EarlyHints;
use crate::response::own_fields::OwnFields;
use crate::wire::{Closing, DataRate, HeadParser, Limits, Refusal, Timer};

/// A client that had a request so recently may have sent another one.
const RECENT: Duration = Duration::from_secs(1);

/// Answers the requests of a connection.
pub(super) trait Respond: Unpin {
    /// The limits of the connection.
    fn limits(&self) -> &Arc<Limits>;
    /// Answers a request.
    fn respond(&self, parts: RequestParts, body: RawBody) -> PendingResponse;
    /// Answers what is no request, and begins with `line`.
    fn refuse(&self, refusal: &Refusal, line: Vec<u8>) -> Box<ChosenResponse>;
    /// What gateways need. The connection also notes there that the client has closed its side.
    fn client(&self) -> &ClientState;
    /// The fields that the server adds to every response.
    fn own_fields(&self) -> &OwnFields;
    /// Whether they include `Date`.
    fn is_dated(&self) -> bool;
    /// Whether an application may send a 103.
    fn hints(&self) -> bool;
}

/// The stage of the current request.
#[derive(Default)]
pub(super) enum RequestStage {
    /// There is no request. The connection waits for a head.
    #[default]
    Head,
    /// There is no request. What comes gets this refusal.
    Refusing(Refusal),
    /// There is no response yet.
    Responding(PendingResponse),
    /// The response is being sent.
    Sending(Box<Sending>),
    /// When the response was sent, the connection switches to another protocol.
    Upgrading(Handover),
    /// When the response was sent, the connection closes.
    Closing,
    /// When the existing part of the response was sent, the connection is cut, so that nothing looks like the end.
    Cut,
}

/// What the connection needs to know about the current request.
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
    /// No request can be read after this one, because its body broke off or will not be read.
    pub(super) lost: bool,
    /// This response is the last.
    pub(super) last: bool,
    /// The request asks to switch protocols.
    pub(super) upgrade: Option<Handover>,
    pub(super) hints: Option<EarlyHints>,
}

/// When the client has closed its side.
#[derive(Debug, Default)]
pub(super) struct ClientClosed {
    pub(super) at: Option<Instant>,
    /// The code that makes the response was told.
    pub(super) told: bool,
}

/// What the server is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ServerPhase {
    Serving,
    /// It ends soon. From now on, each response is the last of its connection.
    Leaving,
    /// It ends. Connections do not wait for another request.
    Draining,
}

/// See the top of this file.
pub(super) struct Http1<S, R> {
    pub(super) io: S,
    pub(super) responder: R,
    pub(super) turn: RequestStage,
    pub(super) now: Now,
    /// Bytes that were read and not used yet.
    pub(super) input: BytesMut,
    /// How far the head in `input` was parsed.
    pub(super) parser: Option<Box<HeadParser>>,
    pub(super) inflow: Option<Box<Inflow>>,
    pub(super) output: Output,
    pub(super) writing: DataRate,
    /// Since when the connection waits for the client, either for the first byte of a request or for the rest of its
    /// head.
    pub(super) since: Option<Instant>,
    /// A head has begun.
    pub(super) begun: bool,
    /// There was a request.
    pub(super) had_request: bool,
    pub(super) ended: ClientClosed,
    pub(super) timer: Timer,
    closing: Closing,
    pub(super) server: ServerPhase,
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static, R: Respond> Http1<S, R> {
    /// A connection. `input` was read from it already. It must be polled on a tokio runtime with timers.
    pub(super) fn new(io: S, responder: R, input: BytesMut) -> Self {
        let limits = responder.limits();
        let (writing, timer) = (DataRate::new(limits), Timer::new(limits.keep_alive_timeout));
        Self {
            io,
            responder,
            turn: RequestStage::Head,
            now: Now::default(),
            input,
            parser: None,
            inflow: None,
            output: Output::default(),
            writing,
            since: None,
            begun: false,
            had_request: false,
            ended: ClientClosed::default(),
            timer,
            closing: Closing::Open,
            server: ServerPhase::Serving,
        }
    }

    /// A connection that answers anything with this refusal.
    pub(super) fn refusing(io: S, responder: R, refusal: Refusal) -> Self {
        let mut connection = Self::new(io, responder, BytesMut::new());
        connection.turn = RequestStage::Refusing(refusal);
        connection
    }

    /// Whether a request may be on the way: there was none yet, or one a moment ago.
    pub(super) fn expects_request(&self) -> bool {
        match self.turn {
            RequestStage::Head => !self.had_request || self.since.is_none_or(|since| since.elapsed() < RECENT),
            _ => true,
        }
    }

    /// Ready when the connection has ended. An error means that it did not end properly.
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
                RequestStage::Responding(_) => ready!(self.poll_response(cx))?,
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
                    return Poll::Ready(Err(io::Error::other("the response broke off")));
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Writes the output. Cuts the connection if the client reads too slowly.
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

    /// Ends the current request, and forgets its data.
    pub(super) fn end(&mut self) {
        // Nobody reads the rest of its body.
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
            // The client may still send something that nobody will read.
            let may_send = self.now.lost || !self.input.is_empty();
            self.closing = Closing::after_ours(may_send);
        }
        self.closing.poll(cx, &mut self.io, &mut self.timer)
    }

    /// Gives the connection to the code that switches its protocol.
    pub(super) fn hand_on(self) {
        if let RequestStage::Upgrading(handover) = self.turn {
            // Fails if nobody wants it any more.
            let _unwanted = handover.send(Box::new(HandedOn::new(self.io, self.input, self.timer)));
        }
    }
}
