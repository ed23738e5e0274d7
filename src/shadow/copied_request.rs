//! A request that can be sent again, without its connection.
//!
//! Apart because it is made for each call, and shown to the comparison.
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

/// The field by which an application can tell a shadow request. Clients cannot send it.
pub static SHADOW: HeaderName = HeaderName::from_static("x-rsgi-shadow");

/// What depends on something that the client got from one of the applications.
const CONDITIONS: [HeaderName; 6] = [IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE, IF_RANGE, RANGE];

/// A request that can be sent again.
#[derive(Debug)]
pub struct CopiedRequest {
    parts: RequestParts,
    peer: Arc<Peer>,
    root: usize,
    id: Option<HeaderValue>,
    /// The body, when it is complete.
    pub body: CopiedBody,
}

impl CopiedRequest {
    /// `mount` bytes of the path lead to the first application alone.
    pub fn new(head: &RequestHead, mount: usize) -> Self {
        let mut parts = head.parts.copy();
        // The body is here already.
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
            shadow: true,
        })
    }

    /// The body for another call.
    pub fn body(&self) -> RawBody {
        if self.body.bytes.is_empty() { RawBody::Empty } else { RawBody::Whole(Some(self.body.bytes.clone())) }
    }

    /// Whether its response has no body.
    pub fn is_head(&self) -> bool {
        self.parts.method == Method::HEAD
    }

    /// Whether it should change nothing.
    pub fn is_safe(&self) -> bool {
        self.parts.method.is_safe()
    }

    /// Method, target and fields, as the client sent them but for what was removed.
    pub fn parts(&self) -> &RequestParts {
        &self.parts
    }
}
