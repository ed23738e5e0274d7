//! Moves messages between the connection and two bounded pipes, both ways in one task.
//!
//! Reading stops while the application is slow. The application waits while the client is slow. Each poll takes what
//! the client has sent, takes what the application has sent, and flushes once.
//!
//! Spec: RFC 6455 5.5; RFC 7692 6.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use rsgi_bridge::pipe::{Capacity, PipeReader, PipeWriter};
use tokio::task::coop::poll_proceed;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message};

use super::closing::{
    CLOSE_TIMEOUT, NO_CLOSE, NO_PONG, NOT_READING, NOT_UTF_8, SocketEnd, TOO_LARGE, closed_by_bad_gateway, refusal,
};
use super::deflate::{Deflater, Inflater, Unreadable};
use super::frame_filter::{Coding, Seen};
use super::message_stream::MessageStream;
use super::options::SocketOptions;
use super::pinger::{PingStep, Pinger};
use super::piped::{Inbound, Outbound};

/// A compressor or decompressor.
enum MessageCoder<C, T> {
    /// None was agreed on.
    Off,
    Idle(C),
    /// It works on a message, which may take several turns.
    Busy(Pin<Box<dyn Future<Output = (C, T)> + Send>>),
}

impl<C, T> MessageCoder<C, T> {
    /// The message that it works on. `None` if there is none.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<T>> {
        let Self::Busy(work) = self else { return Poll::Ready(None) };
        let (coder, message) = ready!(work.as_mut().poll(context));
        *self = Self::Idle(coder);
        Poll::Ready(Some(message))
    }

    /// Begins to work on a message.
    fn begin<W: Future<Output = (C, T)> + Send + 'static>(&mut self, work: impl FnOnce(C) -> W) {
        if let Self::Idle(coder) = std::mem::replace(self, Self::Off) {
            *self = Self::Busy(Box::pin(work(coder)));
        }
    }
}

/// The messages of an open WebSocket.
pub(super) struct SocketTraffic<'a> {
    stream: &'a mut MessageStream,
    inbound: &'a PipeWriter<Inbound>,
    outbound: PipeReader<Outbound>,
    /// Wakes this task when the application has sent or taken a message.
    app_waker: Waker,
    seen: Arc<Seen>,
    pinger: Pinger,
    inflating: MessageCoder<Inflater, Result<Inbound, SocketEnd>>,
    deflating: MessageCoder<Deflater, Message>,
    /// The largest message after decompression, in bytes.
    largest: usize,
    /// Whether the application takes another message, as far as it is known.
    room: Capacity,
    /// Whether the connection must take what was written before there is more.
    blocked: bool,
    /// Whether our close frame was written.
    closing: bool,
}

impl<'a> SocketTraffic<'a> {
    pub(super) fn new(
        stream: &'a mut MessageStream,
        (inbound, outbound): (&'a PipeWriter<Inbound>, PipeReader<Outbound>),
        app_waker: Waker,
        seen: Arc<Seen>,
        options: SocketOptions,
    ) -> Self {
        let inflating =
            options.compression.map_or(MessageCoder::Off, |agreed| MessageCoder::Idle(Inflater::new(agreed)));
        let deflating =
            options.compression.map_or(MessageCoder::Off, |agreed| MessageCoder::Idle(Deflater::new(agreed)));
        let (pinger, largest) = (Pinger::new(options), options.message);
        Self {
            stream,
            inbound,
            outbound,
            app_waker,
            seen,
            pinger,
            inflating,
            deflating,
            largest,
            room: Capacity::Full,
            blocked: false,
            closing: false,
        }
    }

    /// Moves messages until either side closes, or the client is lost.
    pub(super) async fn run(mut self) -> SocketEnd {
        let mut ending = poll_fn(|context| self.poll(context)).await;
        if matches!(ending, SocketEnd::Closing) {
            // We sent a close frame. The client's reply is still to come.
            let reading = poll_fn(|context| self.poll_reading(context));
            ending = timeout(CLOSE_TIMEOUT, reading).await.unwrap_or(SocketEnd::Lost(NO_CLOSE));
        }
        if matches!(ending, SocketEnd::ClosedByClient(_)) {
            // Reading on sends tungstenite's reply to the close frame.
            let reading = poll_fn(|context| self.stream.poll_next(context));
            let _closed = timeout(CLOSE_TIMEOUT, reading).await;
        }
        ending
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<SocketEnd> {
        loop {
            if let Poll::Ready(ending) = self.poll_reading(context) {
                return Poll::Ready(ending);
            }
            if let Poll::Ready(ending) = self.poll_writing(context) {
                return Poll::Ready(ending);
            }
            self.pinger.sent(!self.blocked);
            match self.pinger.poll(context, || self.seen.heard()) {
                PingStep::Wait => return Poll::Pending,
                PingStep::Silent => return Poll::Ready(SocketEnd::Lost(NO_PONG)),
                PingStep::Stuck => return Poll::Ready(SocketEnd::Lost(NOT_READING)),
                PingStep::Ping => {
                    if let Err(ending) = self.write(context, Message::Ping(Bytes::new())) {
                        return Poll::Ready(ending);
                    }
                }
            }
        }
    }

    fn poll_reading(&mut self, context: &mut Context<'_>) -> Poll<SocketEnd> {
        loop {
            match ready!(self.inflating.poll(context)) {
                Some(Ok(inflated)) => self.pass_on(inflated),
                Some(Err(refused)) => return Poll::Ready(refused),
                None => {}
            }
            if self.room == Capacity::Full {
                let room = self.inbound.poll_ready(&mut Context::from_waker(&self.app_waker));
                self.pinger.reads(room.is_ready());
                // If the application has ended, this is an error. Go on reading, because the client's close frame is
                // still to come.
                if ready!(room).is_ok() {
                    self.room = Capacity::More;
                }
            }
            let message = match ready!(self.stream.poll_next(context)) {
                Ok(message) => message,
                Err(error) => return Poll::Ready(refusal(&error)),
            };
            let is_data = matches!(message, Message::Text(_) | Message::Binary(_));
            if let Some(ending) = self.take(message) {
                return Poll::Ready(ending);
            }
            if !is_data {
                // The application never sees these, so it does not limit them. They must not keep other connections
                // waiting.
                ready!(poll_proceed(context)).made_progress();
            }
        }
    }

    /// Handles a message of the client. Returns how the traffic ends, if it does.
    fn take(&mut self, message: Message) -> Option<SocketEnd> {
        match message {
            Message::Text(text) => {
                // Compressed text comes as bytes.
                let _plain = self.coding();
                self.pass_on(Inbound::Text(text));
            }
            Message::Binary(bytes) => match self.coding() {
                Coding::Plain => self.pass_on(Inbound::Binary(bytes)),
                coding => {
                    let largest = self.largest;
                    self.inflating.begin(|inflater| inflated(inflater, bytes, coding, largest));
                }
            },
            Message::Close(frame) => return Some(SocketEnd::ClosedByClient(frame)),
            Message::Pong(payload) => return self.seen.closed_with(&payload).map(closed_by_bad_gateway),
            Message::Ping(_) | Message::Frame(_) => {}
        }
        None
    }

    /// How the message that was just read is coded.
    fn coding(&self) -> Coding {
        if matches!(self.inflating, MessageCoder::Off) { Coding::Plain } else { self.seen.next_coding() }
    }

    fn pass_on(&mut self, message: Inbound) {
        // Fails if the application has ended.
        self.room = self.inbound.push(message).unwrap_or(Capacity::Full);
    }

    fn poll_writing(&mut self, context: &mut Context<'_>) -> Poll<SocketEnd> {
        loop {
            if self.blocked {
                if ready!(self.stream.poll_flush(context)).is_err() {
                    return Poll::Ready(SocketEnd::Lost(NOT_READING));
                }
                self.blocked = false;
            }
            if self.closing {
                return Poll::Ready(SocketEnd::Closing);
            }
            let Poll::Ready(next) = self.poll_outbound(context) else {
                // Messages that are ready go out together. Flush only when none is left.
                self.blocked = match self.stream.poll_flush(context) {
                    Poll::Ready(Ok(())) => false,
                    Poll::Ready(Err(_)) => return Poll::Ready(SocketEnd::Lost(NOT_READING)),
                    Poll::Pending => true,
                };
                return Poll::Pending;
            };
            if let Err(ending) = next.and_then(|message| self.write(context, message)) {
                return Poll::Ready(ending);
            }
        }
    }

    /// The next message for the client, as it is sent.
    fn poll_outbound(&mut self, context: &mut Context<'_>) -> Poll<Result<Message, SocketEnd>> {
        loop {
            if let Some(message) = ready!(self.deflating.poll(context)) {
                return Poll::Ready(Ok(message));
            }
            let next = ready!(self.outbound.poll_next(&mut Context::from_waker(&self.app_waker)));
            let (kind, payload) = match next {
                Some(Ok(Outbound::Text(text))) => (Data::Text, text.into()),
                Some(Ok(Outbound::Binary(bytes))) => (Data::Binary, bytes),
                Some(Ok(Outbound::Close { code, reason })) => {
                    (self.closing, self.blocked) = (true, true);
                    let frame = CloseFrame { code: code.into(), reason: reason.into() };
                    return Poll::Ready(Ok(Message::Close(Some(frame))));
                }
                // This does not happen: the application's side always ends with a close.
                None | Some(Err(_)) => {
                    let failed = SocketEnd::Refused(CloseCode::Error, "the application failed");
                    return Poll::Ready(Err(failed));
                }
            };
            if matches!(self.deflating, MessageCoder::Off) || !Deflater::wants(payload.len()) {
                // The payload of a text message comes from a `String`, so it is UTF-8.
                return Poll::Ready(Ok(Message::Frame(Frame::message(payload, OpCode::Data(kind), true))));
            }
            self.deflating.begin(|deflater| deflated(deflater, kind, payload));
        }
    }

    fn write(&mut self, context: &mut Context<'_>, message: Message) -> Result<(), SocketEnd> {
        match self.stream.poll_write(context, message) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(_)) => return Err(SocketEnd::Lost(NOT_READING)),
            Poll::Pending => self.blocked = true,
        }
        Ok(())
    }
}

async fn inflated(
    mut inflater: Inflater,
    bytes: Bytes,
    coding: Coding,
    largest: usize,
) -> (Inflater, Result<Inbound, SocketEnd>) {
    let message = match inflater.inflate(&bytes, largest).await {
        Ok(bytes) if coding == Coding::DeflatedBinary => Ok(Inbound::Binary(bytes.into())),
        Ok(bytes) => String::from_utf8(bytes).map(|text| Inbound::Text(text.into())).map_err(|_| NOT_UTF_8),
        Err(Unreadable::TooLarge) => Err(TOO_LARGE),
        Err(Unreadable::Corrupt) => Err(SocketEnd::Refused(CloseCode::Invalid, "the compressed data is corrupt")),
    };
    (inflater, message)
}

async fn deflated(mut deflater: Deflater, kind: Data, payload: Bytes) -> (Deflater, Message) {
    let mut frame = Frame::message(deflater.deflate(&payload).await, OpCode::Data(kind), true);
    frame.header_mut().rsv1 = true;
    (deflater, Message::Frame(frame))
}

#[cfg(test)]
#[path = "traffic_tests.rs"]
mod tests;
