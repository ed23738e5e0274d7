//! The short way for requests that only need an application: no static file, no compression, no second application, no
//! time limit, and no body that is still to come. A response that is to be held leaves it.
//!
//! It takes the same steps as `connection.rs`, but has no future: the connection, or the HTTP/2 stream, polls the call
//! itself.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::FutureExt;
use futures::future::BoxFuture;
use http::Method;

use super::choose::{ChosenApp, call, choose};
use super::connection::{ChosenResponse, Connection, hold, panicked, respond, surviving};
use crate::gateway::client_state::ClientState;
use crate::gateway::pending_call::PendingCall;
use crate::grip::{Origin, is_asked};
use crate::request::activity::Activity;
use crate::request::body::RawBody;
use crate::request::error::RequestError;
use crate::request::head::RequestHead;
use crate::request::parts::RequestParts;
use crate::request::upgrade;
use crate::response::app_response::AppResponse;

/// A response that its connection waits for.
pub enum PendingResponse {
    /// From an application that has the request.
    Direct(Box<DirectResponse>),
    /// From anything else.
    Later(BoxFuture<'static, Box<ChosenResponse>>),
}

/// See the top of this file.
pub struct DirectResponse {
    call: PendingCall,
    /// `None` after the response.
    chosen: Option<Box<ChosenResponse>>,
    holding: Holding,
}

/// Whether the response may be held, with `--grip`.
#[derive(Default)]
enum Holding {
    #[default]
    Never,
    /// It may be. Has what a held response needs.
    Possible(Arc<Connection>, Box<Origin>),
    /// It is held.
    Held(BoxFuture<'static, Box<ChosenResponse>>),
}

impl PendingResponse {
    /// Ready with the response.
    pub fn poll(&mut self, context: &mut Context<'_>, client: &ClientState) -> Poll<Box<ChosenResponse>> {
        match self {
            Self::Later(pending) => pending.as_mut().poll(context),
            Self::Direct(direct) => direct.poll(context, client),
        }
    }

    /// A response that is there.
    pub(super) fn now(chosen: Box<ChosenResponse>) -> Self {
        Self::Later(std::future::ready(chosen).boxed())
    }
}

impl DirectResponse {
    fn poll(&mut self, context: &mut Context<'_>, client: &ClientState) -> Poll<Box<ChosenResponse>> {
        if let Holding::Held(held) = &mut self.holding {
            return held.as_mut().poll(context);
        }
        let Some(chosen) = &mut self.chosen else { return Poll::Pending };
        let response = &mut chosen.response;
        match catch_unwind(AssertUnwindSafe(|| self.call.poll(context, client, response))) {
            Ok(polled) => ready!(polled),
            Err(_) => chosen.response = panicked(),
        }
        let Some(mut chosen) = self.chosen.take() else { return Poll::Pending };
        if let Holding::Possible(connection, origin) = std::mem::take(&mut self.holding)
            && is_asked(&mut chosen.response)
        {
            let mut held = held(connection, origin, chosen);
            let polled = held.as_mut().poll(context);
            self.holding = Holding::Held(held);
            return polled;
        }
        chosen.responded();
        Poll::Ready(chosen)
    }
}

/// A response that asks to be held.
fn held(
    connection: Arc<Connection>,
    origin: Box<Origin>,
    mut chosen: Box<ChosenResponse>,
) -> BoxFuture<'static, Box<ChosenResponse>> {
    Box::pin(async move {
        let response = std::mem::replace(&mut chosen.response, AppResponse::failed());
        let holding = async {
            let (mut response, _) = hold(&connection, response, origin, &mut chosen.in_flight).await;
            chosen.in_flight.responded(&mut response);
            response
        };
        chosen.response = surviving(holding).await;
        chosen
    })
}

/// Answers one HTTP/1 request.
///
/// Head and response have a box each, so that an idle connection needs no memory for them.
pub fn respond_http1(connection: &Arc<Connection>, parts: RequestParts, body: RawBody) -> PendingResponse {
    respond_shortly(connection, connection.head(parts), body, None)
}

/// Answers one request of either version, which `activity` counts over HTTP/2. Takes the long way if it must.
pub(super) fn respond_shortly(
    connection: &Arc<Connection>,
    mut head: Box<RequestHead>,
    body: RawBody,
    activity: Option<Arc<Activity>>,
) -> PendingResponse {
    // Over HTTP/2, a request for a WebSocket is a CONNECT.
    let may_upgrade = upgrade::is_offered(&head.parts) || head.parts.method == Method::CONNECT;
    let is_here = match body {
        RawBody::Empty => true,
        // The application decides whether the client gets `100 Continue`.
        RawBody::Whole(_) => !head.expects_continue(),
        RawBody::Http1(_) | RawBody::Http2(..) => false,
    };
    if !is_here || may_upgrade || !connection.is_plain(&head) {
        return PendingResponse::Later(Box::pin(respond(Arc::clone(connection), head, body, activity)));
    }
    let mut begun = connection.begin(&mut head, activity);
    connection.count();
    let mut chosen = match caught(|| choose(connection, (&mut head, false), &body, &mut begun.in_flight)) {
        Ok(chosen) => chosen,
        Err(response) => {
            begun.response = *response;
            return PendingResponse::now(begun);
        }
    };
    if !chosen.is_direct() || begun.in_flight.follower.is_some() {
        return later(Arc::clone(connection), chosen, (head, body), begun);
    }
    let body = body.into_whole(head.series.as_deref());
    match caught(|| chosen.app.call_direct(head, body, &connection.service.settings, &connection.client)) {
        Ok(call) => {
            let holding = chosen.origin.take().map(|origin| Holding::Possible(Arc::clone(connection), origin));
            let (chosen, holding) = (Some(begun), holding.unwrap_or_default());
            PendingResponse::Direct(Box::new(DirectResponse { call, chosen, holding }))
        }
        Err(response) => {
            begun.response = *response;
            begun.responded();
            PendingResponse::now(begun)
        }
    }
}

/// The response of an application that needs more than the short way.
fn later(
    connection: Arc<Connection>,
    mut chosen: ChosenApp,
    (head, body): (Box<RequestHead>, RawBody),
    mut begun: Box<ChosenResponse>,
) -> PendingResponse {
    PendingResponse::Later(Box::pin(async move {
        let in_flight = &mut begun.in_flight;
        let responding = async {
            let origin = chosen.origin.take();
            let (mut response, _) = call(&connection, chosen, (head, false), body, in_flight).await;
            if let Some(origin) = origin.filter(|_| is_asked(&mut response)) {
                (response, _) = hold(&connection, response, origin, in_flight).boxed().await;
            }
            in_flight.responded(&mut response);
            response
        };
        begun.response = surviving(responding).await;
        begun
    }))
}

/// The result of `work`, or the response to its error or its panic.
fn caught<T>(work: impl FnOnce() -> Result<T, RequestError>) -> Result<T, Box<AppResponse>> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done.map_err(|error| Box::new(AppResponse::Error(error))),
        Err(_) => Err(Box::new(panicked())),
    }
}
