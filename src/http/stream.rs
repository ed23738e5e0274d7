//! One HTTP/2 request: from the head that hyper has read to the response that hyper sends.
//!
//! Apart from `h2.rs`, which knows the connection and its streams, and from `connection.rs`, which knows neither version.
//! Most requests take the short way of `direct.rs`, as over HTTP/1.
//!
//! Spec: RFC 9113 8.1.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use hyper::body::{Body, Incoming};

use super::connection::{ChosenResponse, Connection, refused};
use super::direct::{PendingResponse, respond_shortly};
use crate::request::activity::Activity;
use crate::request::body::RawBody;
use crate::request::parts::RequestParts;
use crate::response::app_response::ResponseBody;
use crate::wire::{DataRate, check_message};

/// The coming response to one HTTP/2 request. It never fails, because errors become responses.
pub struct Http2Response {
    connection: Arc<Connection>,
    pending: PendingResponse,
    is_head: bool,
}

/// Answers one HTTP/2 request, which `activity` counts.
pub fn respond_http2(
    connection: &Arc<Connection>,
    activity: &Arc<Activity>,
    request: Request<Incoming>,
) -> Http2Response {
    let (parts, incoming) = request.into_parts();
    let limits = &connection.service.limits;
    let refusal = check_message(&parts, limits).err();
    let mut head = connection.head(RequestParts::of_http2(parts));
    let is_head = head.is_head();
    let activity = Some(Arc::clone(activity));
    let pending = match refusal {
        None if incoming.is_end_stream() => respond_shortly(connection, head, RawBody::Empty, activity),
        None => {
            let body = RawBody::Http2(incoming, Box::new(DataRate::new(limits)));
            respond_shortly(connection, head, body, activity)
        }
        Some(refusal) => {
            let mut chosen = connection.begin(&mut head, activity);
            chosen.response = refused(&refusal);
            PendingResponse::now(chosen)
        }
    };
    Http2Response { connection: Arc::clone(connection), pending, is_head }
}

impl Future for Http2Response {
    type Output = Result<Response<Box<ResponseBody>>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let chosen = ready!(this.pending.poll(context, &this.connection.client));
        let ChosenResponse { response, in_flight, id } = *chosen;
        let mut response = response.into_http2(in_flight, this.is_head);
        this.connection.service.own_fields.complete(&mut response, id);
        Poll::Ready(Ok(response))
    }
}
