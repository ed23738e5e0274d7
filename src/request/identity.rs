//! The id of a request, and the id of the trace that it belongs to. Also draws the random bucket of a new client.
//!
//! Head, response and log lines have the same id. Whether a client may choose it is decided here.
//!
//! Spec: W3C Trace Context 1 ("traceparent Header").

use http::{HeaderName, HeaderValue};
use rsgi_bridge::request::fields::RequestFields;

use crate::request::head::RequestHead;
use crate::route::BUCKETS;

/// The longest id that is taken from a client.
const LONGEST: usize = 128;

/// Gives the request an id, in the field `name` and in the head. The id of the client is used if the client is
/// `believed`.
pub fn give(name: &HeaderName, head: &mut RequestHead, believed: bool) {
    let id = taken(name, head).filter(|_| believed).unwrap_or_else(made);
    head.parts.fields.set(name.as_str(), id.as_bytes());
    head.request_id = Some(id);
}

/// The id that the client has sent, if it is valid.
fn taken(name: &HeaderName, head: &RequestHead) -> Option<HeaderValue> {
    let mut given = head.parts.fields.all(name.as_str());
    let (id, more) = (given.next()?, given.next());
    if more.is_none() && is_id(id) { HeaderValue::from_bytes(id).ok() } else { None }
}

fn is_id(text: &[u8]) -> bool {
    let safe = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-:+/=@".contains(byte);
    (1..=LONGEST).contains(&text.len()) && text.iter().all(safe)
}

/// 128 random bits as hexadecimal digits.
pub fn made() -> HeaderValue {
    let mut bits = [0; 16];
    if getrandom::fill(&mut bits).is_err() {
        return HeaderValue::from_static("no-random-numbers");
    }
    let text = format!("{:032x}", u128::from_be_bytes(bits));
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("-"))
}

/// A random bucket for a client that has none.
pub fn bucket() -> u16 {
    // Without random numbers, uses the bucket that is in the fewest shares.
    let Ok(bits) = getrandom::u32() else { return BUCKETS - 1 };
    let bucket = (u64::from(bits) * u64::from(BUCKETS)) >> 32;
    u16::try_from(bucket).unwrap_or(BUCKETS - 1)
}

/// The id of the trace that `traceparent` names.
pub fn trace_id(fields: &RequestFields) -> Option<&str> {
    let mut given = fields.all("traceparent");
    let (parent, more) = (std::str::from_utf8(given.next()?).ok()?, given.next());
    let mut parts = parent.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let zero = |text: &str| text.bytes().all(|byte| byte == b'0');
    let whole = hex(version, 2) && hex(trace, 32) && hex(span, 16) && hex(flags, 2);
    // Later versions may have more parts.
    let ends = version != "00" || parts.next().is_none();
    (more.is_none() && whole && ends && version != "ff" && !zero(trace) && !zero(span)).then_some(trace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_short_and_of_safe_characters() {
        for (id, good) in [
            (&b"a"[..], true),
            (b"Root=1-67891233-abcdef012345678912345678", true),
            (&[b'x'; 128], true),
            (&[b'x'; 129], false),
            (b"", false),
            (b"a b", false),
            (b"a\"b", false),
            (b"a\xe9", false),
        ] {
            assert_eq!(is_id(id), good, "{id:?}");
        }
    }

    #[test]
    fn an_id_that_is_made_is_hexadecimal_and_another_each_time() {
        let (one, other) = (made(), made());
        assert_eq!(one.len(), 32);
        assert!(one.as_bytes().iter().all(u8::is_ascii_hexdigit));
        assert_ne!(one, other);
    }

    #[test]
    fn a_trace_is_taken_from_a_whole_traceparent_only() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        for (parent, good) in [
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true),
            ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes", true),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", false),
            ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false),
            ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", false),
            ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736", false),
            ("", false),
        ] {
            let fields: RequestFields = [("traceparent", parent)].into_iter().collect();
            assert_eq!(trace_id(&fields), good.then_some(trace), "{parent}");
        }
    }
}
