//! Asks the application again for a client that it has left to the server: the link of `Grip-Link`.
//!
//! Apart because it is the only place where a hold calls an application. The request has the fields of the client's own request.
//!
//! Spec: Pushpin (`Grip-Link`, `Grip-Last`).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HeaderName, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    IF_RANGE, IF_UNMODIFIED_SINCE, RANGE, TRANSFER_ENCODING,
};
use http::{Method, Uri};
use rsgi_bridge::response::response_head::ResponseHead;

use super::delivery::Subscribed;
use super::holder::Grip;
use super::whole::collect;
use crate::gateway::app::App;
use crate::gateway::call::Call;
use crate::gateway::client_state::ClientState;
use crate::request::body::{RawBody, RequestBody};
use crate::request::head::{Peer, RequestHead};
use crate::request::parts::RequestParts;
use crate::shadow::Lends;

/// How long the application may take.
const ORIGIN_TIMEOUT: Duration = Duration::from_secs(30);

const GRIP_LAST: &str = "grip-last";

/// What belongs to one request alone: its body, and what the client has already.
const NOT_AGAIN: [HeaderName; 11] = [
    CONTENT_LENGTH,
    CONTENT_TYPE,
    TRANSFER_ENCODING,
    EXPECT,
    IF_MATCH,
    IF_NONE_MATCH,
    IF_MODIFIED_SINCE,
    IF_UNMODIFIED_SINCE,
    IF_RANGE,
    RANGE,
    // The link says where to go on.
    HeaderName::from_static("last-event-id"),
];

/// The request of a held client, and who answers it.
pub struct Origin {
    lender: Arc<dyn Lends>,
    /// Its place in the plan.
    pub app: usize,
    parts: RequestParts,
    peer: Arc<Peer>,
    /// The part of the path that leads to the application.
    pub root: usize,
    id: Option<HeaderValue>,
}

impl std::fmt::Debug for Origin {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { app, parts, .. } = self;
        formatter.debug_struct("Origin").field("app", app).field("parts", parts).finish_non_exhaustive()
    }
}

impl Origin {
    /// Of a request that is about to be answered.
    pub fn new(lender: Arc<dyn Lends>, head: &RequestHead) -> Self {
        let (parts, peer, id) = (head.parts.copy(), Arc::clone(&head.peer), head.request_id.clone());
        Self { lender, app: 0, parts, peer, root: head.root, id }
    }

    pub(super) fn is_head(&self) -> bool {
        self.parts.method == Method::HEAD
    }

    fn app(&self) -> Option<&Arc<App>> {
        self.lender.apps().get(self.app)
    }

    /// The request for logs.
    pub(super) fn log_context(&self) -> String {
        let app = self.app().map_or("", |app| &*app.name);
        format!("app `{app}`: {} {}", self.parts.method, self.parts.uri)
    }

    fn head(&self, grip: &Grip, link: &str, subscribed: &Subscribed) -> Option<Box<RequestHead>> {
        let mut parts = self.parts.copy();
        let old_root = self.parts.uri.path().get(..self.root).unwrap_or_default().to_owned();
        parts.method = Method::GET;
        parts.uri = link.parse::<Uri>().ok()?;
        for name in &NOT_AGAIN {
            parts.fields.remove(name.as_str());
        }
        grip.sign(&mut parts.fields);
        for last in subscribed.lasts() {
            parts.fields.append(GRIP_LAST, HeaderValue::from_str(&last).ok()?.as_bytes());
        }
        let mut head = Box::new(RequestHead::new(parts, Arc::clone(&self.peer)));
        head.root = if head.raw_path().starts_with(&old_root) { self.root } else { 0 };
        head.request_id.clone_from(&self.id);
        Some(head)
    }

    /// Asks for what follows.
    ///
    /// # Errors
    /// Why there is nothing.
    pub(super) async fn ask(
        &self,
        grip: &Grip,
        link: &str,
        subscribed: &Subscribed,
    ) -> Result<(Box<ResponseHead>, Bytes), String> {
        let app = self.app().ok_or("the application is not there")?;
        let head = self.head(grip, link, subscribed).ok_or_else(|| format!("the link `{link}` cannot be asked for"))?;
        let _permit = app.load.try_enter().ok_or("the application has too many requests")?;
        let client = ClientState::default();
        let body = RequestBody::new(RawBody::Empty, None, None);
        let call = Call { head, body, settings: self.lender.settings(), client: &client };
        let answering = async { collect(app.call(call).await, grip.buffer).await };
        let (head, body) = tokio::time::timeout(ORIGIN_TIMEOUT, answering).await.map_err(|_| "it took too long")??;
        if head.status.is_success() { Ok((head, body)) } else { Err(format!("the status is {}", head.status)) }
    }
}
