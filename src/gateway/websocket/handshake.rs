//! The two halves of the handshake: what a request must have, and the 101.
//!
//! Kept apart from the exchange because nothing here touches Python.
//!
//! Spec: RFC 6455 4.2.1, 4.2.2, 4.4.

use bytes::Bytes;
use http::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{Method, Request, StatusCode, Version};
use hyper::body::Incoming;
use rsgi_bridge::response_head::ResponseHead;

use super::offer::Agreed;
use crate::error::RequestError;
use crate::response::AppResponse;

/// Whether a request asks to become a WebSocket.
pub fn requested(request: &Request<Incoming>) -> bool {
    let lists = |name, token: &str| items(request.headers(), name).any(|item| item.eq_ignore_ascii_case(token));
    request.method() == Method::GET
        && request.version() == Version::HTTP_11
        && lists(CONNECTION, "upgrade")
        && lists(UPGRADE, "websocket")
}

/// The items of a header that is a list, over all its lines.
pub(super) fn items(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|value| value.split(',')).map(str::trim).filter(|item| !item.is_empty())
}

/// The subprotocols that the client offers, in its order.
pub(super) fn subprotocols(headers: &HeaderMap) -> Vec<String> {
    items(headers, SEC_WEBSOCKET_PROTOCOL).map(str::to_owned).collect()
}

/// The value of `Sec-WebSocket-Accept`.
#[expect(clippy::result_large_err, reason = "the refusal is the response, made once")]
pub(super) fn accept_key(headers: &HeaderMap) -> Result<String, AppResponse> {
    let refused = |reason| AppResponse::Error(RequestError::closing(StatusCode::BAD_REQUEST, reason));
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(other_version());
    }
    let mut keys = headers.get_all(SEC_WEBSOCKET_KEY).iter();
    let (Some(key), None) = (keys.next(), keys.next()) else {
        return Err(refused("a WebSocket request needs one Sec-WebSocket-Key"));
    };
    // 16 bytes in base64.
    let well_formed = key.len() == 24 && key.as_bytes().ends_with(b"==");
    if !well_formed {
        return Err(refused("the Sec-WebSocket-Key is not 16 bytes in base64"));
    }
    Ok(tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes()))
}

fn other_version() -> AppResponse {
    let mut headers = HeaderMap::new();
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    let head = ResponseHead { status: StatusCode::UPGRADE_REQUIRED, reason: None, headers, content_length: None };
    let text = "426 Upgrade Required: only version 13 of the WebSocket protocol is spoken here\n";
    AppResponse::Whole(head, Bytes::from_static(text.as_bytes()))
}

/// The head of the 101.
pub(super) fn switching(
    accept_key: &str,
    subprotocol: Option<HeaderValue>,
    compression: Option<&Agreed>,
    mut headers: HeaderMap,
) -> ResponseHead {
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(key) = HeaderValue::from_str(accept_key) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, key);
    }
    if let Some(subprotocol) = subprotocol {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, subprotocol);
    }
    if let Some(extension) = compression.and_then(|agreed| HeaderValue::from_str(&agreed.to_string()).ok()) {
        headers.insert(SEC_WEBSOCKET_EXTENSIONS, extension);
    }
    ResponseHead { status: StatusCode::SWITCHING_PROTOCOLS, reason: None, headers, content_length: None }
}
