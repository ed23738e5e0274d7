//! Parses the request line: method, target, version.
//!
//! It has its own grammar and its own statuses (414, 501, 505).
//!
//! Spec: RFC 9112 2.3, 3.1, 3.2.

use http::StatusCode;
use memchr::{memchr2, memrchr};

use super::Refusal;
use super::authority::is_authority;
use super::field::is_token_byte;

/// The refusal for a target with a character that no URI may contain.
pub(super) const MISPLACED: Refusal =
    Refusal::malformed("the request target holds a character that must be percent-encoded");

/// The end of a request line. The version 1.0 has the same length.
pub(super) const VERSION: &[u8] = b" HTTP/1.1";

/// What the rest of the head needs to know about the request line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RequestLine {
    /// The length of the method. The target follows after a space.
    pub(super) method: usize,
    /// HTTP/1.1, not 1.0.
    pub(super) http_11: bool,
    /// The method is GET. Only a GET may upgrade.
    pub(super) get: bool,
}

/// Parses a request line without its line end.
pub(super) fn parse(line: &[u8]) -> Result<RequestLine, Refusal> {
    let after_method = line.iter().position(|&byte| !is_token_byte(byte)).filter(|end| *end > 0);
    let (method, rest) = split_at_space(line, after_method).ok_or_else(|| shapeless(line))?;
    let newest = rest.strip_suffix(VERSION);
    let target = newest.map_or_else(|| older_target(line, method, rest), Ok)?;
    let http_11 = newest.is_some();
    check_target(method, target)?;
    Ok(RequestLine { method: method.len(), http_11, get: method == b"GET" })
}

fn split_at_space(bytes: &[u8], space: Option<usize>) -> Option<(&[u8], &[u8])> {
    let (before, after) = bytes.split_at_checked(space?)?;
    Some((before, after.strip_prefix(b" ")?))
}

/// The refusal for a line that is not `method target version`.
fn shapeless(line: &[u8]) -> Refusal {
    match line {
        // The first byte of a TLS record: the browser was given an https:// address.
        [0x16, ..] => Refusal::malformed("this port speaks plain HTTP, not TLS"),
        _ => Refusal::malformed("the first line is not `METHOD target HTTP/1.1`"),
    }
}

/// The target of a request line that does not end in the newest version. `rest` follows the method.
fn older_target<'line>(line: &[u8], method: &[u8], rest: &'line [u8]) -> Result<&'line [u8], Refusal> {
    let (target, version) = split_at_space(rest, memrchr(b' ', rest)).ok_or_else(|| shapeless(line))?;
    check_older(version, method)?;
    Ok(target)
}

/// Accepts HTTP/1.0.
fn check_older(version: &[u8], method: &[u8]) -> Result<(), Refusal> {
    match version {
        b"HTTP/1.0" => Ok(()),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => {
            let reason = if method == b"PRI" {
                "HTTP/2 is not available on this port; use HTTP/1.1"
            } else {
                "only HTTP/1.1 and HTTP/1.0 are spoken here"
            };
            Err(Refusal::new(StatusCode::HTTP_VERSION_NOT_SUPPORTED, reason))
        }
        _ => Err(Refusal::malformed("the first line does not end in an HTTP version")),
    }
}

pub(super) fn check_target(method: &[u8], target: &[u8]) -> Result<(), Refusal> {
    if method == b"CONNECT" {
        return Err(if is_authority(target) {
            Refusal::new(StatusCode::NOT_IMPLEMENTED, "this server is no proxy: CONNECT is not served")
        } else {
            Refusal::malformed("CONNECT takes `host:port`")
        });
    }
    match target {
        [b'/', ..] => check_path(target),
        b"*" if method == b"OPTIONS" => Ok(()),
        b"*" => Err(Refusal::malformed("only OPTIONS may ask for `*`")),
        _ => check_absolute(target),
    }
}

fn check_absolute(target: &[u8]) -> Result<(), Refusal> {
    let rest = strip_scheme(target, b"http://").or_else(|| strip_scheme(target, b"https://"));
    let Some(rest) = rest else {
        return Err(Refusal::malformed("the request target is neither a path nor an http URL"));
    };
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, &[]));
    if !is_authority(authority) {
        return Err(Refusal::malformed("the URL in the request line does not name one host"));
    }
    check_path(path)
}

fn strip_scheme<'target>(target: &'target [u8], scheme: &[u8]) -> Option<&'target [u8]> {
    let (start, rest) = target.split_at_checked(scheme.len())?;
    start.eq_ignore_ascii_case(scheme).then_some(rest)
}

/// Accepts visible ASCII, except what no URI may contain. hyper's type for URIs would not accept those characters
/// either.
fn check_path(path: &[u8]) -> Result<(), Refusal> {
    let (bad, quoted) = path.iter().fold((false, false), |(bad, quoted), &byte| {
        let misplaced = !(0x21..=0x7e).contains(&byte) | matches!(byte, b'"' | b'#' | b'<' | b'>');
        (bad | misplaced, quoted || byte == b'`')
    });
    if bad || quoted && quoted_before_query(path) {
        return Err(MISPLACED);
    }
    Ok(())
}

/// Browsers encode a back quote in a path, but not in a query. The type for URIs accepts it in a query only.
fn quoted_before_query(path: &[u8]) -> bool {
    memchr2(b'`', b'?', path).is_some_and(|first| path.get(first) == Some(&b'`'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(line: &str) -> u16 {
        parse(line.as_bytes()).map_or_else(|refusal| refusal.status.as_u16(), |_| 200)
    }

    #[test]
    fn lines_that_are_served() {
        for line in [
            "GET / HTTP/1.1",
            "get /a?b=c HTTP/1.0",
            "OPTIONS * HTTP/1.1",
            "GET http://h/x HTTP/1.1",
            "GET HTTPS://h:1?q HTTP/1.1",
            "M-SEARCH //a/../b HTTP/1.1",
            "GET /{x}|^\\?`[] HTTP/1.1",
        ] {
            assert_eq!(status(line), 200, "{line}");
        }
    }

    #[test]
    fn lines_that_are_malformed() {
        for line in [
            "",
            "GET",
            "GET /",
            "GET  / HTTP/1.1",
            "GET / HTTP/1.1 ",
            "GET /a b HTTP/1.1",
            " GET / HTTP/1.1",
            "GET * HTTP/1.1",
            "GET h:80 HTTP/1.1",
            "GET x HTTP/1.1",
            "GET http:// HTTP/1.1",
            "GET http:///x HTTP/1.1",
            "GET http://u@h/ HTTP/1.1",
            "GET ftp://h/ HTTP/1.1",
            "GET /\u{e9} HTTP/1.1",
            "GET /\u{7f} HTTP/1.1",
            "GET /\t HTTP/1.1",
            "GET /#f HTTP/1.1",
            "G(T / HTTP/1.1",
            "GET / http/1.1",
            "GET / HTTP/1.10",
            "GET / HTTP/1",
            "CONNECT / HTTP/1.1",
            "GET /?\" HTTP/1.1",
            "GET /\" HTTP/1.1",
            "GET /?< HTTP/1.1",
            "GET /< HTTP/1.1",
            "GET /?> HTTP/1.1",
            "GET /> HTTP/1.1",
            "GET /` HTTP/1.1",
            "GET\t/ HTTP/1.1",
        ] {
            assert_eq!(status(line), 400, "{line}");
        }
    }

    #[test]
    fn versions_and_methods_that_are_not_served() {
        assert_eq!(status("GET / HTTP/2.0"), 505);
        assert_eq!(status("GET / HTTP/1.2"), 505);
        assert_eq!(status("PRI * HTTP/2.0"), 505);
        assert_eq!(status("CONNECT h:443 HTTP/1.1"), 501);
    }

    #[test]
    fn every_target_that_passes_is_one_that_hyper_takes() {
        for byte in 0..=0xff_u8 {
            for target in [b"/x".as_slice(), b"/?x", b"http://h/x", b"http://h?x", b"http://hx"] {
                let target = [target, &[byte], b"x"].concat();
                let line = [b"GET ", target.as_slice(), b" HTTP/1.1"].concat();
                if parse(&line).is_ok() {
                    assert!(http::Uri::try_from(target.as_slice()).is_ok(), "{}", target.escape_ascii());
                }
            }
        }
    }
}
