//! Finds the bucket of a client: one of 10,000.
//!
//! `share` compares buckets with shares. The bucket of a client must never change: it is the same in every worker, on every
//! machine and after every update. So this file has its own hash function, and a test pins its results.
//!
//! Spec: RFC 6265 4.2.1 (`Cookie`), RFC 4291 2.5.4 (a /64 is one link).

use std::net::{IpAddr, Ipv6Addr};

use rsgi_bridge::request::fields::RequestFields;

/// The number of buckets. A share of 5 % has the first 500 of them.
pub const BUCKETS: u16 = 10_000;

/// The cookie that holds the bucket.
pub const BUCKET_COOKIE: &str = "rsgi_bucket";

/// The bucket in the client's cookie. Any value that rsgi would not write is ignored.
pub(super) fn brought(fields: &RequestFields) -> Option<u16> {
    cookies(fields, BUCKET_COOKIE.as_bytes()).find_map(parse)
}

/// The values of the cookies with this name, in their order. Quotes are part of a value.
pub(super) fn cookies<'a>(fields: &'a RequestFields, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    fields.all("cookie").flat_map(move |rest| Cookies { rest, name })
}

/// The cookies of one header line. It searches for semicolons, because a line can be long.
struct Cookies<'a> {
    rest: &'a [u8],
    name: &'a [u8],
}

impl<'a> Iterator for Cookies<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.rest.is_empty() {
            let end = memchr::memchr(b';', self.rest).unwrap_or(self.rest.len());
            let (pair, rest) = self.rest.split_at_checked(end)?;
            self.rest = rest.get(1..).unwrap_or_default();
            let named = pair.trim_ascii_start().strip_prefix(self.name);
            if let Some(value) = named.and_then(|after| after.trim_ascii_start().strip_prefix(b"=")) {
                return Some(value.trim_ascii());
            }
        }
        None
    }
}

/// A number below 10,000 without a sign and without leading zeros.
fn parse(value: &[u8]) -> Option<u16> {
    if value.len() > 4 || !matches!(value, [b'0'] | [b'1'..=b'9', ..]) || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(value.iter().fold(0, |number, digit| number * 10 + u16::from(digit - b'0')))
}

/// The bucket of an address. Of an IPv6 address, only the /64 counts, because clients change the rest.
pub(super) fn of_address(address: &str) -> Option<u16> {
    let text = match address.parse::<IpAddr>().ok()?.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).to_string()
        }
    };
    Some(of_text(text.as_bytes()))
}

/// The bucket of any text: 64-bit FNV-1a, then `fmix64` of `MurmurHash3`, because FNV alone spreads short, similar
/// texts badly.
pub(super) fn of_text(text: &[u8]) -> u16 {
    let mut hash: u64 = 0xCBF2_9CE4_8422_2325;
    for byte in text {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xC4CE_B9FE_1A85_EC53);
    hash ^= hash >> 33;
    u16::try_from(hash % u64::from(BUCKETS)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot make its fields should fail")]
    use super::*;

    fn cookie(lines: &[&str]) -> Option<u16> {
        brought(&lines.iter().map(|line| ("cookie", *line)).collect())
    }

    #[test]
    fn only_what_we_write_is_a_bucket() {
        for (value, bucket) in [("0", Some(0)), ("7", Some(7)), ("500", Some(500)), ("9999", Some(9999))] {
            assert_eq!(cookie(&[&format!("rsgi_bucket={value}")]), bucket);
        }
        for forged in
            ["", "10000", "65536", "-1", "+1", "007", "00", "1e3", "0x1", "1 2", "\"7\"", "7,8", "99999999999"]
        {
            assert_eq!(cookie(&[&format!("rsgi_bucket={forged}")]), None, "{forged}");
        }
        assert_eq!(cookie(&["a=1;rsgi_bucket=12; b=2"]), Some(12));
        assert_eq!(cookie(&["a=1", "rsgi_bucket=x; rsgi_bucket=34"]), Some(34), "the first that is one");
        assert_eq!(cookie(&["Rsgi_bucket=1; xrsgi_bucket=2; rsgi_bucket"]), None);
    }

    #[test]
    fn the_hash_is_what_it_always_was() {
        let pinned = [("", 4342), ("a", 8315), ("user-1", 5477), ("user-2", 2635), ("192.0.2.7", 2718), ("é", 2043)];
        let found = pinned.map(|(text, _)| (text, of_text(text.as_bytes())));
        assert_eq!(found, pinned);
    }

    #[test]
    fn an_address_counts_whatever_its_form() {
        assert_eq!(of_address("192.0.2.7"), Some(of_text(b"192.0.2.7")));
        assert_eq!(of_address("::ffff:192.0.2.7"), of_address("192.0.2.7"));
        assert_eq!(of_address("2001:db8:1:2:3:4:5:6"), Some(of_text(b"2001:db8:1:2::")));
        assert_eq!(of_address("2001:DB8:1:2::1"), of_address("2001:db8:1:2:ffff::"));
        assert_ne!(of_address("2001:db8:1:3::1"), of_address("2001:db8:1:2::1"));
        assert_eq!(of_address("/run/socket"), None);
    }

    #[test]
    fn buckets_are_filled_evenly() {
        let mut parts = [0_u32; 10];
        for number in 0..100_000 {
            let bucket = of_text(format!("user-{number}").as_bytes());
            *parts.get_mut(usize::from(bucket / 1000)).unwrap() += 1;
        }
        assert!(parts.iter().all(|count| (9_600..10_400).contains(count)), "{parts:?}");
    }
}
