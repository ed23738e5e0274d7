//! What the fuzz target `forwarded` does: nothing that a client writes may change what the proxy has written after it.

use http::Uri;
use rsgi_bridge::request::fields::RequestFields;

use super::prefix::{parse_prefix, put_under};
use super::read;
use super::trust::Trust;
use crate::route::Scheme;
use crate::wire::is_authority;

const NAMES: [&str; 6] =
    ["forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "x-forwarded-prefix"];

/// Lines of fields: the first byte of a line chooses the name, the rest is the value.
///
/// # Panics
/// When a client can forge something, or when what is read could not stand in a request.
pub fn forwarded(data: &[u8]) {
    let Ok(trust) = Trust::parse(&["10.0.0.0/8", "fd00::/8", "unix"]) else { return };
    let lines: Vec<(&str, &[u8])> = data
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.split_first())
        .map(|(first, value)| (NAMES[usize::from(*first) % NAMES.len()], value))
        .collect();
    let mut fields = RequestFields::default();
    for (name, value) in &lines {
        fields.append(name, value);
    }
    let (said, _) = read(&fields, &trust);
    assert!(said.host.as_deref().is_none_or(|host| is_authority(host.as_bytes())), "{said:?}");
    assert_ne!(said.port, Some(0));
    for prefix in said.prefix.into_iter().chain(std::str::from_utf8(data).ok().and_then(parse_prefix)) {
        assert!(prefix.is_empty() || prefix.starts_with('/') && !prefix.starts_with("//") && !prefix.ends_with('/'));
        for target in ["/", "/a?b", "*", "//x"] {
            let mut uri = Uri::from_static(target);
            let length = put_under(&mut uri, prefix);
            assert_eq!(uri.path().get(..length), Some(if length == 0 { "" } else { prefix }), "{prefix}");
        }
    }
    forged(&lines, &trust);
}

/// The proxy adds an entry to each list, on the line of the client or on one of its own.
fn forged(lines: &[(&str, &[u8])], trust: &Trust) {
    const ENTRY: &[u8] = b"for=203.0.113.9:7;proto=https;host=example.org";
    for own_line in [false, true] {
        let mut fields = RequestFields::default();
        for (name, own) in [("forwarded", ENTRY), ("x-forwarded-for", b"203.0.113.9:7")] {
            let mut theirs: Vec<&[u8]> = lines.iter().filter(|line| line.0 == name).map(|line| line.1).collect();
            let last = if own_line { None } else { theirs.pop() };
            for value in theirs {
                fields.append(name, value);
            }
            let joined = last.map(|last| [last, b", ", own].concat());
            fields.append(name, joined.as_deref().unwrap_or(own));
        }
        let (said, contradicts) = read(&fields, trust);
        assert_eq!(said.client, Some(([203, 0, 113, 9].into(), 7)), "{fields:?}");
        assert_eq!((said.scheme, said.host.as_deref()), (Some(Scheme::Https), Some("example.org")), "{fields:?}");
        assert!(!contradicts && said.unreadable.is_none(), "{fields:?}");
    }
}
