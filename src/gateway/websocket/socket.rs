//! Moves messages between the upgraded connection and two bounded pipes.
//!
//! Reading stops while the application is slow. The application waits while the client is slow.
//!
//! Spec: RFC 6455 5.5; RFC 7692 6.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use rsgi_bridge::pipe::{PipeReader, PipeWriter, Weight};
use tokio::task::coop::consume_budget;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, Role, WebSocketConfig};

use super::closing::{
    NO_CLOSE, NO_PONG, NOT_READING, NOT_UTF_8, SocketEnd, TOO_LARGE, closed_by_bad_gateway, finish, refusal, tell,
};
use super::deflate::{Deflater, Inflater, Unreadable};
use super::frame_filter::{Coding, FilteredStream};
use super::offer::Agreed;
use super::pinger::{ClientActivity, PingStep, Pinger};
use crate::config::settings::Settings;
use crate::request::upgrade::{Upgrade, Upgraded};
use crate::response::in_flight::RequestPermit;
use crate::runtime::shutdown::{Phase, ShutdownGuard};

/// Each message counts for this many bytes beside its content, so that the number of empty messages is limited too.
const MESSAGE_OVERHEAD: usize = 64;

/// How long the client may take to answer a close frame.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// The size of the read buffer of each connection, in bytes.
const READ_BUFFER: usize = 16 * 1024;

/// A message from the client.
#[derive(Debug)]
pub enum Inbound {
    /// A text message.
    Text(Utf8Bytes),
    /// A binary message.
    Binary(Bytes),
    /// The end, as the client said it.
    Closed {
        /// The close code; 1005 if the client sent none.
        code: u16,
        /// Its reason.
        reason: Utf8Bytes,
    },
}

/// A message for the client.
#[derive(Debug)]
pub enum Outbound {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Bytes),
    /// The end.
    Close {
        /// The close code.
        code: u16,
        /// Its reason.
        reason: String,
    },
}

impl Weight for Inbound {
    fn weight(&self) -> usize {
        let bytes = match self {
            Self::Text(text) => text.as_str().len(),
            Self::Binary(bytes) => bytes.len(),
            Self::Closed { .. } => 0,
        };
        bytes + MESSAGE_OVERHEAD
    }
}

impl Weight for Outbound {
    fn weight(&self) -> usize {
        let bytes = match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
            Self::Close { .. } => 0,
        };
        bytes + MESSAGE_OVERHEAD
    }
}

/// The settings of one WebSocket.
#[derive(Debug, Clone, Copy)]
pub struct SocketOptions {
    /// The largest message after decompression, in bytes.
    pub(super) message: usize,
    /// Time between pings; zero turns them off.
    pub ping_interval: Duration,
    /// How long the client may be silent after a ping.
    pub ping_timeout: Duration,
    /// The agreed parameters of compression, if any.
    pub(super) compression: Option<Agreed>,
}

impl SocketOptions {
    /// From the settings, and what was agreed on with the client.
    pub fn new(settings: &Settings, compression: Option<Agreed>) -> Self {
        Self {
            message: settings.ws_max_message,
            ping_interval: settings.ws_ping_interval.0,
            ping_timeout: settings.ws_ping_timeout.0,
            compression,
        }
    }
}

/// tungstenite's stream over the upgraded connection.
pub(super) type Socket = WebSocketStream<FilteredStream<Upgraded>>;

/// Moves messages until either side closes, the client is lost, or the server stops.
pub async fn run(
    upgrade: Upgrade,
    _permit: Option<RequestPermit>,
    inbound: PipeWriter<Inbound>,
    outbound: PipeReader<Outbound>,
    options: SocketOptions,
    mut guard: ShutdownGuard,
) {
    // The client left before it got the response. The application learns it when the pipes are dropped.
    let Some(upgraded) = upgrade.upgraded().await else { return };
    let client = ClientActivity::default();
    let io = FilteredStream::new(upgraded, Arc::clone(&client.seen), options.compression.is_some());
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .max_message_size(Some(options.message))
        .max_frame_size(Some(options.message));
    let socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
    let (mut sink, mut stream) = socket.split();
    let ending = {
        let reading = read(&mut stream, &inbound, &client, options);
        let writing = write(&mut sink, outbound, &client, options);
        tokio::pin!(reading, writing);
        tokio::select! {
            ending = &mut reading => ending,
            ending = &mut writing => match ending {
                // We sent a close frame. The reader gets the client's reply.
                SocketEnd::Closing => timeout(CLOSE_TIMEOUT, reading).await.unwrap_or(SocketEnd::Lost(NO_CLOSE)),
                other => other,
            },
            () = guard.reached(Phase::Draining) => SocketEnd::Refused(CloseCode::Restart, "the server is restarting"),
        }
    };
    let close_action = tell(&inbound, ending);
    drop(inbound);
    tokio::select! {
        _late = timeout(CLOSE_TIMEOUT, finish(sink, stream, close_action)) => {}
        () = guard.reached(Phase::Cut) => {}
    }
}

async fn read(
    stream: &mut SplitStream<Socket>,
    inbound: &PipeWriter<Inbound>,
    client: &ClientActivity,
    options: SocketOptions,
) -> SocketEnd {
    let mut inflater = options.compression.map(Inflater::new);
    loop {
        // If the application has ended, `push` fails. Go on reading, because the client's close frame is still to come.
        if !inbound.has_room() {
            client.pause();
            let _gone = poll_fn(|context| inbound.poll_ready(context)).await;
            client.resume();
        }
        let message = match stream.next().await {
            None => return SocketEnd::Lost(""),
            Some(Ok(message)) => message,
            Some(Err(error)) => return refusal(&error),
        };
        let coding = match (&inflater, &message) {
            (Some(_), Message::Text(_) | Message::Binary(_)) => client.seen.next_coding(),
            _ => Coding::Plain,
        };
        let received = match (message, coding, &mut inflater) {
            (Message::Binary(bytes), coding @ (Coding::DeflatedText | Coding::DeflatedBinary), Some(inflater)) => {
                match inflated(inflater, &bytes, coding, options.message).await {
                    Ok(received) => Some(received),
                    Err(refused) => return refused,
                }
            }
            (Message::Text(text), ..) => Some(Inbound::Text(text)),
            (Message::Binary(bytes), ..) => Some(Inbound::Binary(bytes)),
            (Message::Close(frame), ..) => {
                // Polling on sends tungstenite's reply to the close frame.
                let _closed = timeout(CLOSE_TIMEOUT, stream.next()).await;
                return SocketEnd::ClosedByClient(frame);
            }
            (Message::Pong(payload), ..) => match client.seen.closed_with(&payload) {
                Some(reason) => return closed_by_bad_gateway(reason),
                None => None,
            },
            (Message::Ping(_) | Message::Frame(_), ..) => None,
        };
        let Some(received) = received else {
            // The application never sees these, so it does not limit them. They must not keep other connections waiting.
            consume_budget().await;
            continue;
        };
        let _gone = inbound.push(received);
    }
}

async fn inflated(inflater: &mut Inflater, bytes: &[u8], coding: Coding, limit: usize) -> Result<Inbound, SocketEnd> {
    let bytes = inflater.inflate(bytes, limit).await.map_err(|error| match error {
        Unreadable::TooLarge => TOO_LARGE,
        Unreadable::Corrupt => SocketEnd::Refused(CloseCode::Invalid, "the compressed data is corrupt"),
    })?;
    if coding == Coding::DeflatedBinary {
        return Ok(Inbound::Binary(bytes.into()));
    }
    String::from_utf8(bytes).map(|text| Inbound::Text(text.into())).map_err(|_| NOT_UTF_8)
}

async fn write(
    sink: &mut SplitSink<Socket, Message>,
    outbound: PipeReader<Outbound>,
    client: &ClientActivity,
    options: SocketOptions,
) -> SocketEnd {
    let mut deflater = options.compression.map(Deflater::new);
    let mut pinger = Pinger::new(options);
    loop {
        // Messages that are ready go out together. Flush only when none is left.
        let ready = outbound.poll_next(&mut Context::from_waker(Waker::noop()));
        let next = match ready {
            Poll::Ready(next) => next,
            Poll::Pending => {
                if !pinger.patiently(sink.flush()).await {
                    return SocketEnd::Lost(NOT_READING);
                }
                tokio::select! {
                    next = poll_fn(|context| outbound.poll_next(context)) => next,
                    () = pinger.due() => match pinger.turn(client) {
                        PingStep::Wait => continue,
                        PingStep::Lost => return SocketEnd::Lost(NO_PONG),
                        PingStep::Ping => {
                            if !pinger.patiently(sink.send(Message::Ping(Bytes::new()))).await {
                                return SocketEnd::Lost(NOT_READING);
                            }
                            continue;
                        }
                    },
                }
            }
        };
        let message = match next {
            Some(Ok(Outbound::Text(text))) => encode(&mut deflater, Data::Text, text.into()).await,
            Some(Ok(Outbound::Binary(bytes))) => encode(&mut deflater, Data::Binary, bytes).await,
            Some(Ok(Outbound::Close { code, reason })) => {
                let frame = CloseFrame { code: code.into(), reason: reason.into() };
                let sent = pinger.patiently(sink.send(Message::Close(Some(frame)))).await;
                return if sent { SocketEnd::Closing } else { SocketEnd::Lost(NOT_READING) };
            }
            // This does not happen: the application's side always ends with a close.
            None | Some(Err(_)) => return SocketEnd::Refused(CloseCode::Error, "the application failed"),
        };
        if !pinger.patiently(sink.feed(message)).await {
            return SocketEnd::Lost(NOT_READING);
        }
    }
}

/// Makes one frame, compressed if that was agreed on and is worth it. The payload of a text message comes from a
/// `String`, so it is UTF-8.
async fn encode(deflater: &mut Option<Deflater>, kind: Data, payload: Bytes) -> Message {
    let frame = match deflater {
        Some(deflater) if Deflater::wants(payload.len()) => {
            let mut frame = Frame::message(deflater.deflate(&payload).await, OpCode::Data(kind), true);
            frame.header_mut().rsv1 = true;
            frame
        }
        _ => Frame::message(payload, OpCode::Data(kind), true),
    };
    Message::Frame(frame)
}

#[cfg(test)]
#[path = "socket_tests.rs"]
mod tests;
