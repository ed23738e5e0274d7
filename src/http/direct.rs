//! The short way for HTTP/1 requests that only need an application: no body, no static file, no compression, no second
//! application and no time limit. A response that is to be held leaves it.
//!
//! It takes the same steps as `connection.rs`, but has no future: the connection polls the call itself.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::FutureExt;
use futures::future::BoxFuture;
use http::HeaderValue;

use super::choose::{ChosenApp, call, choose};
use super::connection::{ChosenResponse, Connection, hold, panicked, respond, surviving};
use crate::gateway::client_state::ClientState;
use crate::gateway::pending_call::PendingCall;
use crate::grip::{Origin, is_asked};
use crate::request::body::RawBody;
use crate::request::error::RequestError;
use crate::request::head::RequestHead;
use crate::request::parts::RequestParts;
use crate::request::upgrade;
use crate::response::app_response::AppResponse;
use crate::response::in_flight::InFlight;

/// A response that its connection waits for.
pub enum PendingResponse {
    /// From an application that has the request.
    Direct(Box<DirectResponse>),
    /// From anything else.
    Later(BoxFuture<'static, ChosenResponse>),
}

/// See the top of this file.
#[derive(Debug)]
pub struct DirectResponse {
    call: PendingCall,
    /// `None` after the response.
    request: Option<(InFlight, Option<HeaderValue>)>,
    /// What a held response needs, with `--grip`.
    holdable: Option<(Arc<Connection>, Box<Origin>)>,
}

impl PendingResponse {
    /// Ready with the response.
    pub fn poll(&mut self, context: &mut Context<'_>, client: &ClientState) -> Poll<ChosenResponse> {
        match self {
            Self::Later(pending) => pending.as_mut().poll(context),
            Self::Direct(direct) => match ready!(direct.poll(context, client)) {
                ControlFlow::Break(response) => Poll::Ready(response),
                ControlFlow::Continue(mut held) => {
                    let polled = held.as_mut().poll(context);
                    *self = Self::Later(held);
                    polled
                }
            },
        }
    }

    fn now(response: AppResponse, in_flight: InFlight, id: Option<HeaderValue>) -> Self {
        Self::Later(std::future::ready(ChosenResponse { response, in_flight, id }).boxed())
    }
}

impl DirectResponse {
    /// Ready with the response, or with what to wait for if it is held.
    fn poll(
        &mut self,
        context: &mut Context<'_>,
        client: &ClientState,
    ) -> Poll<ControlFlow<ChosenResponse, BoxFuture<'static, ChosenResponse>>> {
        let polled = catch_unwind(AssertUnwindSafe(|| self.call.poll(context, client)));
        let mut response = ready!(polled.unwrap_or_else(|_| Poll::Ready(panicked())));
        let Some((mut in_flight, id)) = self.request.take() else { return Poll::Pending };
        if let Some((connection, origin)) = self.holdable.take().filter(|_| is_asked(&mut response)) {
            return Poll::Ready(ControlFlow::Continue(held(connection, response, origin, in_flight, id)));
        }
        in_flight.responded(&mut response);
        Poll::Ready(ControlFlow::Break(ChosenResponse { response, in_flight, id }))
    }
}

/// A response that asks to be held.
fn held(
    connection: Arc<Connection>,
    response: AppResponse,
    origin: Box<Origin>,
    mut in_flight: InFlight,
    id: Option<HeaderValue>,
) -> BoxFuture<'static, ChosenResponse> {
    Box::pin(async move {
        let holding = async {
            let (mut response, _) = hold(&connection, response, origin, &mut in_flight).await;
            in_flight.responded(&mut response);
            response
        };
        let response = surviving(holding).await;
        ChosenResponse { response, in_flight, id }
    })
}

/// Answers one HTTP/1 request.
///
/// Head and response have a box each, so that an idle connection needs no memory for them.
pub fn respond_http1(connection: &Arc<Connection>, parts: RequestParts, body: RawBody) -> PendingResponse {
    let head = connection.head(parts);
    if !matches!(body, RawBody::Empty) || upgrade::is_offered(&head.parts) || !connection.is_plain(&head) {
        return PendingResponse::Later(Box::pin(respond(Arc::clone(connection), head, body, None)));
    }
    let (mut head, mut in_flight, id) = connection.begin(head, None);
    connection.count();
    let mut chosen = match caught(|| choose(connection, (&mut head, false), &body, &mut in_flight)) {
        Ok(chosen) => chosen,
        Err(response) => return PendingResponse::now(*response, in_flight, id),
    };
    if !chosen.is_direct() || in_flight.follower.is_some() {
        return later(Arc::clone(connection), chosen, head, in_flight, id);
    }
    match caught(|| chosen.app.call_direct(head, &connection.service.settings, &connection.client)) {
        Ok(call) => {
            let holdable = chosen.origin.take().map(|origin| (Arc::clone(connection), origin));
            PendingResponse::Direct(Box::new(DirectResponse { call, request: Some((in_flight, id)), holdable }))
        }
        Err(mut response) => {
            in_flight.responded(&mut response);
            PendingResponse::now(*response, in_flight, id)
        }
    }
}

/// The response of an application that needs more than the short way.
fn later(
    connection: Arc<Connection>,
    mut chosen: ChosenApp,
    head: Box<RequestHead>,
    mut in_flight: InFlight,
    id: Option<HeaderValue>,
) -> PendingResponse {
    PendingResponse::Later(Box::pin(async move {
        let responding = async {
            let origin = chosen.origin.take();
            let (mut response, _) = call(&connection, chosen, (head, false), RawBody::Empty, &mut in_flight).await;
            if let Some(origin) = origin.filter(|_| is_asked(&mut response)) {
                (response, _) = hold(&connection, response, origin, &mut in_flight).boxed().await;
            }
            in_flight.responded(&mut response);
            response
        };
        let response = surviving(responding).await;
        ChosenResponse { response, in_flight, id }
    }))
}

/// The result of `work`, or the response to its error or its panic.
fn caught<T>(work: impl FnOnce() -> Result<T, RequestError>) -> Result<T, Box<AppResponse>> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done.map_err(|error| Box::new(AppResponse::Error(error))),
        Err(_) => Err(Box::new(panicked())),
    }
}
