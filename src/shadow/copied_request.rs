//! A copy of a request, to be sent again without its connection.
//!
//! Each call gets a new head and body from it, and the comparison shows it.
//!
//! Spec: RFC 9110 13.1 (conditional requests), 14 (ranges), 10.1.1 (`Expect`).

use std::sync::Arc;
use std::time::Instant;

use http::header::{
    EXPECT, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE,
};
use http::{HeaderName, Method};

use crate::request::body::RawBody;
use crate::request::body_copy::CopiedBody;
use crate::request::head::{Peer, RequestHead};
use crate::request::parts::RequestParts;

/// This field tells an application that a request is a shadow request. Clients cannot send it.
pub static SHADOW: HeaderName = HeaderName::from_static("x-rsgi-shadow");

/// Fields that refer to an earlier response of one of the applications.
const CONDITIONS: [HeaderName; 6] = [IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE, IF_RANGE, RANGE];

/// A copy of a request.
#[derive(Debug)]
pub struct CopiedRequest {
    parts: RequestParts,
    peer: Arc<Peer>,
    root: usize,
    id: Option<HeaderValue>,
    /// The body, after it is complete.
    pub body: CopiedBody,
}

impl CopiedRequest {
    /// Copies a head. `mount` bytes of the path are the mount prefix of the first application. For another application,
    /// they are a normal part of the path.
    pub fn new(head: &RequestHead, mount: usize) -> Self {
        let mut parts = head.parts.copy();
        // The body has already arrived.
        parts.fields.remove(EXPECT.as_str());
        for name in &CONDITIONS {
            parts.fields.remove(name.as_str());
        }
        parts.fields.set(SHADOW.as_str(), b"1");
        let (peer, root) = (head.peer.apart(), head.root.saturating_sub(mount));
        Self { parts, peer, root, id: head.request_id.clone(), body: CopiedBody::default() }
    }

    /// The head for another call.
    pub fn head(&self) -> Box<RequestHead> {
        Box::new(RequestHead {
            parts: self.parts.copy(),
            peer: self.peer.apart(),
            root: self.root,
            began: Instant::now(),
            request_id: self.id.clone(),
            queued: None,
            series: None,
            named: None,
            shadow: true,
        })
    }

    /// The body for another call.
    pub fn body(&self) -> RawBody {
        if self.body.bytes.is_empty() { RawBody::Empty } else { RawBody::Whole(Some(self.body.bytes.clone())) }
    }

    /// Whether it is a HEAD request.
    pub fn is_head(&self) -> bool {
        self.parts.method == Method::HEAD
    }

    /// Whether its method is safe.
    pub fn is_safe(&self) -> bool {
        self.parts.method.is_safe()
    }

    /// Method, target and fields as the client sent them, without the fields that were removed.
    pub fn parts(&self) -> &RequestParts {
        &self.parts
    }
}
