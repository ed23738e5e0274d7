//! Sends a response: what its head says about the connection, how its body is framed, and how it ends.
//!
//! `lines` writes the bytes of a head. If a body breaks off or is shorter than declared, the connection is cut, so that
//! the body never looks complete.
//!
//! Spec: RFC 9112 6.1, 6.2, 6.3, 7.1, 9.3, 9.6; RFC 9110 6.4.1, 8.6, 15.2.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::StatusCode;
use http::header::{CONNECTION, HeaderMap, HeaderValue};
use http_body::Body;
use rsgi_bridge::response::response_head::ResponseHead;
use tokio::io::{AsyncRead, AsyncWrite};

use super::client::Heard;
use super::connection::{Http1, RequestStage, Respond, ServerPhase};
use super::lines::{self, Beside, Length, Says};
use super::sending::{Framing, Sending};
use crate::http::connection::ChosenResponse;
use crate::response::app_response::{AppResponse, ResponseBody};
use crate::response::in_flight::InFlight;

/// More of a body is read only while fewer bytes than this wait to be sent.
const ENOUGH: usize = 128 << 10;
/// A body of up to this many bytes is sent together with its head.
const JOINED: usize = 16 << 10;

thread_local! {
    /// A buffer for heads.
    static MADE: RefCell<Vec<u8>> = RefCell::new(Vec::with_capacity(JOINED));
}

/// What a step of sending the body has found.
enum NextPart {
    /// There is more.
    More,
    /// The body has ended.
    Ended,
    /// The body broke off.
    Broken,
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static, R: Respond> Http1<S, R> {
    /// Ready when there is a response.
    pub(super) fn poll_response(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let RequestStage::Responding(pending) = &mut self.turn else { return Poll::Ready(Ok(())) };
            if let Poll::Ready(chosen) = pending.poll(cx, self.responder.client()) {
                self.send_hints();
                self.respond(cx, chosen)?;
                return Poll::Ready(Ok(()));
            }
            self.poll_hints(cx)?;
            match self.listen(cx)? {
                Heard::Nothing => return Poll::Pending,
                Heard::Something => {}
            }
        }
    }

    fn poll_hints(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if let Some(hints) = &self.now.hints {
            hints.register(cx);
            self.send_hints();
            if let Poll::Ready(Err(error)) = self.poll_output(cx) {
                return Err(error);
            }
        }
        Ok(())
    }

    fn send_hints(&mut self) {
        if let Some(hints) = &self.now.hints {
            self.output.copy(&hints.take());
        }
    }

    /// Begins to send a response.
    pub(super) fn respond(&mut self, cx: &mut Context<'_>, mut chosen: Box<ChosenResponse>) -> io::Result<()> {
        self.settle();
        let ChosenResponse { response, in_flight, id } = &mut *chosen;
        if let AppResponse::Whole(head, body) = response
            && !in_flight.logs_fields()
        {
            if let Some(decision) = in_flight.decision.take() {
                decision.add_to(head);
            }
            self.send_whole(cx, head, std::mem::take(body), in_flight, id.as_ref())?;
            let status = head.status;
            drop(chosen);
            self.go_on(status);
            return Ok(());
        }
        let ChosenResponse { response, in_flight, id } = *chosen;
        let refused = response.is_last();
        let (head, body) = response.into_parts(in_flight);
        self.send(&head, body, id.as_ref(), refused);
        Ok(())
    }

    /// Sends a response that is complete.
    fn send_whole(
        &mut self,
        cx: &mut Context<'_>,
        head: &ResponseHead,
        body: Bytes,
        in_flight: &mut InFlight,
        id: Option<&HeaderValue>,
    ) -> io::Result<()> {
        let (framing, length) = self.framing(head, Some(body.len() as u64));
        let says = self.says(head, framing, false);
        let body = if framing == Framing::Bodiless { Bytes::new() } else { body };
        in_flight.record.status = head.status.as_u16();
        in_flight.record.bytes += body.len() as u64;
        MADE.with_borrow_mut(|made| {
            self.write_head(made, head, (framing, length, says), id);
            if body.len() > JOINED || !self.output.is_out() {
                self.output.copy(made);
                self.output.push(body);
                return Ok(());
            }
            made.extend_from_slice(&body);
            let written = self.output.begin(cx, &mut self.io, made)?;
            self.writing.moved(written);
            Ok(())
        })
    }

    /// Begins to send a response whose body may come in pieces.
    fn send(&mut self, head: &ResponseHead, mut body: ResponseBody, id: Option<&HeaderValue>, refused: bool) {
        let (framing, length) = self.framing(head, body.length());
        let says = self.says(head, framing, refused);
        if body.logs_fields() {
            body.log_fields(&self.all_fields(head, says, id));
        }
        MADE.with_borrow_mut(|made| {
            self.write_head(made, head, (framing, length, says), id);
            self.output.copy(made);
        });
        if framing == Framing::Bodiless {
            drop(body);
            self.go_on(head.status);
        } else {
            self.turn = RequestStage::Sending(Box::new(Sending { body, framing }));
        }
    }

    /// How the body is framed, and what the head must say about that. `known` is the length of the body, if it is
    /// known.
    fn framing(&self, head: &ResponseHead, known: Option<u64>) -> (Framing, Length) {
        let declared = head.content_length;
        if !head.allows_body(self.now.is_head) || head.status == StatusCode::SWITCHING_PROTOCOLS {
            let stands_for = known.filter(|length| *length > 0 && declared.is_none() && head.allows_body(false));
            return (Framing::Bodiless, stands_for.map_or(Length::Unsaid, Length::Known));
        }
        match (known, declared) {
            (Some(length), Some(_)) | (None, Some(length)) => (Framing::Length(length), Length::Unsaid),
            (Some(length), None) => (Framing::Length(length), Length::Known(length)),
            (None, None) if self.now.http_11 => (Framing::Chunked, Length::Chunked),
            (None, None) => (Framing::Close, Length::Unsaid),
        }
    }

    /// What the head says about the connection. Also decides whether this response is the last.
    fn says(&mut self, head: &ResponseHead, framing: Framing, refused: bool) -> Says {
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            return Says::Nothing;
        }
        let ours = self.now.lost || self.server != ServerPhase::Serving || refused || framing == Framing::Close;
        let goes_on = self.now.keep_alive;
        self.now.last = ours || !goes_on;
        match (ours, goes_on, self.now.http_11) {
            (true, ..) => Says::Close,
            (false, true, false) => Says::KeepAlive,
            (false, false, true) => Says::Closes,
            (false, true, true) | (false, false, false) => Says::Nothing,
        }
    }

    fn write_head(
        &self,
        made: &mut Vec<u8>,
        head: &ResponseHead,
        (framing, length, says): (Framing, Length, Says),
        id: Option<&HeaderValue>,
    ) {
        made.clear();
        let (http_11, trailers, dated) = (self.now.http_11, framing == Framing::Chunked, self.responder.is_dated());
        let beside = Beside { http_11, says, length, trailers, own: self.responder.own_fields(), id, dated };
        lines::write(made, head, &beside);
    }

    /// The header fields for the access log.
    fn all_fields(&self, head: &ResponseHead, says: Says, id: Option<&HeaderValue>) -> HeaderMap {
        let mut headers = head.fields.clone().into_map();
        if says == Says::Close {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        self.responder.own_fields().add(&mut headers, id.cloned());
        headers
    }

    /// Continues after the whole response was passed to the output.
    fn go_on(&mut self, status: StatusCode) {
        match self.now.upgrade.take().filter(|_| status == StatusCode::SWITCHING_PROTOCOLS) {
            Some(handover) => self.turn = RequestStage::Upgrading(handover),
            None => self.end(),
        }
    }

    /// Ready when there is something else to do than to wait for the body or the client.
    pub(super) fn poll_sending(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.output.len() < ENOUGH {
            let Poll::Ready(step) = self.poll_step(cx) else { break };
            match step {
                NextPart::More => continue,
                NextPart::Ended => self.end(),
                NextPart::Broken => self.turn = RequestStage::Cut,
            }
            return Poll::Ready(Ok(()));
        }
        let full = self.output.len() >= ENOUGH;
        let flushed = self.poll_output(cx)?.is_ready();
        self.listen(cx)?;
        if full && flushed {
            // However fast this client reads, the other connections get their turn.
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<NextPart> {
        let RequestStage::Sending(sending) = &mut self.turn else { return Poll::Ready(NextPart::Ended) };
        let frame = match ready!(Pin::new(&mut sending.body).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(_)) => return Poll::Ready(NextPart::Broken),
            None => return Poll::Ready(self.end_body(&HeaderMap::new())),
        };
        Poll::Ready(match frame.into_data() {
            Ok(data) => self.put(data),
            Err(frame) => self.end_body(&frame.into_trailers().unwrap_or_default()),
        })
    }

    /// Sends a piece of the body.
    fn put(&mut self, mut data: Bytes) -> NextPart {
        let RequestStage::Sending(sending) = &mut self.turn else { return NextPart::Ended };
        match &mut sending.framing {
            Framing::Bodiless => return NextPart::Ended,
            Framing::Close => self.output.push(data),
            Framing::Length(left) => {
                data.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= data.len() as u64;
                let ended = *left == 0;
                self.output.push(data);
                if ended {
                    return NextPart::Ended;
                }
            }
            Framing::Chunked if data.is_empty() => {}
            Framing::Chunked => {
                self.output.copy(SizeLine::new(data.len()).bytes());
                self.output.push(data);
                self.output.copy(b"\r\n");
            }
        }
        NextPart::More
    }

    fn end_body(&mut self, trailers: &HeaderMap) -> NextPart {
        let RequestStage::Sending(sending) = &self.turn else { return NextPart::Ended };
        match sending.framing {
            Framing::Length(1..) => return NextPart::Broken,
            Framing::Bodiless | Framing::Close | Framing::Length(0) => {}
            Framing::Chunked => MADE.with_borrow_mut(|made| {
                made.clear();
                lines::last_chunk(made, trailers);
                self.output.copy(made);
            }),
        }
        NextPart::Ended
    }
}

/// The line before a chunk: its size in hexadecimal digits. Written by hand, because `write!` costs nearly 300
/// instructions.
struct SizeLine([u8; 18], usize);

impl SizeLine {
    fn new(size: usize) -> Self {
        let digits = (usize::BITS - size.leading_zeros()).div_ceil(4).max(1) as usize;
        let mut line = [0; 18];
        let mut bytes = line.iter_mut();
        // The digits come first: at its end, `zip` has taken one more from its first side.
        for (left, byte) in (0..digits).rev().zip(bytes.by_ref()) {
            *byte = b"0123456789abcdef".get(size >> (4 * left) & 0xF).copied().unwrap_or_default();
        }
        bytes.zip(b"\r\n").for_each(|(byte, end)| *byte = *end);
        Self(line, digits + 2)
    }

    fn bytes(&self) -> &[u8] {
        self.0.get(..self.1).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::SizeLine;

    #[test]
    fn a_size_line_has_the_digits_of_the_size() {
        for size in [0, 1, 9, 10, 15, 16, 255, 256, 1024, 0xFFFF, 0x1_0000, 0x00AB_CDEF, usize::MAX - 1, usize::MAX] {
            assert_eq!(SizeLine::new(size).bytes(), format!("{size:x}\r\n").as_bytes());
        }
    }
}
