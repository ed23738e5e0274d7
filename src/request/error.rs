//! A request that the server itself answers ([`RequestError`]), because of the client or because there is no capacity.
//!
//! Every stage may refuse a request. Errors of applications are reported where they happen (`rsgi_bridge::report`). A
//! client that has left is not an error.
//!
//! Spec: RFC 9110 15 (status codes).

use std::borrow::Cow;

use http::StatusCode;
use rsgi_bridge::error::BodyError;

use crate::metrics::Event;

/// A request that the server itself answers, with a status and one line that says why.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{status}: {reason}")]
pub struct RequestError {
    /// The status of the response.
    pub status: StatusCode,
    /// One sentence for the client.
    pub reason: Cow<'static, str>,
    /// What happens to the connection.
    pub then: Then,
    /// How it is counted. `None` if it was caused by an application, so that it is no refusal of the server.
    pub event: Option<Event>,
}

/// What happens to the connection after an error response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// The connection takes the next request.
    KeepAlive,
    /// The connection closes, because the bytes that follow cannot be trusted or are not wanted.
    Close,
    /// The client may try again later: `Retry-After`.
    Retry,
}

impl RequestError {
    /// An error after which the connection closes.
    pub fn closing(status: StatusCode, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { status, reason: reason.into(), then: Then::Close, event: event_of(status) }
    }

    /// An error after which the connection continues.
    pub fn new(status: StatusCode, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { status, reason: reason.into(), then: Then::KeepAlive, event: event_of(status) }
    }

    /// The server has no capacity at the moment. `event` says which capacity.
    pub fn busy(event: Event, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, reason: reason.into(), then: Then::Retry, event: Some(event) }
    }

    /// No thread became free in time.
    pub fn no_thread() -> Self {
        Self::busy(Event::QueueTimeout, "no thread became free in time; try again")
    }

    /// The application took too long.
    pub fn timed_out() -> Self {
        Self::new(StatusCode::GATEWAY_TIMEOUT, "the application took too long")
    }

    /// The application failed. The error is in the log, not in the response.
    pub fn application_failed() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the application failed")
    }
}

/// How the server's own responses are counted. A 403 means that an application refused a WebSocket, a 500 that it
/// failed.
fn event_of(status: StatusCode) -> Option<Event> {
    Some(match status {
        StatusCode::FORBIDDEN | StatusCode::INTERNAL_SERVER_ERROR => return None,
        StatusCode::BAD_REQUEST => Event::Malformed,
        StatusCode::NOT_FOUND => Event::NoApplication,
        StatusCode::REQUEST_TIMEOUT => Event::TooSlow,
        StatusCode::PAYLOAD_TOO_LARGE => Event::BodyTooLarge,
        StatusCode::GATEWAY_TIMEOUT => Event::RequestTimeout,
        StatusCode::URI_TOO_LONG => Event::RequestLineTooLong,
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Event::HeaderTooLarge,
        StatusCode::HTTP_VERSION_NOT_SUPPORTED => Event::HttpVersion,
        StatusCode::INSUFFICIENT_STORAGE => Event::Storage,
        _ => Event::OtherRefusal,
    })
}

impl From<BodyError> for RequestError {
    fn from(error: BodyError) -> Self {
        let status = match &error {
            BodyError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            BodyError::TooSlow(_) => StatusCode::REQUEST_TIMEOUT,
            BodyError::Storage(_) => StatusCode::INSUFFICIENT_STORAGE,
            BodyError::Disconnected | BodyError::Malformed(_) => StatusCode::BAD_REQUEST,
        };
        Self::closing(status, error.to_string())
    }
}
