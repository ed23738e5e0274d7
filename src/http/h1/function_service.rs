//! Answers requests with a function, and no server behind it. The tests of connections and their fuzz target use it.

use std::sync::Arc;
use std::time::Instant;

use futures::future::BoxFuture;

use super::connection::Respond;
use crate::gateway::client_state::ClientState;
use crate::http::connection::ChosenResponse;
use crate::http::direct::PendingResponse;
use crate::request::body::{RawBody, RequestBody};
use crate::request::parts::RequestParts;
use crate::response::app_response::AppResponse;
use crate::response::in_flight::InFlight;
use crate::response::own_fields::OwnFields;
use crate::wire::{Limits, Refusal};

/// A response that comes later.
pub(super) type LaterResponse = BoxFuture<'static, AppResponse>;

/// See the top of this file.
pub(super) struct FunctionService<F> {
    limits: Arc<Limits>,
    client: Arc<ClientState>,
    own: OwnFields,
    respond: F,
    refuse: fn(&Refusal) -> AppResponse,
}

impl<F: Fn(RequestParts, RequestBody, Arc<ClientState>) -> LaterResponse> FunctionService<F> {
    /// `respond` answers requests, `refuse` what is no request. No field is added to their responses.
    pub(super) fn new(limits: Limits, respond: F, refuse: fn(&Refusal) -> AppResponse) -> Self {
        let own = OwnFields { server: None, request_id: None, served_by: false };
        Self { limits: Arc::new(limits), client: Arc::default(), own, respond, refuse }
    }
}

impl<F: Fn(RequestParts, RequestBody, Arc<ClientState>) -> LaterResponse + Unpin> Respond for FunctionService<F> {
    fn limits(&self) -> &Arc<Limits> {
        &self.limits
    }

    fn respond(&self, parts: RequestParts, body: RawBody) -> PendingResponse {
        let response = (self.respond)(parts, RequestBody::new(body, None, None), Arc::clone(&self.client));
        PendingResponse::Later(Box::pin(async move { chosen(response.await) }))
    }

    fn refuse(&self, refusal: &Refusal, _: Vec<u8>) -> Box<ChosenResponse> {
        chosen((self.refuse)(refusal))
    }

    fn client(&self) -> &ClientState {
        &self.client
    }

    fn own_fields(&self) -> &OwnFields {
        &self.own
    }

    fn is_dated(&self) -> bool {
        false
    }

    fn hints(&self) -> bool {
        false
    }
}

fn chosen(response: AppResponse) -> Box<ChosenResponse> {
    Box::new(ChosenResponse { response, in_flight: InFlight::start(None, Instant::now(), None, None), id: None })
}
