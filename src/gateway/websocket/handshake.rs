//! The WebSocket handshake: what a request must have, and the response that accepts it.
//!
//! Nothing here touches Python. Only this file knows the difference between the versions of HTTP: over HTTP/1.1 the
//! connection becomes the WebSocket, over HTTP/2 the stream.
//!
//! Spec: RFC 6455 4.2.1, 4.2.2, 4.4; RFC 8441 4, 5.

use bytes::Bytes;
use http::header::{
    CONNECTION, HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{StatusCode, Version};
use rsgi_bridge::request::fields::RequestFields;
use rsgi_bridge::response::response_head::ResponseHead;

use super::offer::Agreed;
use crate::request::error::RequestError;
use crate::request::parts::RequestParts;
use crate::request::upgrade;
use crate::response::app_response::AppResponse;
use crate::wire::asks_for_websocket;

/// Whether a request asks to become a WebSocket.
pub fn requested(request: &RequestParts) -> bool {
    if request.version == Version::HTTP_2 {
        return asks_for_websocket(&request.extensions);
    }
    upgrade::is_offered(request) && items(&request.fields, "upgrade").any(|item| item.eq_ignore_ascii_case("websocket"))
}

/// The items of a header field that is a list, over all its lines.
pub(super) fn items<'a>(fields: &'a RequestFields, name: &'a str) -> impl Iterator<Item = &'a str> {
    fields.texts(name).flat_map(|value| value.split(',')).map(str::trim).filter(|item| !item.is_empty())
}

/// The subprotocols that the client offers, in the client's order.
pub(super) fn subprotocols(fields: &RequestFields) -> Vec<String> {
    items(fields, "sec-websocket-protocol").map(str::to_owned).collect()
}

/// A handshake request that the application may accept.
#[derive(Debug)]
pub(super) enum Handshake {
    /// HTTP/1.1: the response is a 101, and the connection becomes the WebSocket.
    Upgrade {
        /// The value of `Sec-WebSocket-Accept`.
        accept: String,
    },
    /// HTTP/2: the response is a 200, and the stream becomes the WebSocket.
    ExtendedConnect,
}

impl Handshake {
    /// Checks what the accepting response depends on.
    pub(super) fn read(request: &RequestParts) -> Result<Self, Box<AppResponse>> {
        let (fields, version) = (&request.fields, request.version);
        if fields.get("sec-websocket-version") != Some(b"13") {
            return Err(Box::new(other_version(version)));
        }
        if version == Version::HTTP_2 {
            return Ok(Self::ExtendedConnect);
        }
        let accept = accept_key(fields);
        let refused = |reason| Box::new(AppResponse::Error(RequestError::closing(StatusCode::BAD_REQUEST, reason)));
        accept.map(|accept| Self::Upgrade { accept }).map_err(refused)
    }

    /// The head of the accepting response.
    pub(super) fn accepted(
        &self,
        subprotocol: Option<HeaderValue>,
        compression: Option<&Agreed>,
        mut headers: HeaderMap,
    ) -> ResponseHead {
        if let Some(subprotocol) = subprotocol {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, subprotocol);
        }
        if let Some(extension) = compression.and_then(|agreed| HeaderValue::from_str(&agreed.to_string()).ok()) {
            headers.insert(SEC_WEBSOCKET_EXTENSIONS, extension);
        }
        let Self::Upgrade { accept } = self else { return ResponseHead::own(StatusCode::OK, headers) };
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        if let Ok(accept) = HeaderValue::from_str(accept) {
            headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        }
        ResponseHead::own(StatusCode::SWITCHING_PROTOCOLS, headers)
    }
}

/// The value of `Sec-WebSocket-Accept`, or why the request has no valid key.
fn accept_key(fields: &RequestFields) -> Result<String, &'static str> {
    let mut keys = fields.all("sec-websocket-key");
    let (Some(key), None) = (keys.next(), keys.next()) else {
        return Err("a WebSocket request needs one Sec-WebSocket-Key");
    };
    // 16 bytes in base64.
    let well_formed = key.len() == 24 && key.ends_with(b"==");
    if !well_formed {
        return Err("the Sec-WebSocket-Key is not 16 bytes in base64");
    }
    Ok(tokio_tungstenite::tungstenite::handshake::derive_accept_key(key))
}

/// The response to a version other than 13. HTTP/2 has no `Upgrade`, and so no 426.
fn other_version(version: Version) -> AppResponse {
    let mut headers = HeaderMap::new();
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    let (status, text) = if version == Version::HTTP_2 {
        (StatusCode::BAD_REQUEST, "400 Bad Request: only version 13 of the WebSocket protocol is spoken here\n")
    } else {
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        let text = "426 Upgrade Required: only version 13 of the WebSocket protocol is spoken here\n";
        (StatusCode::UPGRADE_REQUIRED, text)
    };
    AppResponse::Whole(ResponseHead::own(status, headers), Bytes::from_static(text.as_bytes()))
}
