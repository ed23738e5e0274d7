//! The older header fields of proxies: `X-Forwarded-For`, `-Proto`, `-Host`, `-Port` and `-Prefix`.
//!
//! `Forwarded` has most of this in one field. Here each field is its own list, and a proxy may append to one and
//! replace another. The value of a hop is at the same position from the right as that hop. If the list is too short,
//! the leftmost value counts.
//!
//! Spec: none; what nginx, `HAProxy`, Traefik and cloud load balancers send.

use rsgi_bridge::request::fields::RequestFields;

use super::node::Hop;
use super::prefix::parse_prefix;
use super::said::{ForwardedInfo, Trusted, Way, parse_host, parse_scheme};
use super::trust::Trust;

const FOR: &str = "x-forwarded-for";
const PROTO: &str = "x-forwarded-proto";
const HOST: &str = "x-forwarded-host";
const PORT: &str = "x-forwarded-port";
const PREFIX: &str = "x-forwarded-prefix";

/// What the fields of a request from a trusted proxy say.
pub(super) fn read<'a>(fields: &'a RequestFields, trust: &Trust) -> ForwardedInfo<'a> {
    let mut said = ForwardedInfo::default();
    let mut way = Way::default();
    let mut hops = 0;
    for entry in from_right(fields, FOR) {
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
    let mut field = ForwardedField { fields, hops, unreadable: &mut unreadable };
    said.scheme = field.read(PROTO, "X-Forwarded-Proto", parse_scheme);
    said.host = field.read(HOST, "X-Forwarded-Host", |text| parse_host(text.into()));
    said.port = field.read(PORT, "X-Forwarded-Port", |text| text.parse().ok().filter(|&port: &u16| port > 0));
    said.prefix = field.read(PREFIX, "X-Forwarded-Prefix", parse_prefix);
    said.unreadable = unreadable;
    said
}

struct ForwardedField<'a, 'told> {
    fields: &'a RequestFields,
    /// The position of the outermost trusted hop, counted from the right.
    hops: usize,
    unreadable: &'told mut Option<&'static str>,
}

impl<'a> ForwardedField<'a, '_> {
    fn read<Value>(
        &mut self,
        name: &'static str,
        shown: &'static str,
        parse: impl FnOnce(&'a str) -> Option<Value>,
    ) -> Option<Value> {
        let entry = from_right(self.fields, name).take(self.hops + 1).last()?;
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
fn from_right<'a>(fields: &'a RequestFields, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    let entries = fields.all(name).rev().flat_map(|line| line.rsplit(|&byte| byte == b','));
    entries.map(<[u8]>::trim_ascii).filter(|entry| !entry.is_empty())
}
