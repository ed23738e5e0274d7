//! The proxies that the operator trusts.
//!
//! They are compared with the address of each connection, and with each hop in a list.
//!
//! Spec: RFC 4632 3.1 and RFC 4291 2.3 (networks), 2.5.5.2 (IPv4 in IPv6).

use std::net::IpAddr;

use super::node::Hop;

/// The addresses, networks and kinds of sockets that trusted proxies come from.
#[derive(Debug, Default)]
pub struct Trust {
    networks: Vec<Network>,
    unix: bool,
    everyone: bool,
}

#[derive(Debug, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    length: u8,
}

impl Trust {
    /// Reads the operator's list: addresses, networks, `unix` and `*`.
    ///
    /// # Errors
    /// The item that is none of these.
    pub fn parse<Item: AsRef<str>>(items: &[Item]) -> Result<Self, String> {
        let mut trust = Self::default();
        for item in items {
            match item.as_ref() {
                "*" => trust.everyone = true,
                "unix" => trust.unix = true,
                text => trust.networks.push(Network::parse(text).ok_or_else(|| text.to_owned())?),
            }
        }
        Ok(trust)
    }

    /// Whether no proxy is trusted.
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty() && !self.unix && !self.everyone
    }

    /// Whether this address is a trusted proxy. `None` is a Unix socket.
    pub fn includes(&self, address: Option<IpAddr>) -> bool {
        self.everyone
            || match address {
                None => self.unix,
                Some(address) => self.networks.iter().any(|network| network.contains(address.to_canonical())),
            }
    }

    /// Whether a hop of a list is a trusted proxy. A hop that hides its address is not.
    pub(super) fn includes_node(&self, node: Hop) -> bool {
        match node {
            Hop::Address(address, _) => self.includes(Some(address)),
            Hop::Unix => self.includes(None),
            Hop::Hidden => false,
        }
    }
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length.parse::<u8>().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let whole = if address.is_ipv4() { 32 } else { 128 };
        let length = length.unwrap_or(whole);
        let network = Self { address, length };
        // With an address inside the network, it is unknown whether the address or the length is wrong.
        (length <= whole && bits(address) & !network.mask() == 0).then_some(network.canonical())
    }

    /// Converts a network of IPv4-mapped IPv6 addresses to IPv4, because such addresses are compared as IPv4.
    fn canonical(self) -> Self {
        let address = self.address.to_canonical();
        match (self.address, address, self.length.checked_sub(96)) {
            (IpAddr::V6(_), IpAddr::V4(_), Some(length)) => Self { address, length },
            _ => self,
        }
    }

    /// The mask of the upper `length` bits. [`bits`] puts IPv4 addresses into the upper bits as well.
    fn mask(&self) -> u128 {
        u128::MAX.checked_shl(128 - u32::from(self.length)).unwrap_or(0)
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4() && (bits(self.address) ^ bits(address)) & self.mask() == 0
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)) << 96,
        IpAddr::V6(address) => u128::from(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trusts(item: &str, address: &str) -> bool {
        Trust::parse(&[item]).unwrap().includes(Some(address.parse().unwrap()))
    }

    #[test]
    fn addresses_and_networks_of_both_kinds() {
        for (item, inside, outside) in [
            ("10.0.0.1", "10.0.0.1", "10.0.0.2"),
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("192.168.4.0/22", "192.168.7.255", "192.168.8.0"),
            ("::1", "::1", "::2"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("10.0.0.0/8", "::ffff:10.1.2.3", "::10.1.2.3"),
            ("::ffff:10.0.0.0/104", "10.1.2.3", "11.1.2.3"),
            ("::/0", "::1", "1.2.3.4"),
            ("0.0.0.0/0", "1.2.3.4", "::1"),
        ] {
            assert!(trusts(item, inside), "{inside} is in {item}");
            assert!(!trusts(item, outside), "{outside} is not in {item}");
        }
    }

    #[test]
    fn unix_sockets_and_everyone() {
        assert!(Trust::parse(&["unix"]).unwrap().includes(None));
        assert!(!Trust::parse(&["127.0.0.1"]).unwrap().includes(None));
        assert!(!trusts("unix", "127.0.0.1"));
        assert!(Trust::parse(&["*"]).unwrap().includes(None));
        assert!(trusts("*", "203.0.113.9"));
        assert!(!Trust::parse(&["*"]).unwrap().includes_node(Hop::Hidden));
    }

    #[test]
    fn what_is_no_network() {
        for bad in [
            "",
            "localhost",
            "10.0.0.0/33",
            "::/129",
            "10.1.2.3/8",
            "10.0.0.0/",
            "10.0.0.0/255.0.0.0",
            "10.0.0",
            "fe80::1%eth0",
            "**",
        ] {
            assert_eq!(Trust::parse(&[bad]).unwrap_err(), bad);
        }
    }
}
