//! What proxies say about one request, and the way from hop to hop that both kinds of fields share.
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

/// What trusted proxies say of a request, each of it as the outermost of them saw it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ForwardedInfo<'a> {
    /// The client, with a port if it is known, else 0.
    pub client: Option<(IpAddr, u16)>,
    /// How it came.
    pub scheme: Option<Scheme>,
    /// What it called us: `host[:port]`.
    pub host: Option<Cow<'a, str>>,
    /// The port that it came to.
    pub port: Option<u16>,
    /// The part of the path that leads to us, without a slash at its end.
    pub prefix: Option<&'a str>,
    /// A field that counts and cannot be read.
    pub unreadable: Option<&'static str>,
}

impl ForwardedInfo<'_> {
    /// Whether two kinds of fields tell two stories.
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
    /// It is the client, or nobody knows who it is.
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

/// `http` or `https`, or what a WebSocket calls them.
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

/// A host as it may stand in a `Host` field.
pub(super) fn parse_host(text: Cow<'_, str>) -> Option<Cow<'_, str>> {
    is_authority(text.as_bytes()).then_some(text)
}
