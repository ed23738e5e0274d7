//! The field `Forwarded`: `for=192.0.2.1;proto=https;host=example.org, for="[2001:db8::1]:80"`.
//!
//! Elements are found from the right, including quoted strings. So a client that opens a quote and never closes it cannot
//! hide what the proxy has added.
//!
//! Spec: RFC 7239 4, 5, 6, 7.1; RFC 9110 5.6.1 (lists), 5.6.4 (quoted strings).

use std::borrow::Cow;

use rsgi_bridge::request::fields::RequestFields;

use super::node::Hop;
use super::said::{ForwardedInfo, Trusted, Way, parse_host, parse_scheme};
use super::trust::Trust;
use crate::route::Scheme;

/// The most pairs in one element. Four names have a meaning.
const MOST_PAIRS: usize = 16;

/// What the field of a request from a trusted proxy says.
pub(super) fn read<'a>(fields: &'a RequestFields, trust: &Trust) -> ForwardedInfo<'a> {
    let mut said = ForwardedInfo::default();
    let mut way = Way::default();
    let elements = fields.all("forwarded").rev().flat_map(|line| FromRight { rest: Some(line) });
    for element in elements.map(<[u8]>::trim_ascii).filter(|element| !element.is_empty()) {
        let Some(element) = Element::parse(element) else {
            said.unreadable = Some("Forwarded");
            break;
        };
        if element.unreadable {
            said.unreadable = Some("Forwarded");
        }
        said.scheme = element.scheme.or(said.scheme);
        said.host = element.host.or(said.host);
        if way.pass(element.node, trust) == Trusted::Ends {
            break;
        }
    }
    said.client = way.client;
    said
}

/// The elements of one line, last first.
struct FromRight<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Iterator for FromRight<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let line = self.rest.take()?;
        let mut quoted = false;
        for (at, byte) in line.iter().enumerate().rev() {
            match byte {
                b'"' if !(quoted && is_escaped(line, at)) => quoted = !quoted,
                b',' if !quoted => {
                    let (rest, element) = line.split_at_checked(at)?;
                    self.rest = Some(rest);
                    return element.get(1..);
                }
                _ => {}
            }
        }
        Some(line)
    }
}

/// Whether the byte at `at` follows an odd number of backslashes.
fn is_escaped(line: &[u8], at: usize) -> bool {
    let before = line.get(..at).unwrap_or_default();
    before.iter().rev().take_while(|&&byte| byte == b'\\').count() % 2 == 1
}

/// What one proxy wrote.
#[derive(Debug, Default)]
struct Element<'a> {
    node: Option<Hop>,
    scheme: Option<Scheme>,
    host: Option<Cow<'a, str>>,
    unreadable: bool,
}

impl<'a> Element<'a> {
    /// Returns `None` if the grammar is violated.
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = std::str::from_utf8(bytes).ok()?.trim_ascii();
        let mut element = Self::default();
        let mut seen: Vec<&str> = Vec::new();
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix(';') {
                rest = after.trim_ascii_start();
                continue;
            }
            let (name, after) = rest.split_once('=')?;
            let (value, after) = parse_value(after)?;
            let again = seen.iter().any(|earlier| earlier.eq_ignore_ascii_case(name));
            if again || !is_token(name) || seen.len() == MOST_PAIRS {
                return None;
            }
            seen.push(name);
            element.take(name, value);
            rest = after.trim_ascii_start();
            if !rest.is_empty() && !rest.starts_with(';') {
                return None;
            }
        }
        Some(element)
    }

    fn take(&mut self, name: &str, value: Cow<'a, str>) {
        let read = if name.eq_ignore_ascii_case("for") {
            self.node = Hop::parse(&value);
            self.node.is_some()
        } else if name.eq_ignore_ascii_case("proto") {
            self.scheme = parse_scheme(&value);
            self.scheme.is_some()
        } else if name.eq_ignore_ascii_case("host") {
            self.host = parse_host(value);
            self.host.is_some()
        } else {
            // `by`, and names that may be defined later.
            true
        };
        self.unreadable |= !read;
    }
}

/// Splits off a value. Addresses with a colon should be quoted, but often are not.
fn parse_value(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(';').unwrap_or(text.len());
        let (value, after) = text.split_at_checked(end)?;
        let value = value.trim_ascii_end();
        let plain =
            !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'=');
        return plain.then_some((value.into(), after));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => {
                let after = quoted.get(at + 1..)?;
                // Without escapes, no copy is needed.
                let whole = quoted.get(..at)?;
                let value = if whole == value { Cow::Borrowed(whole) } else { Cow::Owned(value) };
                return Some((value, after));
            }
            '\\' => value.push(characters.next()?.1),
            character => value.push(character),
        }
    }
    None
}

fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}
