//! Waits for a request: from the first byte of its head to the last, or until a timeout.
//!
//! This is the only place where bytes are read for a head. They are read into a buffer that all connections of a thread
//! share. A connection has its own buffer only while it has an incomplete head.
//!
//! Spec: RFC 9112 2.2, 3, 9.3 (idle); RFC 9110 15.5.9.

use std::cell::RefCell;
use std::io;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use http::Method;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::connection::{Http1, Now, RequestStage, Respond, ServerPhase};
use super::inflow::Inflow;
use crate::request::parts::RequestParts;
use crate::request::upgrade;
use crate::response::early_hints;
use crate::wire::{Head, HeadParser, Limits, Refusal, keep_rest, poll_fill, with_read_buffer};

thread_local! {
    /// Parses a head that arrives as a whole.
    static PARSER: RefCell<HeadParser> = RefCell::default();
}

/// A head, what of it is known, and how the server takes it.
type ReadHead = Result<Option<(Head, RequestParts)>, Refusal>;

/// Reads `io` once, and passes the bytes to `take`.
pub(super) fn poll_read<S: AsyncRead + Unpin, T>(
    io: &mut S,
    cx: &mut Context<'_>,
    take: impl FnOnce(&mut BytesMut) -> T,
) -> Poll<io::Result<T>> {
    with_read_buffer(|buffer| {
        ready!(poll_fill(io, cx, buffer))?;
        Poll::Ready(Ok(take(buffer)))
    })
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static, R: Respond> Http1<S, R> {
    /// Ready when there is a request, or none will come.
    pub(super) fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.input.is_empty() && self.take_head(cx)? {
            return Poll::Ready(Ok(()));
        }
        while self.ended.at.is_none() {
            let Self { io, input, parser, responder, .. } = self;
            let read = poll_read(io, cx, |fresh| {
                let arrived = fresh.len();
                if !input.is_empty() || parser.is_some() {
                    keep_rest(fresh, 0, input);
                    return (arrived, None);
                }
                let found = read_head(parser, fresh, responder.limits());
                let taken = found.as_ref().map_or(0, |found| found.as_ref().map_or(0, |(head, _)| head.len));
                keep_rest(fresh, taken, input);
                (arrived, Some(found))
            });
            let Poll::Ready(read) = read else {
                // A server that was slow itself answers what has come meanwhile, and only then closes.
                if self.server == ServerPhase::Draining {
                    break;
                }
                return self.poll_timeout(cx);
            };
            let begun = match read? {
                (0, _) => break,
                (_, Some(found)) => self.begin(cx, found)?,
                (_, None) => self.take_head(cx)?,
            };
            if begun {
                return Poll::Ready(Ok(()));
            }
        }
        if self.server != ServerPhase::Draining {
            self.ended.at.get_or_insert_with(Instant::now);
        }
        self.turn = RequestStage::Closing;
        Poll::Ready(Ok(()))
    }

    /// Takes the head in `input`, if it is complete.
    fn take_head(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let found = read_head(&mut self.parser, &self.input, self.responder.limits());
        if let Ok(Some((head, _))) = &found {
            self.input.advance(head.len);
        }
        self.begin(cx, found)
    }

    /// Begins to handle what was found. Returns whether there was anything.
    fn begin(&mut self, cx: &mut Context<'_>, found: ReadHead) -> io::Result<bool> {
        match found {
            Ok(None) => return Ok(false),
            Ok(Some((head, parts))) => self.ask(&head, parts),
            Err(refusal) => self.refuse(cx, &refusal)?,
        }
        Ok(true)
    }

    /// Has a request answered.
    fn ask(&mut self, head: &Head, mut parts: RequestParts) {
        self.had_request = true;
        self.now = Now {
            http_11: head.http_11,
            is_head: parts.method == Method::HEAD,
            keep_alive: head.keep_alive,
            ..Now::default()
        };
        if self.ended.at.is_some() {
            // Each request has its own time before the code that makes its response is told.
            self.ended.at = Some(Instant::now());
            self.ended.told = false;
            self.responder.client().half_closed.set(false);
        }
        if head.upgrade {
            self.now.upgrade = Some(upgrade::offer(&mut parts));
        }
        if head.http_11 && self.responder.hints() {
            self.now.hints = Some(early_hints::offer(&mut parts));
        }
        let (body, inflow) = Inflow::begin(head, &mut self.input, self.responder.limits());
        self.inflow = inflow;
        self.feed(true);
        if self.input.is_empty() {
            // Nothing is left, so its memory is not kept. The body may have it.
            self.input = BytesMut::new();
        }
        self.turn = RequestStage::Responding(self.responder.respond(parts, body));
    }

    /// Answers something that is not a request. Nothing after it is read.
    pub(super) fn refuse(&mut self, cx: &mut Context<'_>, refusal: &Refusal) -> io::Result<()> {
        let line = first_line(&self.input, self.responder.limits().request_line);
        self.had_request = true;
        self.input = BytesMut::new();
        self.parser = None;
        self.now = Now { http_11: true, lost: true, ..Now::default() };
        let chosen = self.responder.refuse(refusal, line);
        self.respond(cx, chosen)
    }

    /// Called when the socket has no bytes. Ready when the timeout has passed.
    fn poll_timeout(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let begun = self.parser.as_ref().is_some_and(|parser| parser.begun(&self.input));
        if begun && !self.begun {
            self.begun = true;
            self.since = None;
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        let limits = self.responder.limits();
        let most = if self.had_request && !begun { limits.keep_alive_timeout } else { limits.header_timeout };
        if !self.timer.poll(cx, since.checked_add(most)) {
            return Poll::Pending;
        }
        if begun {
            return Poll::Ready(self.refuse(cx, &Refusal::too_slow("the request head took too long")));
        }
        // An idle connection closes without a response, because a 408 could be taken for the response to the next
        // request.
        self.turn = RequestStage::Closing;
        Poll::Ready(Ok(()))
    }
}

/// Parses the head at the start of `bytes`. If it is incomplete, keeps the state of the parser.
fn read_head(kept: &mut Option<Box<HeadParser>>, bytes: &[u8], limits: &Limits) -> ReadHead {
    let read = |parser: &mut HeadParser| match parser.advance(bytes, limits)? {
        None => Ok(None),
        Some(head) => {
            let parts = RequestParts::of_http1(parser, bytes, head.http_11)?;
            Ok(Some((head, parts)))
        }
    };
    if let Some(mut parser) = kept.take() {
        let found = read(&mut parser);
        *kept = matches!(found, Ok(None)).then_some(parser);
        return found;
    }
    PARSER.with_borrow_mut(|parser| {
        parser.restart();
        let found = read(parser);
        if matches!(found, Ok(None)) && !bytes.is_empty() {
            *kept = Some(Box::new(std::mem::take(parser)));
        }
        found
    })
}

/// The first line of a head without its line end. At most `most` bytes, even if the line does not end.
fn first_line(head: &[u8], most: usize) -> Vec<u8> {
    let head = head.strip_prefix(b"\r\n").unwrap_or(head);
    let line = head.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    line.get(..most).unwrap_or(line).to_vec()
}
