//! Parses the head of a request line by line, as its bytes arrive.
//!
//! Each line is checked as soon as it ends, and each limit as soon as it is exceeded. So a bad client gets the error
//! without sending more. The parser notes where the parts of the head are, so that no byte is read twice.
//!
//! Spec: RFC 9112 2.2 (line ends, one empty line before), 3, 5, 6.3; RFC 9110 15.5.15, RFC 6585 5.

use std::ops::Range;

use http::StatusCode;
use memchr::memchr;

use super::field::{Body, Fields, is_token_byte};
use super::target::{self, RequestLine};
use super::{Limits, Refusal};

/// A complete and valid head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is something else that a head says; they combine freely")]
pub struct Head {
    /// Its length in bytes, including the empty line.
    pub len: usize,
    /// The body that follows.
    pub body: Body,
    /// Whether the server may switch to another protocol.
    pub upgrade: bool,
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub expects_continue: bool,
    /// HTTP/1.1, not 1.0.
    pub http_11: bool,
    /// Whether the client may send another request on the connection.
    pub keep_alive: bool,
}

/// Where the parts of a field line are.
#[derive(Debug, Clone)]
struct FieldMarks {
    name: Range<usize>,
    value: Range<usize>,
}

/// How many `FieldMarks` the allocated memory has room for after a request. More are freed.
const MOST_KEPT: usize = 128;

/// How far a head was read.
#[derive(Debug, Default)]
pub struct HeadParser {
    /// Where the first unfinished line starts.
    line: usize,
    /// Up to here there is no further line feed.
    scanned: usize,
    /// Where the fields start.
    section: usize,
    count: usize,
    request: Option<RequestLine>,
    fields: Fields,
    method: Range<usize>,
    target: Range<usize>,
    marks: Vec<FieldMarks>,
}

impl HeadParser {
    /// Starts with a new head, and keeps the allocated memory.
    pub fn restart(&mut self) {
        let mut marks = std::mem::take(&mut self.marks);
        marks.clear();
        marks.shrink_to(MOST_KEPT);
        *self = Self { marks, ..Self::default() };
    }

    /// Whether a head has begun: `bytes`, which follow the last message, have more than the empty line that may come
    /// before a head.
    pub fn begun(&self, bytes: &[u8]) -> bool {
        self.request.is_some() || bytes.len() > self.line
    }

    /// Continues to read. `bytes` always start where the head does.
    ///
    /// # Errors
    /// When the request is refused, with the reason.
    pub fn advance(&mut self, bytes: &[u8], limits: &Limits) -> Result<Option<Head>, Refusal> {
        while let Some(found) = bytes.get(self.scanned..).and_then(|rest| memchr(b'\n', rest)) {
            let end = self.scanned + found;
            let line = bytes.get(self.line..end).unwrap_or_default();
            self.check_length(line.len(), end + 1, limits)?;
            let Some(line) = line.strip_suffix(b"\r") else {
                return Err(Refusal::malformed("a line ends in a bare line feed"));
            };
            let at = self.line;
            self.line = end + 1;
            self.scanned = self.line;
            if self.read_line(line, at, limits)? {
                return self.complete().map(Some);
            }
        }
        self.scanned = bytes.len();
        let rest = bytes.get(self.line..).unwrap_or_default();
        self.check_start(rest)?;
        self.check_length(rest.len(), bytes.len(), limits)?;
        Ok(None)
    }

    /// Reads the line that starts `at` this position. Returns whether the head ends with it.
    fn read_line(&mut self, line: &[u8], at: usize, limits: &Limits) -> Result<bool, Refusal> {
        if self.request.is_none() {
            if !(at == 0 && line.is_empty()) {
                let request = target::parse(line)?;
                self.method = at..at + request.method;
                self.target = self.method.end + 1..at + line.len() - target::VERSION.len();
                self.request = Some(request);
            }
            self.section = self.line;
            return Ok(false);
        }
        if line.is_empty() {
            return Ok(true);
        }
        self.count += 1;
        if self.count > limits.header_fields {
            return Err(too_large("there are too many header fields"));
        }
        let (name, value) = self.fields.read(line)?;
        self.marks.push(FieldMarks { name: at..at + name, value: at + value.start..at + value.end });
        Ok(false)
    }

    /// `line` is the length without the line feed, `total` the length of everything so far with it.
    fn check_length(&self, line: usize, total: usize, limits: &Limits) -> Result<(), Refusal> {
        if self.request.is_some() {
            if total - self.section > limits.header_section {
                return Err(too_large("the header section is too long"));
            }
        } else if line > limits.request_line.saturating_add(1) {
            return Err(Refusal::new(StatusCode::URI_TOO_LONG, "the request line is too long"));
        }
        Ok(())
    }

    /// Refuses bytes that cannot start a request (such as TLS on a plain port) at once, without waiting for the
    /// timeout.
    fn check_start(&self, rest: &[u8]) -> Result<(), Refusal> {
        match rest {
            [byte, ..] if self.request.is_none() && !is_token_byte(*byte) && *byte != b'\r' => {
                target::parse(rest).map(|_| ())
            }
            _ => Ok(()),
        }
    }

    fn complete(&self) -> Result<Head, Refusal> {
        let request = self.request.unwrap_or_default();
        let body = self.fields.body(request)?;
        Ok(Head {
            len: self.line,
            body,
            upgrade: self.fields.may_upgrade(request),
            expects_continue: self.fields.expects_continue(request) && body != Body::Fixed(0),
            http_11: request.http_11,
            keep_alive: self.fields.keeps_alive(request),
        })
    }

    /// The target of the complete head, which `bytes` contain.
    pub fn method<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        bytes.get(self.method.clone()).unwrap_or_default()
    }

    /// The fields of the complete head, in the client's order.
    pub fn target<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        bytes.get(self.target.clone()).unwrap_or_default()
    }

    /// The complete head, which `bytes` contain.
    ///
    /// # Errors
    /// When a type of the `http` crate does not accept a part. No input is known for which that happens.
    pub fn field_section<'a>(
        &'a self,
        bytes: &'a [u8],
    ) -> (&'a [u8], impl ExactSizeIterator<Item = (Range<usize>, Range<usize>)>) {
        let start = self.section;
        let section = bytes.get(start..self.line).unwrap_or_default();
        let inside = move |range: &Range<usize>| range.start - start..range.end - start;
        (section, self.marks.iter().map(move |FieldMarks { name, value }| (inside(name), inside(value))))
    }
}

fn too_large(reason: &'static str) -> Refusal {
    Refusal::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits { request_line: 64, header_section: 128, header_fields: 4, ..Limits::default() }
    }

    /// Reads the whole, and byte by byte. Both must give the same result.
    fn read(bytes: &str) -> Result<Option<Head>, u16> {
        let limits = limits();
        let whole = HeadParser::default().advance(bytes.as_bytes(), &limits);
        let mut parser = HeadParser::default();
        let mut steps = Ok(None);
        for end in 1..=bytes.len() {
            steps = parser.advance(&bytes.as_bytes()[..end], &limits);
            if !matches!(steps, Ok(None)) {
                break;
            }
        }
        let whole = whole.map_err(|refusal| refusal.status.as_u16());
        assert_eq!(whole, steps.map_err(|refusal| refusal.status.as_u16()), "{bytes:?}");
        whole
    }

    #[test]
    fn a_head_ends_at_the_empty_line() {
        let head = read("GET / HTTP/1.1\r\nHost: h\r\n\r\nmore").unwrap().unwrap();
        assert_eq!((head.len, head.body, head.upgrade), (27, Body::Fixed(0), false));
        assert_eq!(read("GET / HTTP/1.1\r\nHost: h\r\n"), Ok(None));
        assert_eq!(read("\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap().unwrap().len, 29);
    }

    #[test]
    fn line_ends_are_both_bytes() {
        for bytes in [
            "GET / HTTP/1.1\nHost: h\n\n",
            "GET / HTTP/1.1\r\nHost: h\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\n\n",
            "\nGET / HTTP/1.1\r\n",
            "\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET / HTTP/1.1\r\r\nHost: h\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\n a\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
        ] {
            assert_eq!(read(bytes), Err(400), "{bytes:?}");
        }
    }

    #[test]
    fn limits_count_as_soon_as_they_are_passed() {
        let target = "x".repeat(64 - "GET / HTTP/1.1".len());
        assert_eq!(read(&format!("GET /{target} HTTP/1.1\r\n")), Ok(None));
        assert_eq!(read(&format!("GET /{target}y HTTP/1.1\r\n")), Err(414));
        assert_eq!(read(&format!("GET /{}", "x".repeat(80))), Err(414));
        let value = "x".repeat(128 - "a: \r\n".len());
        assert_eq!(read(&format!("GET / HTTP/1.0\r\na: {value}\r\n")), Ok(None));
        assert_eq!(read(&format!("GET / HTTP/1.0\r\na: {value}\r\n\r")), Err(431));
        assert_eq!(read(&format!("GET / HTTP/1.0\r\na: {value}y\r\n")), Err(431));
        assert_eq!(read("GET / HTTP/1.0\r\na:\r\nb:\r\nc:\r\nd:\r\ne:\r\n"), Err(431));
        assert!(read("GET / HTTP/1.0\r\na:\r\nb:\r\nc:\r\nd:\r\n\r\n").unwrap().is_some());
    }

    #[test]
    fn tls_is_told_at_once() {
        assert_eq!(read("\u{16}\u{3}\u{1}"), Err(400));
    }

    #[test]
    fn an_empty_line_is_not_the_start_of_a_head() {
        let mut parser = HeadParser::default();
        for (bytes, begun) in [(b"\r\n".as_slice(), false), (b"\r\nG", true)] {
            assert_eq!(parser.advance(bytes, &limits()), Ok(None));
            assert_eq!(parser.begun(bytes), begun);
        }
    }
}
