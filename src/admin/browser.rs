//! What a browser may do at the admin listener: where a request comes from, and what the page may load.
//!
//! Spec: Fetch 3.2 (`Origin`), Fetch Metadata (`Sec-Fetch-Site`), CSP 3, RFC 6454 7.

use std::net::IpAddr;

use http::HeaderMap;
use http::header::{HOST, HeaderName, HeaderValue, ORIGIN};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The page may load its own files and ask this listener, and nothing else. No other page can embed it.
const PAGE_FIELDS: [(HeaderName, &str); 6] = [
    (
        http::header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
    ),
    (http::header::REFERRER_POLICY, "no-referrer"),
    (http::header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
];

/// Adds these fields to a file of the page.
pub(super) fn secure(headers: &mut HeaderMap) {
    for (name, value) in PAGE_FIELDS {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// What sends a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sender {
    /// A program, or a browser without a page.
    Program,
    /// A page of this listener.
    OwnPage,
    /// A page from elsewhere.
    OtherPage,
}

impl Sender {
    /// Decides by the fields that a page cannot set.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut origins = headers.get_all(ORIGIN).iter();
        let (origin, more) = (origins.next(), origins.next().is_some());
        let site = headers.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes);
        match (origin, site) {
            _ if more => Self::OtherPage,
            (None, None) => Self::Program,
            (Some(origin), None | Some(b"same-origin")) if is_own(origin, headers) => Self::OwnPage,
            (None, Some(b"same-origin" | b"none")) => Self::OwnPage,
            _ => Self::OtherPage,
        }
    }
}

/// Whether the origin is that of this listener. The scheme does not count, because a proxy may add TLS.
fn is_own(origin: &HeaderValue, headers: &HeaderMap) -> bool {
    let (Ok(origin), Some(Ok(host))) = (origin.to_str(), headers.get(HOST).map(HeaderValue::to_str)) else {
        return false;
    };
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    authority.is_some_and(|authority| !authority.is_empty() && authority.eq_ignore_ascii_case(host))
}

/// Whether `Host` is an IP address or localhost. A page elsewhere can let its own host name point to this machine (DNS
/// rebinding), but such a request has that name in `Host`.
pub(super) fn names_this_machine(headers: &HeaderMap) -> bool {
    headers.get_all(HOST).iter().all(names_it)
}

fn names_it(host: &HeaderValue) -> bool {
    let Ok(host) = host.to_str() else { return false };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).fold(
            HeaderMap::new(),
            |mut all, (name, value)| {
                all.append(name, value);
                all
            },
        )
    }

    #[test]
    fn only_the_same_origin_is_our_own() {
        let host = ("host", "127.0.0.1:9090");
        let own = ("origin", "http://127.0.0.1:9090");
        for (pairs, expected) in [
            (vec![host], Sender::Program),
            (vec![host, own], Sender::OwnPage),
            (vec![host, own, ("sec-fetch-site", "same-origin")], Sender::OwnPage),
            (vec![host, ("origin", "https://127.0.0.1:9090")], Sender::OwnPage),
            (vec![host, own, ("sec-fetch-site", "same-site")], Sender::OtherPage),
            (vec![host, own, ("sec-fetch-site", "cross-site")], Sender::OtherPage),
            (vec![host, own, own], Sender::OtherPage),
            (vec![host, ("origin", "null")], Sender::OtherPage),
            (vec![host, ("origin", "http://")], Sender::OtherPage),
            (vec![host, ("origin", "http://127.0.0.1:9091")], Sender::OtherPage),
            (vec![host, ("origin", "http://127.0.0.1:9090.evil.example")], Sender::OtherPage),
            (vec![host, ("origin", "http://evil.example")], Sender::OtherPage),
            (vec![own], Sender::OtherPage),
            (vec![host, ("sec-fetch-site", "cross-site")], Sender::OtherPage),
        ] {
            assert_eq!(Sender::of(&fields(&pairs)), expected, "{pairs:?}");
        }
    }

    #[test]
    fn a_name_of_somebody_else_is_not_this_machine() {
        for host in ["localhost", "LOCALHOST:9090", "127.0.0.1:9090", "[::1]:9090", "[::1]", "192.0.2.7"] {
            assert!(names_this_machine(&fields(&[("host", host)])), "{host}");
        }
        for host in ["evil.example:9090", "localhost.evil.example", "127.0.0.1.evil.example", ""] {
            assert!(!names_this_machine(&fields(&[("host", host)])), "{host}");
        }
        assert!(names_this_machine(&HeaderMap::new()), "no browser");
    }
}
