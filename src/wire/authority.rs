//! Checks `host[:port]`, from a `Host` field, `:authority`, or an absolute-form target.
//!
//! It is stricter than the grammar of URIs on purpose. A name has only letters, digits, `-`, `.`, `_` and `~`.
//! Applications build links from it, so it must not contain a list, a path, a user name or a percent sign.
//!
//! Spec: RFC 9110 4.2 and 7.2, RFC 9112 3.2, RFC 3986 3.2.2.

use std::net::Ipv6Addr;

use super::byte_table::ByteTable;

static NAME: ByteTable = ByteTable::of(b"-._~");

/// Whether `bytes` is one host with at most one port.
pub fn is_authority(bytes: &[u8]) -> bool {
    if let Some(rest) = bytes.strip_prefix(b"[") {
        return is_bracketed(rest);
    }
    let end = bytes.iter().position(|&byte| !NAME.has(byte)).unwrap_or(bytes.len());
    end > 0 && bytes.get(end..).is_some_and(is_port)
}

/// Checks an IPv6 address and its port. `rest` is what follows the opening bracket.
fn is_bracketed(rest: &[u8]) -> bool {
    let Some((address, port)) = memchr::memchr(b']', rest).and_then(|close| rest.split_at_checked(close)) else {
        return false;
    };
    let address = std::str::from_utf8(address).ok().and_then(|text| text.parse::<Ipv6Addr>().ok());
    address.is_some() && port.strip_prefix(b"]").is_some_and(is_port)
}

/// Accepts nothing, or a colon and a number, which may be missing: RFC 3986 has `*DIGIT`.
fn is_port(port: &[u8]) -> bool {
    match port {
        [] => true,
        [b':', digits @ ..] if digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit) => {
            let number = digits.iter().fold(0_u32, |number, digit| number * 10 + u32::from(digit - b'0'));
            u16::try_from(number).is_ok()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_authority;

    #[test]
    fn hosts_with_and_without_a_port() {
        for good in ["example.com", "a_b.example", "127.0.0.1:8000", "[::1]", "[::1]:80", "localhost:", "x:65535"] {
            assert!(is_authority(good.as_bytes()), "{good}");
        }
    }

    #[test]
    fn anything_else() {
        for bad in [
            "",
            ":80",
            "a b",
            "a,b",
            "a, b",
            "user@host",
            "host/path",
            "a:b",
            "a:65536",
            "a:1:2",
            "a%41",
            "[::1",
            "::1",
            "[::1]x",
            "[nope]",
            "a?b",
            "a#b",
            "h\u{e9}",
            "a\\b",
            "[]",
            "a;b",
        ] {
            assert!(!is_authority(bad.as_bytes()), "{bad}");
        }
    }
}
