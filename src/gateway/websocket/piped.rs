//! The messages in the two pipes between a WebSocket and its application.

use bytes::Bytes;
use rsgi_bridge::pipe::Weight;
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// Each message counts for this many bytes beside its content, so that the number of empty messages is limited too.
const MESSAGE_OVERHEAD: usize = 64;

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
