//! A held request: the first item on one of its channels is the response.
//!
//! Apart from `stream.rs`, whose client has its response already. A client that leaves drops the future.
//!
//! Spec: GRIP "HTTP" (`Grip-Hold: response`, `Grip-Timeout`).

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use rsgi_bridge::response::response_head::ResponseHead;
use tokio::sync::Notify;

use super::client::Client;
use super::delivery::ItemVerdict;
use super::item::{Item, ItemAction, Payload, Reply};
use crate::request::half_closed::HalfClosed;
use crate::response::app_response::AppResponse;
use crate::runtime::shutdown::Phase;

/// Waits for an item. `otherwise` is the response if none comes.
pub(super) async fn hold(
    mut client: Client,
    timeout: Duration,
    half_closed: &HalfClosed,
    otherwise: (ResponseHead, Bytes),
) -> AppResponse {
    let (guard, left) = (client.guard.clone(), Notify::new());
    let waiting = async {
        tokio::select! {
            reply = next_reply(&mut client) => reply,
            () = tokio::time::sleep(timeout) => None,
            () = guard.reached(Phase::Draining) => None,
            () = left.notified() => None,
        }
    };
    // A client that sends no more has left, or wants its response now.
    let reply = half_closed.watch(pin!(waiting), || left.notify_one()).await;
    reply.unwrap_or(AppResponse::Whole(otherwise.0, otherwise.1))
}

/// The response that is published next; `None` when the client is to ask again.
async fn next_reply(client: &mut Client) -> Option<AppResponse> {
    // Something came while the application answered.
    if client.subscription.is_behind(&client.subscribed.channels) {
        return None;
    }
    loop {
        let item = client.subscription.next().await?;
        let Some(payload) = &item.response else { continue };
        match client.subscribed.verdict(&item) {
            ItemVerdict::Skip => client.subscribed.pass(&item),
            ItemVerdict::Gap => return None,
            ItemVerdict::Deliver => {
                client.subscribed.pass(&item);
                return match &payload.action {
                    ItemAction::Send(reply) => Some(replied(client, &item, payload, reply)),
                    ItemAction::Close | ItemAction::Hint => None,
                };
            }
        }
    }
}

fn replied(client: &Client, item: &Item, payload: &Payload<Reply>, reply: &Reply) -> AppResponse {
    let body = client.subscribed.copy(&item.channel, payload.filters.as_deref(), &reply.body);
    let mut head = ResponseHead::own(reply.status, reply.headers.clone());
    head.reason.clone_from(&reply.reason);
    let body = head.admit(body, client.origin.is_head());
    AppResponse::Whole(head, body)
}
