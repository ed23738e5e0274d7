//! Watches a request to the end of its response without changing it. Shadow traffic and recordings use this.

use std::sync::Arc;

use super::app_response::AppResponse;
use crate::request::app_load::AppLoad;
use crate::request::body_copy::BodyCopy;

/// Watches one request. It is dropped with the request.
pub trait Follower: std::fmt::Debug + Send {
    /// Where the body of the request is copied, or `None` if it is not copied.
    fn request_body(&self) -> Option<Arc<BodyCopy>>;

    /// `app` has responded. Returns whether to go on watching.
    fn responded(&mut self, response: &mut AppResponse, app: Option<&Arc<AppLoad>>) -> bool;

    /// Takes over copying the response's body. Compression uses this, because it has to copy the plain bytes before it
    /// changes them.
    fn copy_elsewhere(&mut self) -> Option<Arc<BodyCopy>>;

    /// A piece of the response's body was handed to the connection.
    fn passed(&self, chunk: &[u8]);

    /// The response's body has ended.
    fn ended(&self);

    /// The request has ended.
    fn over(self: Box<Self>);
}
