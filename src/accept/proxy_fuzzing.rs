//! What the fuzz target `proxy` does: a PROXY header is read to its last byte, and version 1 also by a second reading.

use std::net::{IpAddr, SocketAddr};

use super::{Announced, Unknown, parse, read};
use crate::wire::fuzzing::{Pieces, cuts};

/// Reads a header and what follows it, in pieces.
///
/// # Panics
/// When it depends on the pieces, when bytes are lost, or when the second reading differs.
pub fn proxy(data: &[u8]) {
    let (cuts, bytes) = cuts(data);
    let whole = header(bytes, &[]);
    assert_eq!(header(bytes, &cuts), whole, "{} cut at {cuts:?}", bytes.escape_ascii());
    let Some(header) = whole else { return };
    assert!(bytes.starts_with(&header));
    let announced = parse(&header);
    if header.starts_with(b"PROXY ") {
        assert!(header.len() <= super::LONGEST_LINE && header.ends_with(b"\r\n"));
        if let Some(Announced::Of(ends)) = &announced {
            assert_eq!(Some((ends.client, ends.server)), named(&header), "{}", header.escape_ascii());
            assert!(!ends.encrypted);
        }
    }
}

/// A whole header; `None` if the bytes do not begin with one.
fn header(bytes: &[u8], cuts: &[usize]) -> Option<Vec<u8>> {
    let mut header = Vec::new();
    match futures::executor::block_on(read(&mut Pieces::new(bytes, cuts), &mut header)) {
        Ok(true) => Some(header),
        Ok(false) | Err(Unknown::Wrong(_) | Unknown::Silent) => None,
    }
}

/// The addresses of a line of version 1.
fn named(line: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    let words: Vec<&str> = std::str::from_utf8(line).ok()?.trim_end_matches("\r\n").split(' ').collect();
    let [_, family, client, server, from, to] = words.as_slice() else { return None };
    let address = |text: &str| text.parse::<IpAddr>().ok().filter(|ip| ip.is_ipv4() == (*family == "TCP4"));
    let port = |text: &str| text.parse::<u16>().ok();
    Some(((address(client)?, port(from)?).into(), (address(server)?, port(to)?).into()))
}
