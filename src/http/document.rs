//! The `OpenAPI` document of all applications, at the path of `--openapi`.
//!
//! Python makes it at start (`python/rsgi/process/openapi.py`), and again when routes or rules change. No application is called.
//! Until it is there, or if it cannot be made, the applications answer the path.
//!
//! Spec: RFC 9110 9.3.2 (HEAD), 15.5.6 (405).

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use rsgi_bridge::response::response_head::ResponseHead;

use crate::request::head::RequestHead;
use crate::response::app_response::AppResponse;

/// The document, and where it is.
#[derive(Debug)]
pub struct Document {
    path: String,
    text: ArcSwapOption<Bytes>,
    /// What the access log calls it.
    pub name: Arc<str>,
}

impl Document {
    /// A document that is not there yet.
    pub fn new(path: String) -> Self {
        Self { path, text: ArcSwapOption::empty(), name: "openapi".into() }
    }

    /// Shows this text from now on.
    pub fn show(&self, text: String) {
        self.text.store(Some(Arc::new(text.into())));
    }

    /// Answers a request for it; `None` for another path, and while there is no document.
    pub fn response(&self, head: &RequestHead) -> Option<AppResponse> {
        if head.path() != self.path {
            return None;
        }
        let text = self.text.load();
        let text = text.as_deref()?;
        let mut headers = HeaderMap::new();
        // It changes with the rules, while the server runs.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        if !matches!(head.parts.method, Method::GET | Method::HEAD) {
            headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
            let head = ResponseHead::own(StatusCode::METHOD_NOT_ALLOWED, headers);
            return Some(AppResponse::Whole(head, Bytes::from_static(b"GET and HEAD only\n")));
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Some(AppResponse::Whole(ResponseHead::own(StatusCode::OK, headers), text.clone()))
    }
}
