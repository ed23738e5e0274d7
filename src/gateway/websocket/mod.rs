//! The WebSocket gateway: a handshake that the application answers, then messages in both directions.
//!
//! In reading order: `handshake` is the request and its response over both versions of HTTP, `offer` agrees on
//! compression, `exchange` is `receive` and `send` (`message` has their messages), `socket` has one WebSocket from its
//! upgrade to its end, `traffic` moves messages (`pinger` checks whether the client is still there), `message_stream`
//! and `frame_filter` are between it and the connection, `deflate` compresses, and `closing` ends the WebSocket.
//!
//! Spec: RFC 6455 4.2; RFC 8441 5; RFC 7692; ASGI WebSocket 2.5.

mod closing;
mod deflate;
mod exchange;
mod frame_filter;
#[cfg(any(test, fuzzing))]
#[allow(clippy::indexing_slicing, reason = "only tests see it")]
pub mod fuzzing;
mod handshake;
mod message;
mod message_stream;
mod offer;
mod options;
mod pinger;
mod piped;
mod socket;
mod start;
mod traffic;
mod turn;

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use rsgi_bridge::pipe::pipe;
use tokio::sync::oneshot;

pub use self::handshake::requested;
pub use self::start::WebSocketStart;

use self::exchange::HandshakeResponse;
use self::handshake::Handshake;
use self::options::SocketOptions;
use super::app::{App, Gateway};
use super::disconnect::{DisconnectFlag, NotifyOnDrop};
use super::in_time::{self, ResponseTimeout};
use crate::config::choice::WebSocketCompression;
use crate::config::settings::Settings;
use crate::request::error::RequestError;
use crate::request::head::RequestHead;
use crate::request::upgrade::Upgrade;
use crate::response::app_response::AppResponse;
use crate::response::in_flight::InFlight;
use crate::runtime::event_loop::LoopEvent;
use crate::runtime::shutdown::ShutdownGuard;

/// How many bytes of messages may wait for the application.
const INBOUND_BUFFER: usize = 64 * 1024;

/// A request to become a WebSocket.
#[derive(Debug)]
pub struct HandshakeRequest<'a> {
    /// Its head, which also has what is needed for the upgrade.
    pub head: Box<RequestHead>,
    /// Delays the shutdown until the WebSocket has ended.
    pub guard: ShutdownGuard,
    /// The request, as its connection counts it.
    pub in_flight: &'a mut InFlight,
}

/// Calls the application. Its reply to the handshake becomes the response.
///
/// # Cancel safety
/// If the future is dropped, the application gets `websocket.disconnect`.
pub async fn call(app: &App, request: HandshakeRequest<'_>, settings: &Settings) -> AppResponse {
    let Gateway::Asgi(gateway) = &app.gateway else {
        return AppResponse::Error(RequestError::new(StatusCode::NOT_FOUND, "no application accepts a WebSocket here"));
    };
    let HandshakeRequest { mut head, guard, in_flight } = request;
    let handshake = match Handshake::read(&head.parts) {
        Ok(handshake) => handshake,
        Err(refused) => return *refused,
    };
    let compression =
        if settings.ws_compression == WebSocketCompression::Off { None } else { offer::agree(&head.parts.fields) };
    let upgrade = Upgrade::of(&mut head.parts);
    let (inbound_writer, inbound) = pipe(INBOUND_BUFFER);
    let (outbound, outbound_reader) = pipe(settings.response_buffer);
    let (reply, response) = oneshot::channel();
    let disconnect = DisconnectFlag::default();
    let call = gateway.calls.begin(&head);
    let time = gateway.limit.map(|limit| ResponseTimeout { limit, reading: None, call: call.handle(), wear: None });
    let start = WebSocketStart {
        gateway: Arc::clone(gateway),
        head,
        inbound,
        outbound,
        reply,
        disconnect: Arc::clone(&disconnect),
        call,
    };
    let _told = NotifyOnDrop(disconnect);
    gateway.event_loop.submit(LoopEvent::Start(Box::new(start)));
    let failed = || AppResponse::Error(RequestError::application_failed());
    let response = match time {
        None => response.await,
        Some(time) => match tokio::time::timeout(time.limit, response).await {
            Ok(response) => response,
            Err(_) => return in_time::cancelled(time, &gateway.event_loop),
        },
    };
    match response {
        Err(_) => failed(),
        Ok(HandshakeResponse::Refused(error)) => AppResponse::Error(error),
        Ok(HandshakeResponse::Denied(response)) => response.await.unwrap_or_else(|_| failed()),
        Ok(HandshakeResponse::Accepted { subprotocol, headers }) => {
            let permit = in_flight.hand_on();
            let options = SocketOptions::new(settings, compression);
            let (pipes, response_queue) = ((inbound_writer, outbound_reader), Arc::clone(&gateway.response_queue));
            tokio::spawn(socket::run(upgrade, permit, pipes, response_queue, options, guard));
            AppResponse::Whole(handshake.accepted(subprotocol, compression.as_ref(), headers), Bytes::new())
        }
    }
}
