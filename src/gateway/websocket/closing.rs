//! The end of a WebSocket: the reason, what the application gets, and the last frames to the client.
//!
//! This runs after the traffic, whichever side ended it.
//!
//! Spec: RFC 6455 7.1, 7.4 (close codes); RFC 8441 5 (the end of a stream stands for that of a connection).

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use rsgi_bridge::pipe::PipeWriter;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message};
use tokio_tungstenite::tungstenite::{Error, Utf8Bytes};

use super::message_stream::MessageStream;
use super::piped::Inbound;

/// How long the client may take to answer a close frame.
pub(super) const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the client may take to answer a close frame after its own error or at the server's shutdown. What it sends
/// before its reply is discarded.
const REPLY_TIMEOUT: Duration = Duration::from_secs(2);

/// How the traffic ended.
pub(super) enum SocketEnd {
    /// The client closed. The application gets the code and the reason.
    ClosedByClient(Option<CloseFrame>),
    /// The client closed, and tungstenite has not replied to its close frame.
    ToReply(CloseFrame),
    /// We sent a close frame.
    Closing,
    /// Close with this code: the client broke the protocol or exceeded a limit, or the server stops.
    Refused(CloseCode, &'static str),
    /// The connection is lost or unusable; with the reason, if it is known.
    Lost(&'static str),
}

pub(super) const NO_PONG: &str = "the client answered no ping";
pub(super) const NO_CLOSE: &str = "the client did not answer the close";
pub(super) const NOT_READING: &str = "the client reads nothing";

/// For a message that exceeds the limit.
pub(super) const TOO_LARGE: SocketEnd = SocketEnd::Refused(CloseCode::Size, "the message is too large");
/// For a text message that is not UTF-8.
pub(super) const NOT_UTF_8: SocketEnd = SocketEnd::Refused(CloseCode::Invalid, "the text is not UTF-8");

/// What a close frame with code 1014 and this reason means.
pub(super) fn closed_by_bad_gateway(reason: &[u8]) -> SocketEnd {
    let reason = std::str::from_utf8(reason).map(Utf8Bytes::from);
    reason.map_or(NOT_UTF_8, |reason| SocketEnd::ToReply(CloseFrame { code: CloseCode::from(1014), reason }))
}

/// What a read error means.
pub(super) fn refusal(error: &Error) -> SocketEnd {
    match error {
        Error::Capacity(_) => TOO_LARGE,
        Error::Utf8(_) => NOT_UTF_8,
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => SocketEnd::Lost(""),
        Error::Protocol(_) => SocketEnd::Refused(CloseCode::Protocol, "protocol error"),
        _ => SocketEnd::Lost(""),
    }
}

/// What to send to the client at the end.
pub(super) enum CloseAction {
    /// A close frame that the client has to reply to.
    Close(CloseFrame),
    /// A close frame that replies to the client's.
    Reply(CloseFrame),
    /// Nothing: the close frames were exchanged.
    Done,
    /// Nothing, because it would not arrive. The connection is cut.
    Cut,
}

/// Gives the application its last message, and returns what to send to the client.
pub(super) fn tell(inbound: &PipeWriter<Inbound>, ending: SocketEnd) -> CloseAction {
    let (code, reason, close_action) = match ending {
        SocketEnd::ClosedByClient(None) => (1005, Utf8Bytes::default(), CloseAction::Done),
        SocketEnd::ClosedByClient(Some(frame)) => (frame.code.into(), frame.reason, CloseAction::Done),
        SocketEnd::ToReply(frame) => (frame.code.into(), frame.reason.clone(), CloseAction::Reply(frame)),
        SocketEnd::Refused(code, reason) => {
            let reason = Utf8Bytes::from_static(reason);
            (code.into(), reason.clone(), CloseAction::Close(CloseFrame { code, reason }))
        }
        SocketEnd::Closing => (1006, Utf8Bytes::default(), CloseAction::Done),
        SocketEnd::Lost(reason) => (1006, Utf8Bytes::from_static(reason), CloseAction::Cut),
    };
    // The application may have ended.
    let _gone = inbound.push(Inbound::Closed { code, reason });
    close_action
}

/// Closes in order: sends a close frame if none was sent, waits for the client's reply, and then closes the stream.
pub(super) async fn finish(mut stream: MessageStream, close_action: CloseAction) {
    match close_action {
        CloseAction::Cut => return,
        CloseAction::Close(frame) => {
            send_close(&mut stream, frame).await;
            let replied = async { while poll_fn(|context| stream.poll_next(context)).await.is_ok() {} };
            let _replied = timeout(REPLY_TIMEOUT, replied).await;
        }
        CloseAction::Reply(frame) => send_close(&mut stream, frame).await,
        CloseAction::Done => {}
    }
    poll_fn(|context| stream.poll_close(context)).await;
}

async fn send_close(stream: &mut MessageStream, frame: CloseFrame) {
    // If this is pending, the frame was taken. The client may have gone.
    let _taken = poll_fn(|context| Poll::Ready(stream.poll_write(context, Message::Close(Some(frame.clone()))))).await;
    let _sent = poll_fn(|context| stream.poll_flush(context)).await;
}
