//! What a connection keeps from one request to the next, for the gateways.
//!
//! Gateways need it for a short time, and `call.rs` passes it. So it does not know how they wait for a response.

use crate::request::half_closed::HalfClosed;
use crate::response::app_response::AppResponse;
use crate::runtime::reply::{self, ReplyReceiver};
use crate::runtime::response_queue::Responder;
use crate::wire::{SpareList, SpareTimer, Timer};

/// See the top of this file.
#[derive(Debug, Default)]
pub struct ClientState {
    /// Whether the client has closed its sending side.
    pub half_closed: HalfClosed,
    /// For timeouts.
    pub timer: SpareTimer,
    /// What earlier calls used, to use again.
    spare: SpareList<CallWait>,
}

/// What waits for the response of a call.
#[derive(Debug)]
pub(super) struct CallWait {
    /// The slot of the response.
    pub(super) reply: ReplyReceiver<AppResponse>,
    /// For the time in the queue, if a call had to wait there.
    pub(super) timer: Option<Box<Timer>>,
}

impl ClientState {
    /// Both ends of a slot for one response.
    pub(super) fn reply(&self) -> (Responder, CallWait) {
        let (reply, timer) = self.spare.take().map_or((None, None), |kept| (Some(kept.reply), kept.timer));
        let (responder, reply) = reply.map_or_else(reply::channel, ReplyReceiver::reuse);
        (responder, CallWait { reply, timer })
    }

    /// Keeps this for a later call.
    pub(super) fn keep(&self, wait: CallWait) {
        self.spare.keep(wait);
    }
}
