//! Compares the strict parser with the slow reader in `reference`: both must read the same bytes in the same way,
//! however the bytes are divided.
//!
//! The tests and the fuzz target use it.

use bytes::BytesMut;
use http::{Method, Uri};

use super::reference::{self, End, ReferenceRequest};
use super::{BodyReader, Head, HeadParser, Limits, Piece};

/// The limits for the comparison. They are small, so that inputs reach them.
pub fn limits() -> Limits {
    Limits { request_line: 64, header_section: 200, header_fields: 6, ..Limits::default() }
}

/// The strict parser, fed as a connection feeds it.
struct StrictReader {
    limits: Limits,
    input: BytesMut,
    parser: HeadParser,
    body: Option<BodyReader>,
    requests: Vec<ReferenceRequest>,
    end: End,
}

impl StrictReader {
    fn new(limits: Limits) -> Self {
        Self {
            limits,
            input: BytesMut::new(),
            parser: HeadParser::default(),
            body: None,
            requests: Vec::new(),
            end: End::Waiting,
        }
    }

    fn feed(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        while self.end == End::Waiting && self.step() {}
    }

    /// Reads one head or piece of a body. Returns whether there may be more in the input.
    fn step(&mut self) -> bool {
        let Some(body) = &mut self.body else { return self.head() };
        let request = self.requests.last_mut().unwrap_or_else(|| unreachable!("a body has a head"));
        if !body.is_end() {
            match body.next(&mut self.input) {
                Piece::Data(data) => {
                    request.body.extend_from_slice(&data);
                    return true;
                }
                Piece::More => return false,
                Piece::Broken(_) => {
                    self.end = End::Broken;
                    return false;
                }
                Piece::End => {}
            }
        }
        request.whole = true;
        let upgrade = request.upgrade;
        if !upgrade {
            self.body = None;
        }
        !upgrade
    }

    fn head(&mut self) -> bool {
        match self.parser.advance(&self.input, &self.limits) {
            Ok(None) => false,
            Err(refusal) => {
                self.end = End::Refused(refusal.status.as_u16());
                false
            }
            Ok(Some(head)) => {
                let bytes = self.input.split_to(head.len).freeze();
                let request = request_of(&self.parser, &head, &bytes);
                self.requests.push(request);
                self.parser.restart();
                self.body = Some(BodyReader::new(head.body, &self.limits));
                true
            }
        }
    }
}

fn request_of(parser: &HeadParser, head: &Head, bytes: &[u8]) -> ReferenceRequest {
    let (method, target) = (parser.method(bytes).to_vec(), parser.target(bytes).to_vec());
    // The connection makes these of them, and has no response if it cannot.
    let uri = Uri::try_from(&*target).unwrap_or_else(|error| panic!("{error} for {}", bytes.escape_ascii()));
    assert!(Method::from_bytes(&method).is_ok(), "{}", bytes.escape_ascii());
    let (section, places) = parser.field_section(bytes);
    let Head { http_11, keep_alive, upgrade, expects_continue, .. } = *head;
    assert_eq!(uri.authority().is_some(), !target.starts_with(b"/") && target != b"*");
    ReferenceRequest {
        method,
        target,
        fields: places.map(|(name, value)| (section[name].to_ascii_lowercase(), section[value].to_vec())).collect(),
        http_11,
        keep_alive,
        upgrade,
        expects_continue,
        ..ReferenceRequest::default()
    }
}

/// Whether two ends mean the same. If a head is too long and malformed as well, either may be named.
pub fn same_refusal(one: End, other: End) -> bool {
    let is_of_head = |end| matches!(end, End::Refused(400 | 414 | 431));
    one == other || is_of_head(one) && is_of_head(other)
}

/// Reads `bytes` with both. The strict parser gets them in pieces that end at `cuts`.
///
/// # Panics
/// When they disagree.
pub fn compare(bytes: &[u8], cuts: &[usize]) {
    let expected = reference::read(bytes, &limits());
    let mut reader = StrictReader::new(limits());
    let mut at = 0;
    for &cut in cuts.iter().chain([&bytes.len()]) {
        let cut = cut.clamp(at, bytes.len());
        reader.feed(bytes.get(at..cut).unwrap_or_default());
        at = cut;
    }
    let end = if same_refusal(reader.end, expected.1) { expected.1 } else { reader.end };
    assert_eq!((reader.requests, end), expected, "{} cut at {cuts:?}", bytes.escape_ascii());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Valid and invalid requests, from which pipelines are made.
    const REQUESTS: &[&str] = &[
        "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
        "\r\nHEAD /a?b HTTP/1.1\r\nhost:\t h \r\nConnection: x, Close\r\n\r\n",
        "GET http://h/x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-Continue\r\n\r\nhe\r\no",
        "POST /2 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;x=\"\\\"\"\r\na\r\n\r\n00\r\nt: u\r\n\r\n",
        "PUT /3 HTTP/1.1\r\nHost: h\r\ntransfer-encoding: Chunked\r\nx:\r\n\r\n1;a;b=c\r\n\n\r\nA\r\n0123456789\r\n0\r\n\r\n",
        "GET /4 HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: x\r\nContent-Length: 2\r\n\r\nok",
        "GET /5 HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 1\r\n\r\n",
        "GET /6 HTTP/1.1\r\nHost: h\r\na:\r\nb:\r\nc:\r\nd:\r\ne:\r\nf:\r\n\r\n",
        "POST /7 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
    ];

    #[test]
    fn pipelines_are_read_alike_wherever_they_are_cut() {
        for first in REQUESTS {
            for second in REQUESTS {
                let bytes = format!("{first}{second}GET /");
                for cut in 0..=bytes.len() {
                    compare(bytes.as_bytes(), &[cut]);
                }
                compare(bytes.as_bytes(), &(0..bytes.len()).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn whatever_comes_is_read_alike() {
        const ODD: &[u8] = b"\r\n\t :;,=\"\\/0123afx\0\x7f\x80\xff";
        let mut seed = 7_u64;
        let mut next = |most: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(seed >> 33).unwrap() % most
        };
        for _ in 0..20_000 {
            let mut bytes = Vec::new();
            for _ in 0..=next(3) {
                bytes.extend_from_slice(REQUESTS[next(REQUESTS.len())].as_bytes());
            }
            for _ in 0..=next(3) {
                if bytes.is_empty() {
                    break;
                }
                let (at, odd) = (next(bytes.len()), ODD[next(ODD.len())]);
                match next(4) {
                    0 => bytes[at] = odd,
                    1 => bytes.insert(at, odd),
                    2 => _ = bytes.remove(at),
                    _ => bytes.truncate(at.max(1)),
                }
            }
            let mut cuts: Vec<usize> = (0..next(5)).map(|_| next(bytes.len() + 1)).collect();
            cuts.sort_unstable();
            compare(&bytes, &cuts);
        }
    }
}
