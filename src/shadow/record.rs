//! The recorded response of one application, or the reason why there is none.
//!
//! The response to the client and the response to the shadow request have the same form.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::poll_fn;
use http::StatusCode;
use http_body::Body as _;
use rsgi_bridge::response::response_fields::ResponseFields;

use crate::metrics::Event;
use crate::request::body_copy::{BodyCopy, CopiedBody};
use crate::request::error::RequestError;
use crate::response::app_response::AppResponse;
use crate::response::in_flight::InFlight;

/// The response of one application.
#[derive(Debug, Default)]
pub struct ShadowRecord {
    /// The status; 0 without a response.
    pub status: u16,
    /// The header fields of the application.
    pub fields: ResponseFields,
    /// The copy of the body, as far as it was kept.
    pub body: CopiedBody,
    /// The time from the call of the application to the end of its response.
    pub took: Duration,
    /// Why there is no response.
    pub error: Option<&'static str>,
}

/// The error of an application that failed.
pub const EXCEPTION: &str = "exception";

impl ShadowRecord {
    /// Without a response.
    pub fn failed(error: &'static str, took: Duration) -> Self {
        Self { error: Some(error), took, ..Self::default() }
    }

    /// Reads a response to a shadow request. Reads the body to its end, or to a little over `longest` bytes.
    pub async fn of(response: AppResponse, began: Instant, limit: usize, longest: u64, head_request: bool) -> Self {
        if let AppResponse::Error(error) = &response {
            return Self::failed(reason(error), began.elapsed());
        }
        let copy = Arc::new(BodyCopy::new(limit));
        let (head, mut body) = response.into_parts(InFlight::start(None, began, None, None));
        let mut whole = !head.allows_body(head_request);
        while !whole && copy.size() <= longest {
            match poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        copy.push(&data);
                    }
                }
                // Trailers are not compared.
                None => whole = true,
                Some(Err(_)) => return Self::failed(EXCEPTION, began.elapsed()),
            }
        }
        if whole {
            copy.end();
        }
        let (status, took) = (head.status.as_u16(), began.elapsed());
        Self { status, fields: head.fields, body: copy.take(), took, error: None }
    }
}

/// Why the server answered in the application's place.
pub fn reason(error: &RequestError) -> &'static str {
    match (error.status, error.event) {
        (StatusCode::INTERNAL_SERVER_ERROR, None) => EXCEPTION,
        (_, Some(Event::RequestTimeout)) => "timeout",
        _ => "refused",
    }
}
