//! The response at `--health-path`: whether the server accepts requests.
//!
//! No application is called. Load balancers and orchestrators want to know about the server, even while all threads are
//! busy or the event loop is blocked.
//!
//! Spec: RFC 9110 9.3.2 (HEAD), 15.5.6 (405), 15.6.4 (503).

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use rsgi_bridge::response::response_head::ResponseHead;

use crate::request::head::RequestHead;
use crate::response::app_response::AppResponse;

/// 200 while the server accepts requests (`welcome`), else 503.
pub fn response(head: &RequestHead, welcome: bool) -> AppResponse {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let (status, text) = if !matches!(head.parts.method, Method::GET | Method::HEAD) {
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        (StatusCode::METHOD_NOT_ALLOWED, "GET and HEAD only\n")
    } else if welcome {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
    };
    AppResponse::Whole(ResponseHead::own(status, headers), Bytes::from_static(text.as_bytes()))
}
