//! What proxies say about one request, and how both kinds of fields are followed from hop to hop.
//!
//! A list is read from the right. The sender of the request wrote the last entry. It counts if the sender is a trusted
//! proxy. The entry before it counts if the last entry names a trusted proxy too, and so on. Anybody may have written the
//! entries to the left of that.

use std::borrow::Cow;
use std::net::IpAddr;

use super::node::Hop;
use super::trust::Trust;
use crate::route::Scheme;
use crate::wire::is_authority;

/// What trusted proxies say about a request, as the outermost of them saw it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ForwardedInfo<'a> {
    /// The client. The port is 0 if it is unknown.
    pub client: Option<(IpAddr, u16)>,
    /// The scheme that the client used.
    pub scheme: Option<Scheme>,
    /// The host that the client asked for: `host[:port]`.
    pub host: Option<Cow<'a, str>>,
    /// The port that the client connected to.
    pub port: Option<u16>,
    /// The part of the path that leads to this server, without a slash at its end.
    pub prefix: Option<&'a str>,
    /// The name of a field that counts but cannot be parsed.
    pub unreadable: Option<&'static str>,
}

impl ForwardedInfo<'_> {
    /// Whether two kinds of fields contradict each other.
    pub(super) fn contradicts(&self, other: &Self) -> bool {
        let address = |said: &Self| said.client.map(|(address, _)| address);
        differ(address(self), address(other))
            || differ(self.scheme, other.scheme)
            || differ(
                self.host.as_ref().map(|host| host.to_ascii_lowercase()),
                other.host.as_ref().map(|host| host.to_ascii_lowercase()),
            )
    }
}

fn differ<Value: PartialEq>(one: Option<Value>, other: Option<Value>) -> bool {
    one.is_some() && other.is_some() && one != other
}

/// The way along a list of hops, from the right.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Way {
    /// The outermost address so far.
    pub client: Option<(IpAddr, u16)>,
}

/// Whether the entry before this one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trusted {
    /// This hop is a trusted proxy.
    Further,
    /// It is the client, or it is unknown.
    Ends,
}

impl Way {
    /// Passes one hop.
    pub(super) fn pass(&mut self, hop: Option<Hop>, trust: &Trust) -> Trusted {
        if let Some(Hop::Address(address, port)) = hop {
            self.client = Some((address, port));
        }
        if hop.is_some_and(|hop| trust.includes_node(hop)) { Trusted::Further } else { Trusted::Ends }
    }
}

/// Parses `http`, `https`, and their names for WebSockets.
pub(super) fn parse_scheme(text: &str) -> Option<Scheme> {
    let is = |name: &str| text.eq_ignore_ascii_case(name);
    if is("https") || is("wss") {
        Some(Scheme::Https)
    } else if is("http") || is("ws") {
        Some(Scheme::Http)
    } else {
        None
    }
}

/// Checks that a host is valid in a `Host` field.
pub(super) fn parse_host(text: Cow<'_, str>) -> Option<Cow<'_, str>> {
    is_authority(text.as_bytes()).then_some(text)
}
