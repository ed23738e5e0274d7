//! The request body as `http.request` messages.
//!
//! The body is either complete when the application is called, or still arriving. Only this file knows which.
//!
//! Spec: ASGI HTTP 2.5 "Request", "Disconnect".

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use pyo3::prelude::*;
use rsgi_bridge::pipe::{PipeReader, Reading};

use super::message::{disconnect_message, request_message};

/// The request body as messages.
#[derive(Debug)]
pub(super) enum RequestMessages {
    Whole(Bytes),
    Coming(PipeReader<Bytes>),
    Delivered,
}

impl RequestMessages {
    /// The next message, or `None` if all were delivered.
    pub(super) fn poll_next(&mut self, py: Python<'_>, context: &mut Context<'_>) -> Option<Poll<PyResult<Py<PyAny>>>> {
        let reader = match std::mem::replace(self, Self::Delivered) {
            Self::Delivered => return None,
            Self::Whole(body) => return Some(Poll::Ready(request_message(py, &body, false))),
            Self::Coming(reader) => reader,
        };
        let next = match reader.poll_next(context) {
            Poll::Pending => {
                *self = Self::Coming(reader);
                return Some(Poll::Pending);
            }
            Poll::Ready(next) => next,
        };
        Some(Poll::Ready(match next {
            Some(Ok(chunk)) => {
                let more = !reader.is_finished();
                if more {
                    *self = Self::Coming(reader);
                }
                request_message(py, &chunk, more)
            }
            None => request_message(py, &Bytes::new(), false),
            Some(Err(_)) => {
                // Keep the reader, so that `has_failed` still reports the failure when the application has ended.
                *self = Self::Coming(reader);
                disconnect_message(py)
            }
        }))
    }

    /// Whether the body broke off.
    pub(super) fn has_failed(&self) -> bool {
        match self {
            Self::Coming(reader) => reader.failure().is_some(),
            Self::Whole(_) | Self::Delivered => false,
        }
    }

    /// The handle that shows how a body that is still arriving is read.
    pub(super) fn reading(&self) -> Option<Arc<dyn Reading>> {
        match self {
            Self::Coming(reader) => Some(reader.reading_handle()),
            Self::Whole(_) | Self::Delivered => None,
        }
    }
}
