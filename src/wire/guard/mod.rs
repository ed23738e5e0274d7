//! The I/O adapter between the socket and hyper.
//!
//! Apart from the framer, which knows the grammar: here are the buffers, the clocks and the close. Bytes are read
//! straight into hyper's buffer and judged there; only those that hyper may not see yet (half a head, what follows an
//! upgrade) are kept aside, so a connection that lies idle holds no buffer of its own.
//!
//! Spec: RFC 9112 6.3 (8: ended early), 9.3 (idle); RFC 9110 7.8, 15.5.9.

mod patience;

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::alarm::Alarm;
use super::framer::{Framer, State};
use super::linger::Closing;
use super::opening::FIRST_READ;
use super::order::Reordered;
use super::pace::Pace;
use super::{Limits, Refusal, WireState};

/// What hyper gets for a refused head. No client can send it: `*` is for OPTIONS only, and a 1.1 request has a Host.
const STAND_IN: &[u8] = b"GET * HTTP/1.1\r\n\r\n";
/// How much a client may send ahead while the service decides about an upgrade.
const MOST_AHEAD: usize = 64 << 10;

/// A socket that hands on only what is strict HTTP/1, at a bearable pace. See the [module](super).
#[derive(Debug)]
pub struct Guard<S> {
    io: S,
    limits: Arc<Limits>,
    wire: Arc<WireState>,
    framer: Framer,
    /// What came and is not handed on.
    held: BytesMut,
    /// How much of `held` may be.
    granted: usize,
    /// When the head began that has not ended.
    head_began: Option<Instant>,
    reading: Pace,
    /// Whose body `reading` measures.
    measured: u64,
    writing: Pace,
    /// The head that leaves in another order than hyper's.
    reordered: Reordered,
    /// When a wait for the reader ended last.
    drained: Option<Instant>,
    /// When the client ended its side while a request was being answered.
    half_closed: Option<Instant>,
    alarm: Alarm,
    closing: Closing,
}

/// What [`Guard::poll_fill`] found.
enum Filled {
    /// Something changed.
    More,
    /// Nothing more will come.
    End,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Guard<S> {
    /// Guards `io`. It must be polled on a tokio runtime that has time.
    pub fn new(io: S, limits: Arc<Limits>, wire: Arc<WireState>) -> Self {
        Self {
            io,
            framer: Framer::new(Arc::clone(&limits)),
            held: BytesMut::new(),
            granted: 0,
            head_began: None,
            reading: Pace::new(&limits),
            measured: 0,
            writing: Pace::new(&limits),
            reordered: Reordered::default(),
            drained: None,
            half_closed: None,
            alarm: Alarm::new(limits.keep_alive_timeout),
            closing: Closing::Open,
            limits,
            wire,
        }
    }

    /// Takes what was read of the connection already.
    pub fn begin(&mut self, bytes: BytesMut) {
        self.granted = self.framer.admit(&bytes);
        self.held = bytes;
    }

    /// Refuses whatever the client sends.
    pub fn refuse(&mut self, refusal: Refusal) {
        self.framer.state = State::Refused(refusal);
    }

    /// Waits until there is something to hand on, or to be told, without a buffer to read into meanwhile.
    pub fn poll_wake(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.granted > 0 || !matches!(self.framer.state, State::Head) {
            return Poll::Ready(());
        }
        let mut first = [MaybeUninit::uninit(); FIRST_READ];
        let mut first = ReadBuf::uninit(&mut first);
        // An end is found again by who reads next, and what was an error is an end then.
        let _more_or_end = ready!(self.poll_fill(cx, &mut first));
        let admitted = first.filled();
        if !admitted.is_empty() {
            self.granted = admitted.len();
            let rest = std::mem::replace(&mut self.held, BytesMut::from(admitted));
            self.held.extend_from_slice(&rest);
        }
        Poll::Ready(())
    }

    /// Brings the state to one in which the socket may be read, or there is something to hand over.
    fn prepare(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.wire.is_upgraded() {
            self.framer.state = State::Raw;
        }
        match &self.framer.state {
            State::Head | State::Fixed(_) | State::Chunked(_) => Poll::Ready(Ok(())),
            State::Raw => {
                self.granted = self.held.len();
                Poll::Ready(Ok(()))
            }
            State::AwaitUpgrade => self.poll_upgrade(cx).map(Ok),
            State::Refused(refusal) => {
                let refusal = refusal.clone();
                self.stand_in(refusal);
                Poll::Ready(Ok(()))
            }
            State::Broken(refusal) => {
                self.wire.fail(self.framer.heads, refusal.clone());
                let slow = refusal.status == StatusCode::REQUEST_TIMEOUT;
                let kind = if slow { io::ErrorKind::TimedOut } else { io::ErrorKind::InvalidData };
                Poll::Ready(Err(io::Error::new(kind, refusal.reason.clone())))
            }
            // Never an end of input: hyper would drop the answer. It closes once the answer is out.
            State::Done => Poll::Pending,
        }
    }

    /// Goes on once the service has decided; until then the client may send a little ahead.
    fn poll_upgrade(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.wire.park(cx.waker());
        if self.wire.all_ended(self.framer.heads) {
            self.wire.unpark();
            self.framer.state = State::Head;
            self.granted = self.framer.admit(&self.held);
        } else if self.held.len() >= MOST_AHEAD {
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    fn stand_in(&mut self, refusal: Refusal) {
        self.framer.heads += 1;
        self.wire.refuse(self.framer.heads, refusal, first_line(&self.held, self.limits.request_line));
        self.framer.state = State::Done;
        self.held.clear();
        self.held.extend_from_slice(STAND_IN);
        self.granted = STAND_IN.len();
    }

    fn hand_over(&mut self, out: &mut ReadBuf<'_>) {
        let count = self.granted.min(out.remaining());
        out.put_slice(self.held.get(..count).unwrap_or_default());
        self.held.advance(count);
        self.granted -= count;
        self.head_began = None;
        if self.held.is_empty() {
            self.held = BytesMut::new();
        }
    }

    /// Reads from the socket into `out` and leaves there what hyper may see; keeps the rest aside.
    fn poll_fill(&mut self, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<Filled>> {
        let start = out.filled().len();
        if Pin::new(&mut self.io).poll_read(cx, out)?.is_pending() {
            return self.poll_patience(cx).map(Ok);
        }
        let fresh = out.filled().get(start..).unwrap_or_default();
        let in_body = matches!(self.framer.state, State::Fixed(_) | State::Chunked(_));
        if fresh.is_empty() {
            if in_body && out.remaining() > 0 {
                self.framer.state = State::Broken(Refusal::malformed("the request body ended early"));
                return Poll::Ready(Ok(Filled::More));
            }
            return self.poll_half_closed(cx).map(Ok);
        }
        if in_body {
            self.reading.moved(fresh.len());
        }
        if self.held.is_empty() {
            let admitted = self.framer.admit(fresh);
            self.held.extend_from_slice(fresh.get(admitted..).unwrap_or_default());
            out.set_filled(start + admitted);
        } else {
            self.held.extend_from_slice(fresh);
            out.set_filled(start);
            self.granted = self.framer.admit(&self.held);
        }
        Poll::Ready(Ok(Filled::More))
    }

    /// Whether the client may still be sending what nobody will read.
    fn client_may_send(&self) -> bool {
        match self.framer.state {
            State::Head | State::AwaitUpgrade => !self.held.is_empty(),
            _ => true,
        }
    }

    /// Cuts the connection of a reader that takes nothing.
    fn pace_write<T>(
        &mut self,
        cx: &mut Context<'_>,
        result: Poll<io::Result<T>>,
        count: impl Fn(&T) -> usize,
    ) -> Poll<io::Result<T>> {
        match &result {
            Poll::Ready(Ok(done)) => {
                if let Some(now) = self.writing.moved(count(done)) {
                    self.drained = Some(now);
                }
            }
            Poll::Pending if !matches!(self.framer.state, State::Raw) => {
                let deadline = self.writing.wait();
                if deadline.is_some() && self.alarm.poll(cx, deadline) {
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client reads too slowly")));
                }
            }
            _ => {}
        }
        result
    }
}

/// The first line of a head, without its end; of one that does not end, or is too long, what there is up to `most` bytes.
fn first_line(head: &[u8], most: usize) -> Vec<u8> {
    let head = head.strip_prefix(b"\r\n").unwrap_or(head);
    let line = head.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    line.get(..most).unwrap_or(line).to_vec()
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Guard<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let start = out.filled().len();
        loop {
            if this.granted == 0 {
                ready!(this.prepare(cx))?;
            }
            if this.granted > 0 {
                this.hand_over(out);
                break;
            }
            match ready!(this.poll_fill(cx, out))? {
                Filled::End => return Poll::Ready(Ok(())),
                Filled::More if out.filled().len() > start => break,
                Filled::More => {}
            }
        }
        if this.granted == 0 && matches!(this.framer.state, State::Head) {
            this.wire.arrived(this.framer.heads);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guard<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write(cx, bytes);
        this.pace_write(cx, written, |&count| count)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let told = this.wire.take_order();
        let written = this.reordered.poll_write(cx, &mut this.io, parts, told);
        this.pace_write(cx, written, |&count| count)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.io).poll_flush(cx);
        ready!(this.pace_write(cx, flushed, |()| 0))?;
        // hyper read for the last time before the request was over.
        if matches!(this.framer.state, State::Head) && this.idle_since().is_some() {
            let _found_by_the_next_read = this.poll_idle(cx);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if matches!(this.closing, Closing::Open) {
            let shut = Pin::new(&mut this.io).poll_shutdown(cx);
            ready!(this.pace_write(cx, shut, |()| 0))?;
            this.closing = Closing::after_ours(this.client_may_send());
        }
        this.closing.poll(cx, &mut this.io, &mut this.alarm)
    }
}
