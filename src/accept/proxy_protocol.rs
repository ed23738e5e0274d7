//! Reads the PROXY header: a trusted proxy sends the address of the client before the first byte of a connection, also
//! before TLS.
//!
//! Exactly the header is read, and no byte after it. So the protocol that follows does not know of it. If a proxy must
//! send a header and does not, the connection is refused. Otherwise clients could send their own header through the
//! proxy.
//!
//! Spec: `HAProxy`, "The PROXY protocol", versions 1 and 2.

use std::net::SocketAddr;
use std::sync::Arc;

use proxy_header::{ParseConfig, Protocol, ProxyHeader};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use crate::http::h1::{self, Begun};
use crate::http::service::Service;
use crate::metrics::Event;
use crate::request::head::Peer;
use crate::route::Scheme;
use crate::runtime::shutdown::ShutdownGuard;
use crate::wire::Refusal;

const VERSION_1: &[u8] = b"PROXY ";
const VERSION_2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// How many bytes are read first. Every header is longer than this.
const OPENING: usize = 12;

/// The length of the fixed part of version 2. Its last two bytes are the length of the rest.
const FIXED: usize = 16;

/// The longest header of version 1, from the specification.
const LONGEST_LINE: usize = 107;

/// Why a connection is not served.
#[derive(Debug)]
pub enum Unknown {
    /// The client closed the connection without sending anything, as health checks do, or the server is draining.
    Silent,
    /// The header is missing, incomplete or invalid.
    Wrong(&'static str),
}

impl Unknown {
    /// Reports the error to the operator, and to the proxy without TLS.
    pub async fn turn_away<S>(self, service: Arc<Service>, stream: S, peer: Box<Peer>, guard: ShutdownGuard)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let Self::Wrong(reason) = self else { return };
        service.metrics.iter().for_each(|metrics| metrics.count(Event::ProxyHeader));
        let proxy = peer.client().map_or("a Unix socket", |(address, _)| address);
        crate::log::line(format_args!("warning: {reason} from {proxy}; the connection is closed (`--proxy-protocol`)"));
        // Not if the port expects TLS: the proxy could not read the response.
        if service.tls.is_none() || peer.unix_path.is_some() {
            h1::serve(service, stream, peer, guard, Begun::Refused(Refusal::malformed(reason))).await;
        }
    }
}

/// Reads the header, and stores its data in `peer`.
///
/// # Errors
/// Why the connection is refused.
pub async fn introduction<S>(
    service: &Service,
    stream: &mut S,
    peer: &mut Peer,
    guard: &ShutdownGuard,
) -> Result<(), Unknown>
where
    S: AsyncRead + Unpin,
{
    let mut bytes = Vec::with_capacity(OPENING);
    let reading = tokio::select! {
        reading = tokio::time::timeout(service.limits.header_timeout, read(stream, &mut bytes)) => reading,
        () = guard.given_up() => return Err(Unknown::Silent),
    };
    match reading {
        Ok(Ok(true)) => {}
        Ok(Err(unknown)) => return Err(unknown),
        _ if bytes.is_empty() => return Err(Unknown::Silent),
        Ok(Ok(false)) | Err(_) => return Err(Unknown::Wrong("an incomplete PROXY header")),
    }
    let announced = parse(&bytes).ok_or(Unknown::Wrong("an invalid PROXY header"))?;
    if let Announced::Of(ends) = announced {
        let end = |address: SocketAddr| Some((address.ip().to_string(), address.port()));
        // From here on, the announced client is the peer.
        peer.trusted = service.proxies.as_ref().is_some_and(|proxies| proxies.trusts(Some(ends.client.ip())));
        peer.client = end(ends.client);
        peer.server = end(ends.server);
        peer.unix_path = None;
        peer.forwarded = ends.encrypted.then_some(Scheme::Https);
    }
    Ok(())
}

/// Reads the header and no byte more. Returns `false` if the connection ended too early.
async fn read<S: AsyncRead + Unpin>(stream: &mut S, bytes: &mut Vec<u8>) -> Result<bool, Unknown> {
    loop {
        let missing = missing(bytes).ok_or(Unknown::Wrong("no PROXY header"))?;
        if missing == 0 {
            return Ok(true);
        }
        let limit = u64::try_from(missing).unwrap_or_default();
        if (&mut *stream).take(limit).read_buf(bytes).await.unwrap_or_default() == 0 {
            return Ok(false);
        }
    }
}

/// How many bytes are missing at least until the end of the header. `None` if it is not a header.
fn missing(bytes: &[u8]) -> Option<usize> {
    let compared = bytes.len().min(OPENING);
    let begins = |with: &[u8]| {
        let compared = compared.min(with.len());
        bytes.get(..compared) == with.get(..compared)
    };
    if !begins(VERSION_1) && !begins(VERSION_2) {
        return None;
    }
    if bytes.len() < OPENING {
        return Some(OPENING - bytes.len());
    }
    if begins(VERSION_2) {
        let length = bytes.get(FIXED - 2..FIXED).and_then(|length| length.try_into().ok()).map(u16::from_be_bytes);
        return (FIXED + usize::from(length.unwrap_or_default())).checked_sub(bytes.len());
    }
    match bytes {
        [.., b'\r', b'\n'] => Some(0),
        _ if bytes.len() >= LONGEST_LINE => None,
        [.., b'\r'] => Some(1),
        // The line end would not fit any more.
        _ if bytes.len() + 2 > LONGEST_LINE => None,
        _ => Some(2),
    }
}

/// Whom the header announces.
#[derive(Debug, PartialEq, Eq)]
enum Announced {
    /// The proxy itself, for example for a health check.
    Own,
    /// A client of the proxy.
    Of(Ends),
}

/// The two ends of the connection that the proxy has accepted.
#[derive(Debug, PartialEq, Eq)]
struct Ends {
    client: SocketAddr,
    server: SocketAddr,
    encrypted: bool,
}

/// Parses a complete header.
fn parse(bytes: &[u8]) -> Option<Announced> {
    let (header, length) = ProxyHeader::parse(bytes, ParseConfig::default()).ok()?;
    if length != bytes.len() {
        return None;
    }
    let Some(address) = header.proxied_address() else { return Some(Announced::Own) };
    let ends = Ends {
        client: address.source,
        server: address.destination,
        encrypted: header.ssl().is_some_and(|session| session.client_ssl()),
    };
    (address.protocol == Protocol::Stream).then_some(Announced::Of(ends))
}

#[cfg(any(test, fuzzing))]
#[path = "proxy_fuzzing.rs"]
pub mod fuzzing;

#[cfg(test)]
mod tests {
    use super::*;

    const TCP4: &[u8] = b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 443\r\n";

    fn version_2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [VERSION_2, &[command, family], &length, rest].concat()
    }

    fn ends(client: &str, server: &str, encrypted: bool) -> Announced {
        Announced::Of(Ends { client: client.parse().unwrap(), server: server.parse().unwrap(), encrypted })
    }

    /// Reads from a stream of `bytes` and more, one byte at a time. Returns the result, the header, and the rest of the
    /// stream.
    fn read_from(bytes: &[u8]) -> Result<(bool, Vec<u8>, Vec<u8>), Unknown> {
        let mut stream = bytes;
        let mut header = Vec::new();
        let whole = futures::executor::block_on(read(&mut stream, &mut header))?;
        Ok((whole, header, stream.to_vec()))
    }

    #[test]
    fn exactly_the_header_is_read() {
        let address = [203, 0, 113, 9, 192, 0, 2, 1, 0x12, 0x67, 1, 0xbb];
        for header in [
            TCP4.to_vec(),
            b"PROXY UNKNOWN\r\n".to_vec(),
            b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n".to_vec(),
            b"PROXY TCP6 2001:db8::1 2001:db8::2 65535 65535\r\n".to_vec(),
            version_2(0x20, 0, &[]),
            version_2(0x21, 0x11, &address),
            version_2(0x21, 0x11, &[address.as_slice(), &[0x04, 0, 2, 0, 0]].concat()),
        ] {
            for after in [b"".as_slice(), b"\n", b"\r\n", b"GET / HTTP/1.1\r\n\r\n"] {
                let (whole, read, left) = read_from(&[header.as_slice(), after].concat()).unwrap();
                assert!(whole);
                assert_eq!((read.as_slice(), left.as_slice()), (header.as_slice(), after));
                assert!(parse(&read).is_some(), "{}", header.escape_ascii());
            }
            for cut in 0..header.len() {
                let (whole, ..) = read_from(&header[..cut]).unwrap();
                assert!(!whole, "{cut} bytes of {}", header.escape_ascii());
            }
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_refused_however_it_arrives() {
        for (length, is_header) in [(106, true), (107, true), (108, false), (109, false)] {
            let line = format!("PROXY UNKNOWN {}\r\n", "x".repeat(length - 16));
            for size in [1, 2, length] {
                let cuts: Vec<usize> = (0..length).step_by(size).collect();
                let mut stream = crate::wire::fuzzing::Pieces::new(line.as_bytes(), &cuts);
                let read = futures::executor::block_on(read(&mut stream, &mut Vec::new()));
                assert_eq!(matches!(read, Ok(true)), is_header, "{length} in pieces of {size}");
            }
        }
    }

    #[test]
    fn both_versions_say_whose_the_connection_is() {
        let expected = Some(ends("203.0.113.9:4711", "192.0.2.1:443", false));
        assert_eq!(parse(TCP4), expected);
        let address = [203, 0, 113, 9, 192, 0, 2, 1, 0x12, 0x67, 1, 0xbb];
        assert_eq!(parse(&version_2(0x21, 0x11, &address)), expected);
        let encrypted = [address.as_slice(), &[0x20, 0, 5, 1, 0, 0, 0, 0]].concat();
        assert_eq!(parse(&version_2(0x21, 0x11, &encrypted)), Some(ends("203.0.113.9:4711", "192.0.2.1:443", true)));
        let line = b"PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n";
        assert_eq!(parse(line), Some(ends("[2001:db8::1]:1", "[2001:db8::2]:2", false)));
    }

    #[test]
    fn a_connection_of_the_proxys_own_says_nothing() {
        assert_eq!(parse(b"PROXY UNKNOWN\r\n"), Some(Announced::Own));
        assert_eq!(parse(&version_2(0x20, 0, &[])), Some(Announced::Own));
        assert_eq!(parse(&version_2(0x20, 0x11, &[1, 1, 1, 1, 2, 2, 2, 2, 0, 1, 0, 2])), Some(Announced::Own));
        assert_eq!(parse(&version_2(0x21, 0x31, &[0; 216])), Some(Announced::Own));
    }

    #[test]
    fn what_is_no_header() {
        for bytes in [
            b"GET / HTTP/1.1\r\n".as_slice(),
            b"\x16\x03\x01\x02\x00",
            b"proxy TCP4 1.1.1.1 2.2.2.2 1 2\r\n",
            b"PROXY\tTCP4 ",
            b"\r\n\r\n\0\r\nQUIX\n",
            &[b"PROXY TCP4 ".as_slice(), &[b'1'; 200]].concat(),
        ] {
            assert!(matches!(read_from(bytes), Err(Unknown::Wrong(_))), "{}", bytes.escape_ascii());
        }
        for bytes in [
            b"PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n".to_vec(),
            b"PROXY TCP4 ::1 ::2 1 2\r\n".to_vec(),
            b"PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n".to_vec(),
            b"PROXY TCP4 1.1.1.1 2.2.2.2 1 99999\r\n".to_vec(),
            version_2(0x22, 0x11, &[0; 12]),
            version_2(0x31, 0x11, &[0; 12]),
            version_2(0x21, 0x11, &[0; 11]),
            version_2(0x21, 0x12, &[0; 12]),
            version_2(0x21, 0x21, &[0; 12]),
            version_2(0x21, 0x41, &[0; 12]),
        ] {
            let (whole, read, _) = read_from(&bytes).unwrap();
            assert!(whole);
            assert_eq!(parse(&read), None, "{}", bytes.escape_ascii());
        }
    }
}
