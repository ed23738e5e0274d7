//! One WebSocket from its upgrade to its end.
//!
//! `traffic` moves the messages, and `closing` ends it.
//!
//! Spec: RFC 6455 7.1.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use rsgi_bridge::pipe::{PipeReader, PipeWriter};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::closing::{CLOSE_TIMEOUT, SocketEnd, finish, tell};
use super::frame_filter::{FilteredStream, Seen};
use super::message_stream::MessageStream;
use super::options::SocketOptions;
use super::piped::{Inbound, Outbound};
use super::traffic::SocketTraffic;
use crate::request::upgrade::Upgrade;
use crate::response::in_flight::RequestPermit;
use crate::runtime::response_queue::ResponseQueue;
use crate::runtime::shutdown::{Phase, ShutdownGuard};

/// Moves messages until either side closes, the client is lost, or the server stops.
pub async fn run(
    upgrade: Upgrade,
    _permit: Option<RequestPermit>,
    (inbound, outbound): (PipeWriter<Inbound>, PipeReader<Outbound>),
    response_queue: Arc<ResponseQueue>,
    options: SocketOptions,
    guard: ShutdownGuard,
) {
    // The client left before it got the response. The application learns it when the pipes are dropped.
    let Some(upgraded) = upgrade.upgraded().await else { return };
    let seen = Arc::<Seen>::default();
    let io = FilteredStream::new(upgraded, Arc::clone(&seen), options.compression.is_some());
    let mut stream = MessageStream::new(io, options.message);
    let task = poll_fn(|context| Poll::Ready(context.waker().clone())).await;
    let app_waker = response_queue.waker(task);
    let ending = {
        let traffic = pin!(SocketTraffic::new(&mut stream, (&inbound, outbound), app_waker, seen, options).run());
        let restarting = SocketEnd::Refused(CloseCode::Restart, "the server is restarting");
        guard.unless(Phase::Draining, traffic).await.unwrap_or(restarting)
    };
    let close_action = tell(&inbound, ending);
    drop(inbound);
    tokio::select! {
        _late = timeout(CLOSE_TIMEOUT, finish(stream, close_action)) => {}
        () = guard.reached(Phase::Cut) => {}
    }
}
