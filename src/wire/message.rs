//! Applies the rules of the parser to the head of an HTTP/2 request, which has pseudo-fields instead of a request line.
//!
//! hyper checks framing, header compression and the lengths of bodies. This file checks what hyper lets through.
//!
//! Spec: RFC 9113 8.2.1, 8.2.3 (`Cookie`), 8.3.1 (`:path`, `:authority` and `Host`), 8.5; RFC 8441 4; RFC 9110 7.2,
//! 7.8, 8.3, 8.6.

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST};
use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderValue, Method, StatusCode};
use hyper::ext::Protocol;

use super::authority::is_authority;
use super::field::number;
use super::frames::REFUSED_PATH;
use super::target::{MISPLACED, check_target};
use super::{Limits, Refusal};

/// Checks the head of an HTTP/2 request.
///
/// # Errors
/// When the request is refused, with the reason.
pub fn check(parts: &Parts, limits: &Limits) -> Result<(), Refusal> {
    let seen = SeenFields::of(&parts.headers);
    if seen.refused_path {
        return Err(MISPLACED);
    }
    let target = parts.uri.path_and_query().map_or("", http::uri::PathAndQuery::as_str);
    if parts.method.as_str().len() + target.len() > limits.request_line {
        return Err(Refusal::new(StatusCode::URI_TOO_LONG, "the method and the path are too long"));
    }
    if parts.method == Method::CONNECT {
        check_connect(&parts.extensions)?;
    }
    if parts.uri.scheme_str().is_some_and(|scheme| scheme != "http" && scheme != "https") {
        return Err(Refusal::malformed("the scheme is neither http nor https"));
    }
    if !target.starts_with('/') && target != "*" {
        return Err(Refusal::malformed(":path does not begin with a slash"));
    }
    // This CONNECT asks for a WebSocket. It has a path like a GET.
    let method = if parts.method == Method::CONNECT { &Method::GET } else { &parts.method };
    check_target(method.as_str().as_bytes(), target.as_bytes())?;
    check_host(parts, &seen)?;
    check_fields(parts.headers.len(), &seen, limits)
}

/// Whether a request is the extended CONNECT that asks for a WebSocket.
pub fn asks_for_websocket(extensions: &Extensions) -> bool {
    extensions.get::<Protocol>().is_some_and(|protocol| protocol.as_str().eq_ignore_ascii_case("websocket"))
}

fn check_connect(extensions: &Extensions) -> Result<(), Refusal> {
    let refused = |reason| Err(Refusal::new(StatusCode::NOT_IMPLEMENTED, reason));
    match extensions.get::<Protocol>() {
        None => refused("this server is no proxy: CONNECT is not served"),
        Some(_) if !asks_for_websocket(extensions) => refused("no other :protocol than websocket is spoken here"),
        Some(_) => Ok(()),
    }
}

/// What the checks need to know about the fields, seen in one pass. A lookup by name would cost a hash each.
#[derive(Default)]
struct SeenFields<'a> {
    hosts: usize,
    host: Option<&'a HeaderValue>,
    content_types: usize,
    lengths: usize,
    length: Option<&'a HeaderValue>,
    cookies: usize,
    refused_path: bool,
    /// Whether there is white space around a value.
    padded: bool,
    /// The size that the fields would have in HTTP/1.
    size: usize,
}

impl<'a> SeenFields<'a> {
    fn of(headers: &'a HeaderMap) -> Self {
        let mut seen = Self::default();
        for (name, value) in headers {
            let text = name.as_str();
            seen.size += text.len() + value.len() + 4;
            seen.padded |= matches!(value.as_bytes(), [b' ' | b'\t', ..] | [.., b' ' | b'\t']);
            if *name == HOST {
                seen.hosts += 1;
                seen.host = seen.host.or(Some(value));
            } else if *name == COOKIE {
                seen.cookies += 1;
            } else if *name == CONTENT_TYPE {
                seen.content_types += 1;
            } else if *name == CONTENT_LENGTH {
                seen.lengths += 1;
                seen.length = seen.length.or(Some(value));
            } else if text == REFUSED_PATH {
                seen.refused_path = true;
            }
        }
        seen
    }

    /// How many `Cookie` fields there are besides the first, and how many bytes they add. Applications see one field,
    /// with `; ` in the place of each further `cookie: ` and its line end.
    fn crumbs(&self) -> (usize, usize) {
        let more = self.cookies.saturating_sub(1);
        (more, more * (COOKIE.as_str().len() + ": \r\n".len() - "; ".len()))
    }
}

/// Checks that `:authority` and `Host` name one host, and the same one.
fn check_host(parts: &Parts, seen: &SeenFields<'_>) -> Result<(), Refusal> {
    if seen.hosts > 1 {
        return Err(Refusal::malformed("Host is repeated"));
    }
    let authority = parts.uri.authority().map(|authority| authority.as_str().as_bytes());
    match (authority, seen.host) {
        (None, None) => Err(Refusal::malformed("neither :authority nor Host says which host is meant")),
        (Some(authority), _) if !is_authority(authority) => {
            Err(Refusal::malformed(":authority does not name one host"))
        }
        (Some(authority), Some(host)) if !authority.eq_ignore_ascii_case(host.as_bytes()) => {
            Err(Refusal::malformed(":authority and Host differ"))
        }
        (None, Some(host)) if !is_authority(host.as_bytes()) => Err(Refusal::malformed("Host does not name one host")),
        _ => Ok(()),
    }
}

fn check_fields(count: usize, seen: &SeenFields<'_>, limits: &Limits) -> Result<(), Refusal> {
    let (crumbs, crumb_bytes) = seen.crumbs();
    if count - crumbs > limits.header_fields {
        return Err(Refusal::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "there are too many header fields"));
    }
    if seen.size - crumb_bytes > limits.header_section {
        return Err(Refusal::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "the header section is too long"));
    }
    if seen.padded {
        return Err(Refusal::malformed("there is white space around a header value"));
    }
    if seen.content_types > 1 {
        return Err(Refusal::malformed("Content-Type is repeated"));
    }
    if seen.lengths > 1 {
        return Err(Refusal::malformed("Content-Length is repeated"));
    }
    match seen.length {
        Some(length) if number(length.as_bytes()).is_none() => {
            Err(Refusal::malformed("Content-Length is not one number"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(method: &str, uri: &str, fields: &[(&str, &str)]) -> u16 {
        let mut request = http::Request::builder().method(method).uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        status_of(request.body(()).unwrap())
    }

    fn status_of(request: http::Request<()>) -> u16 {
        let (parts, ()) = request.into_parts();
        let limits = Limits { request_line: 64, header_section: 128, header_fields: 4, ..Limits::default() };
        check(&parts, &limits).map_or_else(|refusal| refusal.status.as_u16(), |()| 200)
    }

    #[test]
    fn requests_that_are_served() {
        assert_eq!(status("GET", "https://h/x?y", &[]), 200);
        assert_eq!(status("POST", "http://h:1/", &[("host", "H:1"), ("content-length", "5")]), 200);
        assert_eq!(status("GET", "/x", &[("host", "h")]), 200);
        assert_eq!(status("OPTIONS", "*", &[("host", "h")]), 200);
    }

    #[test]
    fn an_extended_connect_is_for_websockets_only() {
        for (protocol, uri, expected) in [
            ("websocket", "https://h/chat?x", 200),
            ("WebSocket", "https://h/chat", 200),
            ("websocket", "https://u@h/chat", 400),
            ("connect-udp", "https://h/chat", 501),
            ("", "https://h/chat", 501),
        ] {
            let request = http::Request::connect(uri).extension(Protocol::from(protocol)).body(()).unwrap();
            assert_eq!(status_of(request), expected, "{protocol} {uri}");
        }
    }

    #[test]
    fn cookies_in_several_fields_count_as_the_one_that_applications_see() {
        let crumbs = |count: usize, value: &'static str| vec![("cookie", value); count];
        assert_eq!(status("GET", "https://h/", &crumbs(24, "a=1")), 200);
        // `cookie: ` and a line end, and 24 times `a=1` with `; ` between them.
        assert_eq!(status("GET", "https://h/", &[crumbs(23, "a=1"), vec![("b", "")]].concat()), 200);
        assert_eq!(status("GET", "https://h/", &[crumbs(23, "a=1"), vec![("b", "1")]].concat()), 431);
        assert_eq!(status("GET", "https://h/", &crumbs(25, "a=1")), 431);
        let others = [("a", "1"), ("b", "1"), ("c", "1"), ("d", "1")];
        assert_eq!(status("GET", "https://h/", &[crumbs(2, "a=1"), others.to_vec()].concat()), 431);
    }

    #[test]
    fn requests_that_are_refused() {
        for (method, uri, fields, expected) in [
            ("GET", "/x", vec![], 400),
            ("GET", "*", vec![("host", "h")], 400),
            ("GET", "https://u@h/", vec![], 400),
            ("GET", "https://h/", vec![("host", "other")], 400),
            ("GET", "https://h/", vec![("host", "h"), ("host", "h")], 400),
            ("GET", "/x", vec![("host", "a, b")], 400),
            ("GET", "ftp://h/", vec![], 400),
            ("GET", "https://h/", vec![("content-length", "5"), ("content-length", "5")], 400),
            ("GET", "https://h/", vec![("content-length", "5, 5")], 400),
            ("GET", "https://h/", vec![("content-length", "+5")], 400),
            ("POST", "https://h/", vec![("content-type", "a/b"), ("content-type", "a/c")], 400),
            ("GET", "https://h/\"", vec![], 400),
            ("GET", "https://h/", vec![("x", " padded")], 400),
            ("GET", "https://h/", vec![("x", "padded\t")], 400),
            ("CONNECT", "h:443", vec![], 501),
            ("GET", "https://h/", vec![("a", "1"), ("b", "1"), ("c", "1"), ("d", "1"), ("e", "1")], 431),
        ] {
            assert_eq!(status(method, uri, &fields), expected, "{method} {uri} {fields:?}");
        }
        assert_eq!(status("GET", &format!("https://h/{}", "x".repeat(64)), &[]), 414);
        assert_eq!(status("GET", "https://h/", &[("x", "y".repeat(128).as_str())]), 431);
    }
}
