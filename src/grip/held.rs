//! Turns the response of an application that asks for it into a held one.
//!
//! The connection calls this for each response, and sees only a body that goes on, or a response that comes late.

use std::sync::Arc;

use http::StatusCode;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};

use super::client::Client;
use super::delivery::Subscribed;
use super::holder::Grip;
use super::instruct::{self, HoldMode};
use super::instruct_body;
use super::origin::Origin;
use super::whole::collect;
use super::{long_poll, stream};
use crate::log::line;
use crate::metrics::Event;
use crate::request::error::RequestError;
use crate::request::half_closed::HalfClosed;
use crate::response::app_response::AppResponse;
use crate::response::in_flight::InFlight;
use crate::runtime::shutdown::ShutdownGuard;

/// Whether a response asks for something.
pub fn is_asked(response: &mut AppResponse) -> bool {
    response.head_mut().is_some_and(|head| instruct::is_given(head) || instruct_body::is_announced(head))
}

/// Does what a response asks for. Gives the response for the client, and whether it is held.
pub async fn held(
    grip: &Arc<Grip>,
    mut response: AppResponse,
    origin: Origin,
    (guard, half_closed): (ShutdownGuard, &HalfClosed),
    in_flight: &mut InFlight,
) -> (AppResponse, bool) {
    let Some(head) = response.head_mut() else { return (response, false) };
    let in_body = instruct_body::is_announced(head);
    let fields = match instruct::take(head, grip.most_channels) {
        Ok(fields) => fields,
        Err(why) => return (refused(&origin, &why), false),
    };
    if origin.is_head() && in_body {
        // They are those of the instruction.
        head.remove(&CONTENT_TYPE);
        head.remove(&CONTENT_LENGTH);
    }
    if origin.is_head() || (fields.is_none() && !in_body) {
        return (response, false);
    }
    let (head, body) = match collect(response, grip.buffer).await {
        Ok(whole) => whole,
        Err(why) => return (refused(&origin, &format!("its response cannot be held: {why}")), false),
    };
    let (instruct, head, body) = match instruct_body::read(fields, head, body, grip.most_channels) {
        Ok((Some(instruct), head, body)) => (instruct, head, body),
        Ok((None, head, body)) => return (AppResponse::Whole(head, body), false),
        Err(why) => return (refused(&origin, &why), false),
    };
    let Ok(subscription) = grip.hub.subscribe(&instruct.channels) else {
        line(format_args!("warning: {}: there are too many holds (`--grip-max-holds`)", origin.log_context()));
        let busy = RequestError::busy(Event::Concurrency, "too many clients are waiting; try again");
        return (AppResponse::Error(busy), false);
    };
    // The application has done its part.
    in_flight.stand_aside();
    let subscribed = Subscribed::new(&instruct);
    let client = Client { grip: Arc::clone(grip), origin, guard, subscription, subscribed };
    let response = match instruct.mode {
        Some(HoldMode::Response) => long_poll::hold(client, instruct.timeout, half_closed, (head, body)).await,
        Some(HoldMode::Stream) | None => stream::begin(client, instruct, head, body),
    };
    (response, true)
}

fn refused(origin: &Origin, why: &str) -> AppResponse {
    line(format_args!("error: {}: GRIP: {why}", origin.log_context()));
    let reason = "the application sent a GRIP instruction that the server cannot follow";
    AppResponse::Error(RequestError::new(StatusCode::INTERNAL_SERVER_ERROR, reason))
}
