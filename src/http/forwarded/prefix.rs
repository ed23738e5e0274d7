//! The part of the path that leads to this server: `--root-path`, or what a proxy says.
//!
//! Proxies may strip it or not. In both cases, applications see the path of the client.
//!
//! Spec: PEP 3333 (`SCRIPT_NAME`), ASGI HTTP 2.5 (`path` includes `root_path`), RFC 3986 3.3.

use http::Uri;
use http::uri::PathAndQuery;

/// Reads a prefix such as `/app`; `/` becomes empty. Returns `None` for text that is not a path, or that would change
/// links made from it: `//host` would be an address.
pub fn parse_prefix(text: &str) -> Option<&str> {
    let prefix = text.trim_end_matches('/');
    if prefix.is_empty() {
        return text.starts_with('/').then_some("");
    }
    let plain = prefix.starts_with('/')
        && !prefix.starts_with("//")
        && prefix.bytes().all(|byte| byte.is_ascii_graphic() && !br#"?#\"<>`"#.contains(&byte));
    (plain && PathAndQuery::try_from(prefix).is_ok()).then_some(prefix)
}

/// Puts a target below `prefix` unless it is there already. Returns the number of bytes of the path that the prefix
/// takes.
pub(super) fn put_under(uri: &mut Uri, prefix: &str) -> usize {
    let path = uri.path();
    // `OPTIONS *` refers to the whole server.
    if prefix.is_empty() || !path.starts_with('/') {
        return 0;
    }
    if path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
        return prefix.len();
    }
    let target = match uri.query() {
        Some(query) => format!("{prefix}{path}?{query}"),
        None => format!("{prefix}{path}"),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = PathAndQuery::try_from(target).ok();
    match (parts.path_and_query.is_some(), Uri::from_parts(parts)) {
        (true, Ok(whole)) => {
            *uri = whole;
            prefix.len()
        }
        // The new target is too long for a URI, so it stays unchanged.
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes() {
        for (text, expected) in [
            ("/app", Some("/app")),
            ("/app/", Some("/app")),
            ("/a/b", Some("/a/b")),
            ("/caf%C3%A9", Some("/caf%C3%A9")),
            ("/", Some("")),
            ("", None),
            ("app", None),
            ("//evil.example", None),
            ("/\\evil.example", None),
            ("/a?b", None),
            ("/a#b", None),
            ("/a b", None),
            ("/caf\u{e9}", None),
            ("http://h/app", None),
        ] {
            assert_eq!(parse_prefix(text), expected, "{text}");
        }
    }

    #[test]
    fn a_target_is_put_under_the_prefix_once() {
        for (target, expected, root) in [
            ("/x?q=1", "/app/x?q=1", 4),
            ("/app/x?q", "/app/x?q", 4),
            ("/app", "/app", 4),
            ("/application", "/app/application", 4),
            ("/", "/app/", 4),
            ("//x", "/app//x", 4),
            ("*", "*", 0),
            ("http://h/x", "http://h/app/x", 4),
            ("http://h", "http://h/app/", 4),
        ] {
            let mut uri: Uri = target.parse().unwrap();
            assert_eq!(put_under(&mut uri, "/app"), root, "{target}");
            assert_eq!(uri.to_string(), expected, "{target}");
        }
        let long = format!("/{}", "a".repeat(65_500));
        let mut uri: Uri = long.parse().unwrap();
        assert_eq!(put_under(&mut uri, &format!("/{}", "b".repeat(100))), 0);
        assert_eq!(uri.path(), long);
    }
}
