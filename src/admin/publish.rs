//! `POST /publish/` of the admin listener: publishes GRIP items to the held clients of all processes.
//!
//! Apart from `shares.rs`, the other path that does something: programs use this one, and no page may.
//!
//! Spec: EPCP "Publishing"; RFC 9110 15.5.1 (400), 15.5.4 (403), 15.5.14 (413), 15.6.4 (503).

use http::{Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;

use super::browser::Sender;
use super::http::NumberSource;

/// The longest body that is read.
const MOST_BODY: usize = 4 * 1024 * 1024;

/// Handles a request. Gives a status and a line.
pub(super) async fn handle(request: Request<Incoming>, source: &NumberSource) -> (StatusCode, String) {
    if Sender::of(request.headers()) != Sender::Program {
        return (StatusCode::FORBIDDEN, "a web page cannot publish".to_owned());
    }
    let body = match Limited::new(request.into_body(), MOST_BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return (StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {MOST_BODY} bytes")),
    };
    let Ok(text) = str::from_utf8(&body) else { return (StatusCode::BAD_REQUEST, "the body is not UTF-8".to_owned()) };
    match source.publish(text) {
        None => (StatusCode::NOT_FOUND, "nothing is held here: see `--grip`".to_owned()),
        Some(Ok(())) => (StatusCode::OK, "Published".to_owned()),
        Some(Err(why)) => (StatusCode::BAD_REQUEST, why),
    }
}
