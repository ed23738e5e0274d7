//! Chooses the application for a request, and calls it.
//!
//! `connection.rs` answers all that needs no application, and changes responses. Both ways of a request, its own and the
//! short one of `direct.rs`, come here.

use std::sync::Arc;

use futures::FutureExt;
use http::{StatusCode, Version};

use crate::config::settings::Settings;
use crate::gateway::app::App;
use crate::gateway::call::Call;
use crate::gateway::{probe, websocket};
use crate::grip::{Grip, Origin};
use crate::http::connection::Connection;
use crate::http::service::Service;
use crate::request::body::{BodyFate, RawBody, RequestBody};
use crate::request::error::RequestError;
use crate::request::head::RequestHead;
use crate::request::routed::{decided_by, named, route_request};
use crate::response::app_response::AppResponse;
use crate::response::decision_fields::DecisionFields;
use crate::response::in_flight::InFlight;
use crate::route::{Decision, Miss};
use crate::shadow::SHADOW;

/// The application that gets a request.
pub(super) struct ChosenApp {
    pub(super) app: Arc<App>,
    /// The second application, which gets the request if the first one has no route for it.
    then: Option<(Arc<App>, Miss)>,
    /// What is kept of the request, if the response may be held.
    pub(super) origin: Option<Box<Origin>>,
}

impl ChosenApp {
    /// Whether the connection itself can wait for the response.
    pub(super) fn is_direct(&self) -> bool {
        self.then.is_none() && !self.app.has_time_limit()
    }
}

/// Finds the application for a request, and counts the request there. `upgrade` says whether the request asks for a
/// WebSocket.
///
/// # Errors
/// The response, if no application gets the request.
pub(super) fn choose(
    connection: &Connection,
    (head, upgrade): (&mut Box<RequestHead>, bool),
    body: &RawBody,
    in_flight: &mut InFlight,
) -> Result<ChosenApp, RequestError> {
    let service = &connection.service;
    let routing = service.routing.load();
    let decided = routing.router.decide(&route_request(head, upgrade));
    let decision = decided.decision;
    in_flight.decided_by(&routing, decided.reason, || decided_by(&routing.router, head, upgrade, decided));
    in_flight.decision =
        DecisionFields::new(service.own_fields.served_by, &routing.router, decided, head.peer.scheme());
    let (first, then, root) = match decision {
        Decision::App { app, root } => (app.0, None, root),
        Decision::Probe { first, then, miss } => (first.0, service.apps.get(then.0).map(|then| (then, miss)), 0),
        Decision::NotFound => return Err(not_found(upgrade)),
    };
    let app = service.apps.get(first).ok_or_else(|| not_found(upgrade))?;
    if service.settings.name_routes {
        head.named = named(&routing.router, head, upgrade, decided, |app| {
            service.apps.get(app).map(|app| Arc::clone(&app.name))
        });
    }
    head.root += root;
    head.series = in_flight.series();
    check_body(&service.settings, (head, upgrade), body)?;
    in_flight.enter(&app.load)?;
    if let Some(shadowing) = service.shadowing.as_ref().filter(|_| !upgrade) {
        head.parts.fields.remove(SHADOW.as_str());
        in_flight.follower = shadowing.sample(&route_request(head, upgrade), (head, root, body), decision);
    }
    let then = then.map(|(then, miss)| (Arc::clone(then), miss));
    Ok(ChosenApp { app: Arc::clone(app), then, origin: origin(service, head, upgrade) })
}

fn check_body(settings: &Settings, (head, upgrade): (&RequestHead, bool), body: &RawBody) -> Result<(), RequestError> {
    // After the head of a WebSocket come frames. They would look like a body.
    if upgrade && head.parts.version != Version::HTTP_2 && !matches!(body, RawBody::Empty) {
        return Err(RequestError::closing(StatusCode::BAD_REQUEST, "a WebSocket handshake has no body"));
    }
    match settings.max_body.filter(|_| !upgrade) {
        Some(limit) if head.content_length().is_some_and(|length| length > limit) => {
            Err(rsgi_bridge::error::BodyError::TooLarge { limit }.into())
        }
        _ => Ok(()),
    }
}

/// Signs a request if responses may be held, and keeps what is needed for that.
fn origin(service: &Arc<Service>, head: &mut RequestHead, upgrade: bool) -> Option<Box<Origin>> {
    let grip = service.grip.as_ref()?;
    if upgrade {
        Grip::clean(&mut head.parts.fields);
        return None;
    }
    grip.sign(&mut head.parts.fields);
    Some(Box::new(Origin::new(Arc::clone(service) as _, head)))
}

/// Calls the application that was chosen. Also returns where it is noted if the body of the request is refused.
pub(super) async fn call(
    connection: &Connection,
    ChosenApp { app, then, .. }: ChosenApp,
    (head, upgrade): (Box<RequestHead>, bool),
    body: RawBody,
    in_flight: &mut InFlight,
) -> (AppResponse, Option<Arc<BodyFate>>) {
    let settings = &connection.service.settings;
    // What is rare is boxed, so that other requests need no memory for it.
    if upgrade {
        let request = websocket::HandshakeRequest { head, guard: connection.guard.clone(), in_flight };
        return (websocket::call(&app, request, settings).boxed().await, None);
    }
    let body = RequestBody::new(body, settings.max_body, head.series.clone());
    let body = body.copied(in_flight.follower.as_ref().and_then(|follower| follower.request_body()));
    let fate = body.fate();
    let call = Call { head, body, settings, client: &connection.client };
    let response = match then {
        None => app.call(call).await,
        Some((second, miss)) => probe::call(&app, (&second, miss), call, in_flight).boxed().await,
    };
    (response, fate)
}

fn not_found(upgrade: bool) -> RequestError {
    let reason = if upgrade { "no application accepts a WebSocket here" } else { "no application serves this path" };
    RequestError::new(StatusCode::NOT_FOUND, reason)
}
