//! The frames of one WebSocket: messages between the upgraded connection and two bounded pipes.
//!
//! Kept apart from the handshake and the ASGI messages. The only file that names tungstenite's streams. Reading stops while
//! the application is slow; the application waits while the client is.
//!
//! Spec: RFC 6455 5.5, 7.1, 7.4 (close codes).

use std::future::poll_fn;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use rsgi_bridge::pipe::{PipeReader, PipeWriter, Weight};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Utf8Bytes};

use crate::shutdown::{Alive, Phase};

/// What an item takes beside its bytes, so that empty messages are bounded too.
const MESSAGE_OVERHEAD: usize = 64;

/// How long the other side may take to answer a close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// A message from the client.
#[derive(Debug)]
pub enum Inbound {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Bytes),
    /// The end, with what the client said of it.
    Closed {
        /// The close code; 1005 when the client sent none.
        code: u16,
        /// Its reason.
        reason: String,
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
            Self::Text(text) => text.len(),
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

/// The limits of one WebSocket.
#[derive(Debug, Clone, Copy)]
pub struct SocketLimits {
    /// Bytes of a message.
    pub message: usize,
    /// Time between pings; zero is off.
    pub ping_interval: Duration,
    /// How long the client may be silent after a ping.
    pub ping_timeout: Duration,
}

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Moves messages until either side closes, the client is lost, or the server stops.
pub async fn run(
    upgrade: OnUpgrade,
    inbound: PipeWriter<Inbound>,
    outbound: PipeReader<Outbound>,
    limits: SocketLimits,
    mut alive: Alive,
) {
    // The client left before it had the answer: the application is told by the pipes.
    let Ok(upgraded) = upgrade.await else { return };
    let config = WebSocketConfig::default().max_message_size(Some(limits.message)).max_frame_size(Some(limits.message));
    let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
    let (mut sink, stream) = socket.split();
    let heard = Notify::new();
    let ending = {
        let reading = read(stream, &inbound, &heard);
        let writing = write(&mut sink, outbound, &heard, limits);
        tokio::pin!(reading, writing);
        tokio::select! {
            ending = &mut reading => ending,
            ending = &mut writing => match ending {
                // Our close is out; the client's answer comes through the reader.
                Ending::Closing => timeout(CLOSE_TIMEOUT, reading).await.unwrap_or(Ending::Lost),
                other => other,
            },
            () = alive.reached(Phase::Draining) => Ending::Restarting,
        }
    };
    finish(sink, inbound, ending, &mut alive).await;
}

/// How the traffic ended.
enum Ending {
    /// The client closed; its code and reason are for the application.
    ClosedByClient(u16, String),
    /// Our close was sent.
    Closing,
    /// The client broke the protocol or a limit: close with this code.
    Refused(CloseCode, &'static str),
    /// The server stops.
    Restarting,
    /// The connection is gone.
    Lost,
}

async fn read(mut stream: SplitStream<Socket>, inbound: &PipeWriter<Inbound>, heard: &Notify) -> Ending {
    loop {
        // An application that has ended reads no more; the client's close is still waited for.
        let _gone = poll_fn(|context| inbound.poll_ready(context)).await;
        let message = match stream.next().await {
            None => return Ending::Lost,
            Some(Ok(message)) => message,
            Some(Err(error)) => return refusal(&error),
        };
        heard.notify_one();
        let received = match message {
            Message::Text(text) => Inbound::Text(text.as_str().to_owned()),
            Message::Binary(bytes) => Inbound::Binary(bytes),
            Message::Close(frame) => {
                let (code, reason) =
                    frame.map_or((1005, String::new()), |frame| (frame.code.into(), frame.reason.as_str().to_owned()));
                // Drives the answer to the close out.
                let _closed = timeout(CLOSE_TIMEOUT, stream.next()).await;
                return Ending::ClosedByClient(code, reason);
            }
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
        };
        let _gone = inbound.push(received);
    }
}

fn refusal(error: &Error) -> Ending {
    match error {
        Error::Capacity(CapacityError::MessageTooLong { .. }) => {
            Ending::Refused(CloseCode::Size, "the message is too large")
        }
        Error::Capacity(_) => Ending::Refused(CloseCode::Size, "too large"),
        Error::Utf8(_) => Ending::Refused(CloseCode::Invalid, "the text is not UTF-8"),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Ending::Lost,
        Error::Protocol(_) => Ending::Refused(CloseCode::Protocol, "protocol error"),
        _ => Ending::Lost,
    }
}

async fn write(
    sink: &mut SplitSink<Socket, Message>,
    outbound: PipeReader<Outbound>,
    heard: &Notify,
    limits: SocketLimits,
) -> Ending {
    let mut pinger = Pinger::new(limits);
    loop {
        let next = tokio::select! {
            next = poll_fn(|context| outbound.poll_next(context)) => next,
            () = heard.notified() => {
                pinger.heard();
                continue;
            }
            () = pinger.due() => {
                if pinger.unanswered() || !pinger.patiently(sink.send(Message::Ping(Bytes::new()))).await {
                    return Ending::Lost;
                }
                pinger.sent();
                continue;
            }
        };
        let message = match next {
            Some(Ok(Outbound::Text(text))) => Message::Text(text.into()),
            Some(Ok(Outbound::Binary(bytes))) => Message::Binary(bytes),
            Some(Ok(Outbound::Close { code, reason })) => {
                let frame = CloseFrame { code: code.into(), reason: reason.into() };
                let sent = sink.send(Message::Close(Some(frame))).await;
                return if sent.is_ok() { Ending::Closing } else { Ending::Lost };
            }
            // The application's side ended without a close, which it never does.
            None | Some(Err(_)) => return Ending::Refused(CloseCode::Error, "the application failed"),
        };
        if !pinger.patiently(sink.send(message)).await {
            return Ending::Lost;
        }
    }
}

/// When to ping, and when to give up.
struct Pinger {
    limits: SocketLimits,
    next: Instant,
    waiting: bool,
}

impl Pinger {
    fn new(limits: SocketLimits) -> Self {
        Self { limits, next: Instant::now() + limits.ping_interval, waiting: false }
    }

    async fn due(&self) {
        if self.limits.ping_interval.is_zero() {
            std::future::pending::<()>().await;
        }
        sleep_until(self.next).await;
    }

    /// Whether a message could be sent before a client would count as lost; without pings, however long it takes.
    async fn patiently(&self, sending: impl Future<Output = Result<(), Error>>) -> bool {
        if self.limits.ping_interval.is_zero() {
            return sending.await.is_ok();
        }
        let patience = self.limits.ping_interval + self.limits.ping_timeout;
        matches!(timeout(patience, sending).await, Ok(Ok(())))
    }

    fn unanswered(&self) -> bool {
        self.waiting
    }

    fn sent(&mut self) {
        self.waiting = true;
        self.next = Instant::now() + self.limits.ping_timeout;
    }

    /// Anything from the client shows that it lives.
    fn heard(&mut self) {
        if std::mem::take(&mut self.waiting) {
            self.next = Instant::now() + self.limits.ping_interval;
        }
    }
}

/// Says the last word to both sides.
async fn finish(mut sink: SplitSink<Socket, Message>, inbound: PipeWriter<Inbound>, ending: Ending, alive: &mut Alive) {
    let close = |code: CloseCode, reason: &'static str| {
        Message::Close(Some(CloseFrame { code, reason: Utf8Bytes::from_static(reason) }))
    };
    let (closed, farewell) = match ending {
        Ending::ClosedByClient(code, reason) => (Some((code, reason)), None),
        Ending::Refused(code, reason) => (Some((code.into(), reason.to_owned())), Some(close(code, reason))),
        Ending::Restarting => {
            let farewell = close(CloseCode::Restart, "the server is restarting");
            (Some((1012, "the server is restarting".to_owned())), Some(farewell))
        }
        Ending::Closing | Ending::Lost => (None, None),
    };
    if let Some((code, reason)) = closed {
        // The application may have ended.
        let _gone = inbound.push(Inbound::Closed { code, reason });
    }
    drop(inbound);
    let goodbye = async {
        if let Some(message) = farewell {
            // The client may have gone.
            let _unsent = sink.send(message).await;
        }
        let _closed = sink.close().await;
    };
    tokio::select! {
        _late = timeout(CLOSE_TIMEOUT, goodbye) => {}
        () = alive.reached(Phase::Cut) => {}
    }
}
