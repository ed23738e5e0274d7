//! Probe mode: ask the new application first; what it does not know goes to the old one, body and all.
//!
//! Kept apart because it is the only place where one request meets two applications. For an opaque application the status 404
//! is the miss; every other answer leaves as it comes, without delay.
//!
//! Spec: `docs/architecture.md`, "Who answers".

use std::sync::Arc;

use http::StatusCode;
use http::request::Parts;

use super::{App, Call, Gateway, asgi};
use crate::body::Recorder;
use crate::connection::InFlight;
use crate::head::RequestHead;
use crate::response::AppResponse;

/// Calls `first`, and `second` where `first` answers that it has no such route.
pub async fn call(first: &Arc<App>, second: &Arc<App>, call: Call<'_>, in_flight: &mut InFlight) -> AppResponse {
    let Gateway::Asgi(gateway) = &first.gateway else { return first.call(call).await };
    let settings = call.settings;
    let head =
        RequestHead { parts: copy_of(&call.head.parts), peer: Arc::clone(&call.head.peer), root: call.head.root };
    let recorder = Recorder::new(settings.replay_limit);
    let (response, leftover) = asgi::call(gateway, call, Some(recorder)).await;
    let Some(leftover) = leftover.filter(|_| response.status() == StatusCode::NOT_FOUND) else { return response };
    // Over the limit, or broken off: the first answer stands.
    let Ok(Some(body)) = leftover.rewind().await else { return response };
    drop(response);
    match in_flight.enter(second) {
        Ok(()) => second.call(Call { head, body, settings }).await,
        Err(busy) => AppResponse::Error(busy),
    }
}

fn copy_of(parts: &Parts) -> Parts {
    let (mut copy, ()) = http::Request::new(()).into_parts();
    copy.method = parts.method.clone();
    copy.uri = parts.uri.clone();
    copy.version = parts.version;
    copy.headers.clone_from(&parts.headers);
    copy
}
