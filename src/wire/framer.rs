//! Head, body, head, body: says how many of the bytes that came hyper may see.
//!
//! Apart from the I/O adapter so that all of the framing can be tried without a socket or a runtime. hyper sees a head
//! only when it is complete and in order, and of a body only what is in order, so the two can never disagree about
//! where a message ends. What hyper may see of several pipelined messages goes to it in one piece.
//!
//! Spec: RFC 9112 6.3, 9.3.2; RFC 9110 7.8.

use std::sync::Arc;

use super::chunked::{Chunked, Outcome};
use super::field::Body;
use super::head::{Head, HeadParser};
use super::{Limits, Refusal};

/// What the next byte belongs to.
#[derive(Debug)]
pub(super) enum State {
    /// The next head.
    Head,
    /// A body with so many bytes left.
    Fixed(u64),
    /// A chunked body.
    Chunked(Chunked),
    /// Perhaps no HTTP at all: the service has yet to say.
    AwaitUpgrade,
    /// No HTTP any more.
    Raw,
    /// A head that was refused; nothing after it is read.
    Refused(Refusal),
    /// A body that broke off; nothing after it is read.
    Broken(Refusal),
    /// The refusal went to the service.
    Done,
}

/// The messages of one connection, as its bytes show them.
#[derive(Debug)]
pub(super) struct Framer {
    pub(super) state: State,
    /// The heads let through.
    pub(super) heads: u64,
    limits: Arc<Limits>,
    parser: HeadParser,
    upgrade: bool,
}

impl Framer {
    pub(super) fn new(limits: Arc<Limits>) -> Self {
        Self { state: State::Head, heads: 0, limits, parser: HeadParser::default(), upgrade: false }
    }

    /// Whether `bytes`, those not yet admitted, are the start of a head.
    pub(super) fn head_begun(&self, bytes: &[u8]) -> bool {
        matches!(self.state, State::Head) && self.parser.begun(bytes)
    }

    /// Returns how many of `bytes` hyper may see. Those it may not see yet must come again, with what follows them.
    pub(super) fn admit(&mut self, bytes: &[u8]) -> usize {
        let mut admitted = 0;
        while let Some(rest) = bytes.get(admitted..).filter(|rest| !rest.is_empty()) {
            let more = match &mut self.state {
                State::Head => match self.parser.advance(rest, &self.limits) {
                    Ok(Some(head)) => self.start(head),
                    Ok(None) => break,
                    Err(refusal) => {
                        self.state = State::Refused(refusal);
                        break;
                    }
                },
                State::Fixed(left) => {
                    let count = usize::try_from(*left).map_or(rest.len(), |left| left.min(rest.len()));
                    *left -= count as u64;
                    if *left == 0 {
                        self.end();
                    }
                    count
                }
                State::Chunked(chunked) => {
                    let (count, outcome) = chunked.advance(rest);
                    match outcome {
                        Outcome::More => {}
                        Outcome::Done => self.end(),
                        Outcome::Broken(reason) => self.state = State::Broken(Refusal::malformed(reason)),
                    }
                    count
                }
                State::Raw => rest.len(),
                State::AwaitUpgrade | State::Refused(_) | State::Broken(_) | State::Done => break,
            };
            admitted += more;
        }
        admitted
    }

    fn start(&mut self, head: Head) -> usize {
        self.heads += 1;
        self.upgrade = head.upgrade;
        self.parser = HeadParser::default();
        match head.body {
            Body::Fixed(0) => self.end(),
            Body::Fixed(length) => self.state = State::Fixed(length),
            Body::Chunked => self.state = State::Chunked(Chunked::new(&self.limits)),
        }
        head.len
    }

    fn end(&mut self) {
        self.state = if self.upgrade { State::AwaitUpgrade } else { State::Head };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIPELINE: &[u8] = b"POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello\
        \r\nPOST /2 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;x=\"\\\"\"\r\nabc\r\n0\r\nt: u\r\n\r\n\
        GET /3 HTTP/1.1\r\nHost: h\r\n\r\nGET /4 HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 1\r\n\r\nGET /5";

    /// Feeds `bytes` in the pieces that `seed` makes of them, and returns what came through.
    fn feed(bytes: &[u8], mut seed: u64) -> (Vec<u8>, Framer) {
        let mut framer = Framer::new(Arc::new(Limits::default()));
        let (mut through, mut held, mut rest) = (Vec::new(), Vec::new(), bytes);
        while !rest.is_empty() {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let count = if seed == 1 { 1 } else { 1 + (seed >> 33) as usize % 40 }.min(rest.len());
            held.extend_from_slice(&rest[..count]);
            rest = &rest[count..];
            let admitted = framer.admit(&held);
            through.extend(held.drain(..admitted));
        }
        (through, framer)
    }

    #[test]
    fn the_cuts_on_the_way_do_not_matter() {
        let whole = PIPELINE.windows(7).position(|window| window == b"GET /4 ").unwrap();
        for seed in 0..500 {
            let (through, framer) = feed(PIPELINE, seed);
            assert_eq!(through, PIPELINE[..whole], "seed {seed}");
            assert_eq!(framer.heads, 3);
            assert!(matches!(framer.state, State::Refused(Refusal { status: http::StatusCode::BAD_REQUEST, .. })));
        }
    }

    #[test]
    fn a_broken_chunk_is_held_back() {
        let bytes = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n";
        for seed in 0..100 {
            let (through, framer) = feed(bytes, seed);
            assert!(through.ends_with(b"\r\n\r\n3"), "{}", through.escape_ascii());
            assert!(matches!(framer.state, State::Broken(_)));
        }
    }

    #[test]
    fn nothing_is_read_after_an_upgrade_request() {
        let head = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: x\r\nContent-Length: 2\r\n\r\nok";
        let bytes = [head.as_slice(), b"\0\xff\n"].concat();
        for seed in 0..100 {
            let (through, framer) = feed(&bytes, seed);
            assert_eq!(through, head);
            assert!(matches!(framer.state, State::AwaitUpgrade));
        }
    }
}
