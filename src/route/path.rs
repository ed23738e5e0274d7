//! Turns the path of a request into bytes for comparison: it is divided first and decoded second.
//!
//! A path is divided at its *raw* slashes and then percent-decoded. So an encoded slash (`%2F`) never divides segments.
//! The code decodes the whole path at once, with the same result: it decodes `%2F` to the byte 0xFF. That byte does not
//! occur in UTF-8, so no template and no prefix contains it. `%FF` is decoded to 0xFE, which no template contains
//! either.
//!
//! Nothing is collapsed or resolved: `//` has an empty segment, and `..` is a normal segment. Invalid escapes stay as
//! they are. (RFC 3986 sections 2.4 and 3.3.)

use std::borrow::Cow;

/// Stands for a `%2F` in a decoded path. Only a `path` parameter accepts it.
pub(super) const ENCODED_SLASH: u8 = 0xFF;

/// Stands for a `%FF` in a decoded path, because 0xFF is [`ENCODED_SLASH`].
const ENCODED_FF: u8 = 0xFE;

/// Decodes a raw path. Borrows it if there is nothing to decode.
pub(super) fn decode(raw: &str) -> Cow<'_, [u8]> {
    let bytes = raw.as_bytes();
    if !bytes.contains(&b'%') {
        return Cow::Borrowed(bytes);
    }
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&first, after)) = rest.split_first() {
        if let Some((byte, tail)) = escaped(first, after) {
            decoded.push(byte);
            rest = tail;
        } else {
            decoded.push(first);
            rest = after;
        }
    }
    Cow::Owned(decoded)
}

/// The byte of a valid escape, and what follows the escape.
fn escaped(first: u8, after: &[u8]) -> Option<(u8, &[u8])> {
    let (b'%', [high, low, tail @ ..]) = (first, after) else {
        return None;
    };
    let byte = match hex(*high)? << 4 | hex(*low)? {
        b'/' => ENCODED_SLASH,
        0xFF => ENCODED_FF,
        byte => byte,
    };
    Some((byte, tail))
}

/// A decoded path as text for expressions. An encoded slash becomes `%2F`, and each invalid byte U+FFFD.
pub(super) fn as_text(decoded: &[u8]) -> Cow<'_, str> {
    if !decoded.contains(&ENCODED_SLASH) {
        return String::from_utf8_lossy(decoded);
    }
    let pieces = decoded.split(|byte| *byte == ENCODED_SLASH).map(String::from_utf8_lossy);
    Cow::Owned(pieces.collect::<Vec<_>>().join("%2F"))
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Cuts off the first segment. The rest is `None` if it was the last one.
pub(super) fn split_segment(path: &[u8]) -> (&[u8], Option<&[u8]>) {
    let end = path.iter().position(|byte| *byte == b'/');
    match end.and_then(|at| path.split_at_checked(at)) {
        Some((segment, rest)) => (segment, rest.get(1..)),
        None => (path, None),
    }
}

/// The length in bytes of the first `segments` segments of a raw path, each with its leading slash.
pub(super) fn raw_length(raw: &str, segments: usize) -> usize {
    raw.match_indices('/').nth(segments).map_or(raw.len(), |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_without_escapes_is_borrowed() {
        assert!(matches!(decode("/plain/path"), Cow::Borrowed(b"/plain/path")));
    }

    #[test]
    fn escapes_are_decoded_and_invalid_ones_kept() {
        for (raw, decoded) in [
            ("/%61pi", &b"/api"[..]),
            ("/caf%C3%a9", "/café".as_bytes()),
            ("/%", b"/%"),
            ("/%2", b"/%2"),
            ("/%zz%41", b"/%zzA"),
            ("/%%41", b"/%A"),
            ("/%2541", b"/%41"),
            ("/a%2Fb", b"/a\xFFb"),
            ("/a%2fb", b"/a\xFFb"),
            ("/%FF", b"/\xFE"),
            ("/%00", b"/\0"),
        ] {
            assert_eq!(decode(raw).as_ref(), decoded, "{raw}");
        }
    }

    #[test]
    fn an_expression_sees_text() {
        for (raw, text) in [("/caf%C3%A9", "/café"), ("/a%2Fb%2f", "/a%2Fb%2F"), ("/%FF%FE", "/\u{FFFD}\u{FFFD}")] {
            assert_eq!(as_text(&decode(raw)), text, "{raw}");
        }
    }

    #[test]
    fn segments_are_cut_at_every_slash() {
        assert_eq!(split_segment(b"a/b"), (&b"a"[..], Some(&b"b"[..])));
        assert_eq!(split_segment(b"a/"), (&b"a"[..], Some(&b""[..])));
        assert_eq!(split_segment(b"/a"), (&b""[..], Some(&b"a"[..])));
        assert_eq!(split_segment(b"a"), (&b"a"[..], None));
        assert_eq!(split_segment(b""), (&b""[..], None));
    }

    #[test]
    fn the_raw_length_of_a_prefix_counts_its_escapes() {
        assert_eq!(raw_length("/%61pi/x", 1), 6);
        assert_eq!(raw_length("/api", 1), 4);
        assert_eq!(raw_length("/api/v%31/x/y", 2), 9);
        assert_eq!(raw_length("/x", 0), 0);
    }
}
