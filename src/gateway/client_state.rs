//! What a connection keeps from one request to the next, for the gateways.
//!
//! Gateways need it for a short time, and `call.rs` passes it. So it does not know how they wait for a response.

use crate::request::half_closed::HalfClosed;
use crate::response::app_response::AppResponse;
use crate::runtime::reply::{self, ReplyReceiver};
use crate::runtime::response_queue::Responder;
use crate::wire::{SpareList, SpareTimer};

/// See the top of this file.
#[derive(Debug, Default)]
pub struct ClientState {
    /// Whether the client has closed its sending side.
    pub half_closed: HalfClosed,
    /// For timeouts.
    pub timer: SpareTimer,
    /// The slots of earlier responses, to use again.
    spare: SpareList<ReplyReceiver<AppResponse>>,
}

impl ClientState {
    /// Both ends of a slot for one response.
    pub(super) fn reply(&self) -> (Responder, ReplyReceiver<AppResponse>) {
        self.spare.take().map_or_else(reply::channel, ReplyReceiver::reuse)
    }

    /// Keeps a slot for a later response.
    pub(super) fn keep(&self, reply: ReplyReceiver<AppResponse>) {
        self.spare.keep(reply);
    }
}
