//! Somebody who follows a request to the end of its response, and only looks: shadow traffic and recordings do.
//!
//! Apart because a request knows nothing else of them.

use std::sync::Arc;

use super::app_response::AppResponse;
use crate::request::app_load::AppLoad;
use crate::request::body_copy::BodyCopy;

/// See the top of this file. It is dropped with the request.
pub trait Follower: std::fmt::Debug + Send {
    /// Where the body of the request is copied, if it has one.
    fn request_body(&self) -> Option<Arc<BodyCopy>>;

    /// `app` has answered. Gives whether the request is followed further.
    fn answered(&mut self, response: &mut AppResponse, app: Option<&Arc<AppLoad>>) -> bool;

    /// For somebody who copies the response's body before it is sent, because it is changed on the way.
    fn copy_elsewhere(&mut self) -> Option<Arc<BodyCopy>>;

    /// A piece of the response's body is sent.
    fn passed(&self, chunk: &[u8]);

    /// The response's body has ended.
    fn ended(&self);

    /// The request is over.
    fn over(self: Box<Self>);
}
