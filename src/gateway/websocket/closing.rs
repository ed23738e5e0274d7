//! How a WebSocket ends: why, what the application hears of it, and the last that goes to the client.
//!
//! Kept apart from the traffic because it comes after it, whichever side ended it.
//!
//! Spec: RFC 6455 7.1, 7.4 (close codes); RFC 8441 5 (the end of a stream stands for that of a connection).

use std::time::Duration;

use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use rsgi_bridge::pipe::PipeWriter;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message};
use tokio_tungstenite::tungstenite::{Error, Utf8Bytes};

use super::socket::{Inbound, Socket};

/// How long the client may take to answer a close that it has brought about, or that comes as the server stops. What it
/// sent before it read that is thrown away.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// How the traffic ended.
pub(super) enum SocketEnd {
    /// The client closed; its code and reason are for the application.
    ClosedByClient(Option<CloseFrame>),
    /// So did it, with what tungstenite has not answered.
    Unanswered(CloseFrame),
    /// Our close was sent.
    Closing,
    /// Close with this code: the client broke the protocol or a limit, or the server stops.
    Refused(CloseCode, &'static str),
    /// The connection is gone, or as good as gone; what is known of it.
    Lost(&'static str),
}

pub(super) const NO_PONG: &str = "the client answered no ping";
pub(super) const NO_CLOSE: &str = "the client did not answer the close";
pub(super) const NOT_READING: &str = "the client reads nothing";

/// It closes with this when a message is over the limit.
pub(super) const TOO_LARGE: SocketEnd = SocketEnd::Refused(CloseCode::Size, "the message is too large");
/// It closes with this when text is none.
pub(super) const NOT_UTF_8: SocketEnd = SocketEnd::Refused(CloseCode::Invalid, "the text is not UTF-8");

/// What a close with 1014 means, which has come with this reason.
pub(super) fn closed_by_bad_gateway(reason: &[u8]) -> SocketEnd {
    let reason = std::str::from_utf8(reason).map(Utf8Bytes::from);
    reason.map_or(NOT_UTF_8, |reason| SocketEnd::Unanswered(CloseFrame { code: CloseCode::from(1014), reason }))
}

/// What a failure to read means.
pub(super) fn refusal(error: &Error) -> SocketEnd {
    match error {
        Error::Capacity(_) => TOO_LARGE,
        Error::Utf8(_) => NOT_UTF_8,
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => SocketEnd::Lost(""),
        Error::Protocol(_) => SocketEnd::Refused(CloseCode::Protocol, "protocol error"),
        _ => SocketEnd::Lost(""),
    }
}

/// What is left to say to the client.
pub(super) enum CloseAction {
    /// A close frame, which the client answers.
    Close(CloseFrame),
    /// A close frame that answers the client's.
    Answer(CloseFrame),
    /// The close frames were exchanged.
    Done,
    /// Nothing would arrive.
    Cut,
}

/// Says the last word to the application, and what is to be said to the client.
pub(super) fn tell(inbound: &PipeWriter<Inbound>, ending: SocketEnd) -> CloseAction {
    let (code, reason, close_action) = match ending {
        SocketEnd::ClosedByClient(None) => (1005, Utf8Bytes::default(), CloseAction::Done),
        SocketEnd::ClosedByClient(Some(frame)) => (frame.code.into(), frame.reason, CloseAction::Done),
        SocketEnd::Unanswered(frame) => (frame.code.into(), frame.reason.clone(), CloseAction::Answer(frame)),
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

/// Closes in an orderly way: a close frame if none was sent, and the client's answer to it; then our side, then the client's.
pub(super) async fn finish(
    mut sink: SplitSink<Socket, Message>,
    mut stream: SplitStream<Socket>,
    close_action: CloseAction,
) {
    match close_action {
        CloseAction::Cut => return,
        CloseAction::Close(frame) => {
            // The client may have gone.
            let _sent = sink.send(Message::Close(Some(frame))).await;
            let answered = async { while let Some(Ok(_)) = stream.next().await {} };
            let _answered = timeout(ANSWER_TIMEOUT, answered).await;
        }
        CloseAction::Answer(frame) => {
            // The client may have gone.
            let _sent = sink.send(Message::Close(Some(frame))).await;
        }
        CloseAction::Done => {}
    }
    let _closed = sink.close().await;
    if let Ok(mut socket) = sink.reunite(stream) {
        let _shut = socket.get_mut().shutdown().await;
    }
}
