//! One hop of a list: `192.0.2.1`, `192.0.2.1:47011`, `[2001:db8::1]:80`, `fe80::1%eth0`, `unknown`, `_hidden`.
//!
//! `X-Forwarded-For` and `Forwarded` use nearly the same form. The deviations of each are accepted in both.
//!
//! Spec: RFC 7239 6; RFC 4007 11.2 and RFC 6874 (zones).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a hop is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hop {
    /// An address and a port. The port is 0 if it is missing or obfuscated.
    Address(IpAddr, u16),
    /// A Unix socket, in the form that nginx writes.
    Unix,
    /// A hop that does not tell its address.
    Hidden,
}

impl Hop {
    /// Reads what a proxy wrote; `None` if it is not a valid node.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "unix:" => return Some(Self::Unix),
            "unknown" => return Some(Self::Hidden),
            _ => {}
        }
        if let Some(rest) = text.strip_prefix('[') {
            let (address, port) = rest.split_once(']')?;
            let port = if port.is_empty() { 0 } else { parse_port(port.strip_prefix(':')?)? };
            return Some(Self::Address(parse_ipv6(address)?.into(), port));
        }
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Some(Self::Address(address.into(), 0));
        }
        if let Some(address) = parse_ipv6(text) {
            return Some(Self::Address(address.into(), 0));
        }
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (host, parse_port(port)?),
            None => (text, 0),
        };
        if host.eq_ignore_ascii_case("unknown") || is_obfuscated(host) {
            return Some(Self::Hidden);
        }
        host.parse::<Ipv4Addr>().ok().map(|address| Self::Address(address.into(), port))
    }
}

/// Accepts an address with a zone and drops the zone, which has a meaning only on the proxy's machine.
fn parse_ipv6(text: &str) -> Option<Ipv6Addr> {
    let (address, zone) = text.split_once('%').unwrap_or((text, "-"));
    let named = !zone.is_empty() && zone.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte));
    if named { address.parse().ok() } else { None }
}

fn parse_port(text: &str) -> Option<u16> {
    let digits = (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { is_obfuscated(text).then_some(0) }
}

fn is_obfuscated(text: &str) -> bool {
    let named = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    text.len() > 1 && text.starts_with('_') && text.bytes().all(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str, port: u16) -> Hop {
        Hop::Address(text.parse().unwrap(), port)
    }

    #[test]
    fn addresses_with_and_without_a_port() {
        for (text, expected) in [
            ("192.0.2.1", address("192.0.2.1", 0)),
            ("192.0.2.1:47011", address("192.0.2.1", 47011)),
            ("192.0.2.1:_p1", address("192.0.2.1", 0)),
            ("2001:db8::1", address("2001:db8::1", 0)),
            ("[2001:db8::1]", address("2001:db8::1", 0)),
            ("[::1]:80", address("::1", 80)),
            ("fe80::1%eth0", address("fe80::1", 0)),
            ("[fe80::1%25eth0]:8080", address("fe80::1", 8080)),
            ("unix:", Hop::Unix),
            ("unknown", Hop::Hidden),
            ("Unknown:80", Hop::Hidden),
            ("_hidden", Hop::Hidden),
            ("_SEVKISEK:_x", Hop::Hidden),
        ] {
            assert_eq!(Hop::parse(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_node() {
        for junk in [
            "",
            "_",
            "localhost",
            "1.2.3",
            "1.2.3.4.5",
            "01.2.3.4",
            "1.2.3.4:",
            "1.2.3.4:99999",
            "1.2.3.4:+80",
            "[::1",
            "[::1]80",
            "[1.2.3.4]",
            "::1]",
            "fe80::1%",
            "fe80::1%a b",
            "_a b",
            "1.2.3.4, 5.6.7.8",
            "<script>",
            "unix:/x",
            "\"::1\"",
        ] {
            assert_eq!(Hop::parse(junk), None, "{junk}");
        }
    }
}
