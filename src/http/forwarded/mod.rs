//! Replaces the data of the connection by what a trusted proxy says about the client, once, before anything reads the
//! request.
//!
//! After that, the head looks as if the client had connected directly. Rules, applications and logs do not know about
//! proxies. The parsers have no I/O. In reading order: `node` (one hop), `trust` (trusted proxies), `said` (the way
//! through the hops), `customary` (`X-Forwarded-*`), `standard` (`Forwarded`), `prefix` (`--root-path`), this file (the
//! result), `memo` (the same fields again).
//!
//! Spec: RFC 7239; PEP 3333 "URL Reconstruction"; ASGI HTTP 2.5 (`client`, `server`, `scheme`, `root_path`).

mod customary;
#[cfg(any(test, fuzzing))]
#[allow(clippy::indexing_slicing, reason = "only tests see it")]
pub mod fuzzing;
mod memo;
mod node;
mod prefix;
mod said;
mod standard;
#[cfg(test)]
mod tests;
mod trust;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::header::HeaderValue;
use rsgi_bridge::request::fields::RequestFields;

use crate::config::settings::Settings;
use crate::config::startup_error::StartupError;
use crate::request::head::{Peer, RequestHead};
use crate::route::Scheme;
use memo::HeadOutcome;
pub use memo::Memo;
use prefix::{parse_prefix, put_under};
use said::ForwardedInfo;
use trust::Trust;

/// The proxies in front of this server.
#[derive(Debug)]
pub struct Proxies {
    trust: Trust,
    root_path: String,
    /// Whether trusted proxies start each connection with a PROXY header.
    introduced: bool,
    told_contradiction: AtomicBool,
    told_unreadable: AtomicBool,
}

impl Proxies {
    /// Whether proxies are named, so that only those are trusted.
    pub fn is_choosy(&self) -> bool {
        !self.trust.is_empty()
    }

    /// From the settings; `None` if there are no proxies and no root path.
    ///
    /// # Errors
    /// What is wrong with the settings, and how to correct it.
    pub fn new(settings: &Settings) -> Result<Option<Self>, StartupError> {
        let trust = Trust::parse(&settings.trust_proxy).map_err(|item| {
            StartupError::new(
                format!("`{item}` is not a proxy"),
                "name an address, a network such as 10.0.0.0/8, `unix` or `*`",
            )
        })?;
        let root_path = settings.root_path.as_deref().unwrap_or("/");
        let root_path = parse_prefix(root_path).ok_or_else(|| {
            StartupError::new(
                format!("`{root_path}` is not a valid root path"),
                "write it as in a URL, for example `--root-path /app`",
            )
        })?;
        let (introduced, root_path) = (settings.proxy_protocol, root_path.to_owned());
        if introduced && trust.is_empty() {
            return Err(StartupError::new(
                "`--proxy-protocol` is set, but no proxy is trusted",
                "also set the addresses of the proxies: `--trust-proxy 10.0.0.0/8`",
            ));
        }
        let (told_contradiction, told_unreadable) = (AtomicBool::new(false), AtomicBool::new(false));
        let nothing = trust.is_empty() && root_path.is_empty();
        Ok((!nothing).then_some(Self { trust, root_path, introduced, told_contradiction, told_unreadable }))
    }

    /// Whether this address is a trusted proxy. `None` is a Unix socket.
    pub fn trusts(&self, address: Option<IpAddr>) -> bool {
        self.trust.includes(address)
    }

    /// Whether this connection has to start with a PROXY header.
    pub fn introduces(&self, peer: &Peer) -> bool {
        self.introduced && peer.trusted
    }

    /// Changes a head as if the client had connected directly. `memo` belongs to the connection.
    pub fn apply(&self, head: &mut RequestHead, memo: &Memo) {
        if !head.peer.trusted {
            head.root = put_under(&mut head.parts.uri, &self.root_path);
            return;
        }
        let HeadOutcome { peer, host, prefix } = memo.recall(&head.parts.fields).unwrap_or_else(|| {
            let outcome = self.outcome(&head.peer, &head.parts.fields);
            memo.keep(&head.parts.fields, &outcome);
            outcome
        });
        head.root = put_under(&mut head.parts.uri, prefix.as_deref().unwrap_or(&self.root_path));
        if let Some(peer) = peer {
            head.peer = peer;
        }
        if let Some(host) = host {
            head.parts.fields.set("host", host.as_bytes());
        }
    }

    fn outcome(&self, peer: &Arc<Peer>, fields: &RequestFields) -> HeadOutcome {
        let said = self.read(fields);
        let prefix = said.prefix.map(Arc::from);
        let (peer, host) = seen_from_outside(peer, said, fields);
        HeadOutcome { peer: peer.map(Arc::new), host, prefix }
    }

    fn read<'a>(&self, fields: &'a RequestFields) -> ForwardedInfo<'a> {
        let (said, contradicts) = read(fields, &self.trust);
        if contradicts && !self.told_contradiction.swap(true, Ordering::Relaxed) {
            crate::log::line(format_args!(
                "warning: a proxy sends `Forwarded` and `X-Forwarded-…` that contradict each other; `Forwarded` wins (make \
                 the proxy remove the one that it does not write; logged once)"
            ));
        }
        if let Some(field) = said.unreadable
            && !self.told_unreadable.swap(true, Ordering::Relaxed)
        {
            crate::log::line(format_args!(
                "warning: a proxy sends a `{field}` that cannot be parsed; it is ignored (logged once)"
            ));
        }
        said
    }
}

/// What trusted proxies say, and whether the two kinds of fields contradict each other. `Forwarded` wins.
fn read<'a>(fields: &'a RequestFields, trust: &Trust) -> (ForwardedInfo<'a>, bool) {
    let (standard, customary) = (standard::read(fields, trust), customary::read(fields, trust));
    let contradicts = standard.contradicts(&customary);
    let said = ForwardedInfo {
        client: standard.client.or(customary.client),
        scheme: standard.scheme.or(customary.scheme),
        // `X-Forwarded-Port` does not belong to a host from `Forwarded`.
        port: customary.port.filter(|_| standard.host.is_none()),
        host: standard.host.or(customary.host),
        prefix: customary.prefix,
        unreadable: standard.unreadable.or(customary.unreadable),
    };
    (said, contradicts)
}

/// Client, server and `Host` field as the outermost proxy saw them; `None` for what does not change.
fn seen_from_outside(
    peer: &Arc<Peer>,
    said: ForwardedInfo<'_>,
    fields: &RequestFields,
) -> (Option<Peer>, Option<HeaderValue>) {
    let scheme = said.scheme.unwrap_or(peer.scheme());
    let own = fields.text("host");
    let named = said.host.as_deref();
    let server = (named.is_some() || said.port.is_some()).then(|| {
        let (name, own_port) = split_port(named.or(own).unwrap_or_default());
        // `X-Forwarded-Port` wins over the port in a `Host` field that the proxy did not change.
        (name, if named.is_some() { own_port.or(said.port) } else { said.port })
    });
    if said.client.is_none() && said.scheme.is_none() && server.is_none() {
        return (None, None);
    }
    let client = said.client.map(|(address, port)| (shown(address), port));
    let (host, server) = match server {
        Some((name, port)) => (host_field(named, name, port, scheme), Some((name, port.unwrap_or(scheme.port())))),
        None => (None, None),
    };
    let name = |name: &str| match (name, &peer.server) {
        ("", Some((address, _))) => address.clone(),
        _ => name.trim_start_matches('[').trim_end_matches(']').to_owned(),
    };
    let fresh = Peer {
        client: client.or_else(|| peer.client.clone()),
        unix_path: peer.unix_path.clone().filter(|_| server.is_none()),
        server: server.map(|(host, port)| (name(host), port)).or_else(|| peer.server.clone()),
        forwarded: Some(scheme),
        connection: Some(Arc::clone(peer)),
        ..Peer::default()
    };
    (Some(fresh), host)
}

/// An IP address as text. For IPv4 this is faster than the standard library, which would take longer than the rest of
/// this file.
fn shown(address: IpAddr) -> String {
    let IpAddr::V4(address) = address else { return address.to_string() };
    let mut text = String::with_capacity(15);
    for (place, octet) in address.octets().into_iter().enumerate() {
        if place > 0 {
            text.push('.');
        }
        text.push_str(itoa::Buffer::new().format(octet));
    }
    text
}

/// The new `Host` field. The default port of the scheme is left out, as browsers do.
fn host_field(named: Option<&str>, name: &str, port: Option<u16>, scheme: Scheme) -> Option<HeaderValue> {
    let text = match (named, port) {
        (Some(named), _) if split_port(named).1.is_some() => named.to_owned(),
        (_, Some(port)) if port != scheme.port() => format!("{name}:{port}"),
        _ => name.to_owned(),
    };
    // Without a host, add no field, because HTTP/1.0 needs none.
    if name.is_empty() { None } else { HeaderValue::try_from(text).ok() }
}

/// Splits `host:port`. An IPv6 address keeps its brackets.
fn split_port(host: &str) -> (&str, Option<u16>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, port.parse().ok()),
        _ => (host, None),
    }
}
