//! The older header fields of proxies: `X-Forwarded-For`, `-Proto`, `-Host`, `-Port` and `-Prefix`.
//!
//! `Forwarded` has most of this in one field. Here each field is its own list, and a proxy may append to one and
//! replace another. The value of a hop is at the same position from the right as that hop. If the list is too short,
//! the leftmost value counts.
//!
//! Spec: none; what nginx, `HAProxy`, Traefik and cloud load balancers send.

use http::header::{HeaderMap, HeaderName};

use super::node::Hop;
use super::prefix::parse_prefix;
use super::said::{ForwardedInfo, Trusted, Way, parse_host, parse_scheme};
use super::trust::Trust;

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

/// What the fields of a request from a trusted proxy say.
pub(super) fn read<'a>(headers: &'a HeaderMap, trust: &Trust) -> ForwardedInfo<'a> {
    let mut said = ForwardedInfo::default();
    let mut way = Way::default();
    let mut hops = 0;
    for entry in from_right(headers, &FOR) {
        let hop = std::str::from_utf8(entry).ok().and_then(Hop::parse);
        if hop.is_none() {
            said.unreadable = Some("X-Forwarded-For");
        }
        if way.pass(hop, trust) == Trusted::Ends {
            break;
        }
        hops += 1;
    }
    said.client = way.client;
    let mut unreadable = said.unreadable;
    let mut field = ForwardedField { headers, hops, unreadable: &mut unreadable };
    said.scheme = field.read(&PROTO, "X-Forwarded-Proto", parse_scheme);
    said.host = field.read(&HOST, "X-Forwarded-Host", |text| parse_host(text.into()));
    said.port = field.read(&PORT, "X-Forwarded-Port", |text| text.parse().ok().filter(|&port: &u16| port > 0));
    said.prefix = field.read(&PREFIX, "X-Forwarded-Prefix", parse_prefix);
    said.unreadable = unreadable;
    said
}

struct ForwardedField<'a, 'told> {
    headers: &'a HeaderMap,
    /// The position of the outermost trusted hop, counted from the right.
    hops: usize,
    unreadable: &'told mut Option<&'static str>,
}

impl<'a> ForwardedField<'a, '_> {
    fn read<Value>(
        &mut self,
        name: &HeaderName,
        shown: &'static str,
        parse: impl FnOnce(&'a str) -> Option<Value>,
    ) -> Option<Value> {
        let entry = from_right(self.headers, name).take(self.hops + 1).last()?;
        let value = std::str::from_utf8(entry).ok().and_then(parse);
        if value.is_none() {
            *self.unreadable = Some(shown);
        }
        value
    }
}

/// The entries of a list over all its lines, last first, without empty ones.
///
/// Entries are bytes, so that invalid text of the client before a comma does not make the proxy's text after it
/// unreadable.
fn from_right<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    let lines = headers.get_all(name).into_iter().rev();
    let entries = lines.flat_map(|line| line.as_bytes().rsplit(|&byte| byte == b','));
    entries.map(<[u8]>::trim_ascii).filter(|entry| !entry.is_empty())
}
