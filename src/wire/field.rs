//! Parses one field line, and derives the framing of the body from all field lines of a head.
//!
//! Which length counts, and which fields conflict, decides about request smuggling. Trailers use the same rules for
//! characters.
//!
//! Spec: RFC 9112 5, 5.1, 5.2, 6.1, 6.2, 6.3; RFC 9110 5.1, 5.5, 5.6.2, 7.2, 7.8, 8.6.

use std::ops::Range;

use http::StatusCode;

use super::Refusal;
use super::authority::is_authority;
use super::byte_table::ByteTable;
use super::target::RequestLine;

static TOKEN: ByteTable = ByteTable::of(b"!#$%&'*+-.^_`|~");

/// Whether a byte may occur in a token.
pub(super) fn is_token_byte(byte: u8) -> bool {
    TOKEN.has(byte)
}

/// Whether `bytes` is a token.
pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&byte| is_token_byte(byte))
}

/// Whether a byte may occur in a field value.
pub(super) fn is_value_byte(byte: u8) -> bool {
    (byte >= 0x20 && byte != 0x7f) || byte == b'\t'
}

/// How long the body of a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// This many bytes; 0 if the client announced none.
    Fixed(u64),
    /// Chunks, until one of size 0.
    Chunked,
}

impl Body {
    /// Whether the body has a known length of at most `bytes`.
    pub fn fits(self, bytes: usize) -> bool {
        matches!(self, Self::Fixed(length) if length <= bytes as u64)
    }
}

/// What the field lines of one head have said so far.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each says which field was seen; they combine freely")]
pub(super) struct Fields {
    host: bool,
    length: Option<u64>,
    content_type: bool,
    chunked: bool,
    connection_upgrade: bool,
    connection_close: bool,
    connection_keep_alive: bool,
    expects_continue: bool,
    upgrade: bool,
}

impl Fields {
    /// Checks one field line (without its line end) and notes what it says. Returns the length of the name and the
    /// position of the value.
    pub(super) fn read(&mut self, line: &[u8]) -> Result<(usize, Range<usize>), Refusal> {
        let (name, value) = split(line)?;
        self.note(name, line.get(value.clone()).unwrap_or_default())?;
        Ok((name.len(), value))
    }

    fn note(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refusal> {
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => self.host(value),
            6 if name.eq_ignore_ascii_case(b"expect") => {
                self.expects_continue = value.eq_ignore_ascii_case(b"100-continue");
                Ok(())
            }
            7 if name.eq_ignore_ascii_case(b"upgrade") => {
                self.upgrade = true;
                Ok(())
            }
            10 if name.eq_ignore_ascii_case(b"connection") => {
                for option in value.split(|&byte| byte == b',').map(trim) {
                    self.connection_upgrade |= option.eq_ignore_ascii_case(b"upgrade");
                    self.connection_close |= option.eq_ignore_ascii_case(b"close");
                    self.connection_keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
                Ok(())
            }
            12 if name.eq_ignore_ascii_case(b"content-type") => self.content_type(),
            14 if name.eq_ignore_ascii_case(b"content-length") => self.length(value),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.coding(value),
            _ => Ok(()),
        }
    }

    fn host(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if std::mem::replace(&mut self.host, true) {
            return Err(Refusal::malformed("Host is repeated"));
        }
        if !is_authority(value) {
            return Err(Refusal::malformed("Host does not name one host"));
        }
        Ok(())
    }

    /// Refuses a second field: applications would see either a list of types or only one of them.
    fn content_type(&mut self) -> Result<(), Refusal> {
        if std::mem::replace(&mut self.content_type, true) {
            return Err(Refusal::malformed("Content-Type is repeated"));
        }
        Ok(())
    }

    fn length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.length.is_some() {
            return Err(Refusal::malformed("Content-Length is repeated"));
        }
        let Some(length) = number(value) else {
            return Err(Refusal::malformed("Content-Length is not one number"));
        };
        self.length = Some(length);
        Ok(())
    }

    fn coding(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.chunked {
            return Err(Refusal::malformed("Transfer-Encoding is repeated"));
        }
        if !value.eq_ignore_ascii_case(b"chunked") {
            return Err(other_coding(value));
        }
        self.chunked = true;
        Ok(())
    }

    /// The body that follows the head. Called after all fields were read.
    pub(super) fn body(&self, line: RequestLine) -> Result<Body, Refusal> {
        if line.http_11 && !self.host {
            return Err(Refusal::malformed("Host is missing"));
        }
        match (self.chunked, self.length) {
            (true, Some(_)) => Err(Refusal::malformed("Content-Length and Transfer-Encoding exclude each other")),
            (true, None) if !line.http_11 => Err(Refusal::malformed("HTTP/1.0 has no Transfer-Encoding")),
            (true, None) => Ok(Body::Chunked),
            (false, length) => Ok(Body::Fixed(length.unwrap_or(0))),
        }
    }

    /// Whether the server may answer with 101.
    pub(super) fn may_upgrade(&self, line: RequestLine) -> bool {
        self.upgrade && self.connection_upgrade && line.http_11 && line.get
    }

    /// Whether the client waits for `100 Continue`. HTTP/1.0 does not have it.
    pub(super) fn expects_continue(&self, line: RequestLine) -> bool {
        self.expects_continue && line.http_11
    }

    /// Whether the client may send another request on the connection. One `close` is enough to end it, whatever else
    /// the fields say.
    pub(super) fn keeps_alive(&self, line: RequestLine) -> bool {
        !self.connection_close && (line.http_11 || self.connection_keep_alive)
    }
}

/// The refusal for a `Transfer-Encoding` other than `chunked`. If other codings come before a final `chunked`, the end
/// of the body is known, but this server does not decode them (501). Otherwise the end of the body is unknown (400).
fn other_coding(value: &[u8]) -> Refusal {
    let mut codings = value.rsplit(|&byte| byte == b',').map(trim);
    let last = codings.next().unwrap_or_default();
    let others = |coding: &[u8]| is_token(coding) && !coding.eq_ignore_ascii_case(b"chunked");
    if last.eq_ignore_ascii_case(b"chunked") && codings.all(others) {
        return Refusal::new(StatusCode::NOT_IMPLEMENTED, "no other Transfer-Encoding than `chunked` is undone here");
    }
    Refusal::malformed("Transfer-Encoding is not one final `chunked`")
}

/// The name of a field line, and the position of its value without the white space around it.
fn split(line: &[u8]) -> Result<(&[u8], Range<usize>), Refusal> {
    let end = line.iter().position(|&byte| !is_token_byte(byte)).unwrap_or(line.len());
    let (name, rest) = line.split_at_checked(end).unwrap_or((line, &[]));
    match rest {
        [b':', value @ ..] if !name.is_empty() => {
            if value.iter().fold(false, |bad, &byte| bad | !is_value_byte(byte)) {
                return Err(Refusal::malformed("a header value holds a control character"));
            }
            let trimmed = trim(value);
            let start = name.len() + 1 + value.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            // A value of white space only is empty.
            Ok((name, if trimmed.is_empty() { 0..0 } else { start..start + trimmed.len() }))
        }
        [b' ' | b'\t', ..] if name.is_empty() => Err(Refusal::malformed("a header line is folded")),
        [b' ' | b'\t', ..] => Err(Refusal::malformed("there is white space in or after a header name")),
        [b':', ..] => Err(Refusal::malformed("a header has no name")),
        [] => Err(Refusal::malformed("a header line has no colon")),
        _ => Err(Refusal::malformed("a header name holds a character that is not allowed")),
    }
}

fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Parses a number of digits only. It must be less than 2^63, so that no other reader of the number can overflow.
pub(super) fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value =
        digits.iter().try_fold(0_i64, |number, digit| number.checked_mul(10)?.checked_add(i64::from(digit - b'0')))?;
    u64::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: RequestLine = RequestLine { method: 3, http_11: true, get: true };

    fn read(lines: &[&str]) -> Result<Fields, Refusal> {
        let mut fields = Fields::default();
        lines.iter().try_for_each(|line| fields.read(line.as_bytes()).map(|_| ()))?;
        Ok(fields)
    }

    fn body(lines: &[&str]) -> Result<Body, u16> {
        read(lines).and_then(|fields| fields.body(LINE)).map_err(|refusal| refusal.status.as_u16())
    }

    #[test]
    fn one_length_or_one_coding() {
        assert_eq!(body(&["Host: h"]), Ok(Body::Fixed(0)));
        assert_eq!(body(&["host:h", "content-length:\t005 "]), Ok(Body::Fixed(5)));
        assert_eq!(body(&["Host: h", "Transfer-Encoding: Chunked"]), Ok(Body::Chunked));
        assert_eq!(body(&["Host: h", "Content-Length: 9223372036854775807"]), Ok(Body::Fixed(u64::MAX / 2)));
    }

    #[test]
    fn every_other_framing_is_refused() {
        for (lines, status) in [
            (vec!["Content-Length: 5", "Content-Length: 5"], 400),
            (vec!["Content-Length: 5, 5"], 400),
            (vec!["Content-Length: +5"], 400),
            (vec!["Content-Length: 0x5"], 400),
            (vec!["Content-Length:"], 400),
            (vec!["Content-Length: 9223372036854775808"], 400),
            (vec!["Content-Length: 99999999999999999999999"], 400),
            (vec!["Content-Length: 5", "Transfer-Encoding: chunked"], 400),
            (vec!["Transfer-Encoding: chunked", "Content-Length: 5"], 400),
            (vec!["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], 400),
            (vec!["Transfer-Encoding: chunked, chunked"], 400),
            (vec!["Transfer-Encoding: chunked, gzip"], 400),
            (vec!["Transfer-Encoding: identity"], 400),
            (vec!["Transfer-Encoding:"], 400),
            (vec!["Transfer-Encoding: xchunked"], 400),
            (vec!["Transfer-Encoding: chunked;q=1"], 400),
            (vec!["Transfer-Encoding: gzip, chunked, chunked"], 400),
            (vec!["Transfer-Encoding: , chunked"], 400),
            (vec!["Transfer-Encoding: gzip, chunked"], 501),
            (vec!["Transfer-Encoding: br,gzip ,\tChunked"], 501),
            (vec!["Content-Type: a/b", "content-type: a/c"], 400),
        ] {
            let lines: Vec<&str> = std::iter::once("Host: h").chain(lines).collect();
            assert_eq!(body(&lines), Err(status), "{lines:?}");
        }
    }

    #[test]
    fn the_host_is_one_and_is_there() {
        assert_eq!(body(&[]), Err(400));
        assert_eq!(body(&["Host: a", "Host: a"]), Err(400));
        assert_eq!(body(&["Host:"]), Err(400));
        let older = RequestLine { http_11: false, ..LINE };
        assert_eq!(read(&[]).unwrap().body(older), Ok(Body::Fixed(0)));
        assert!(read(&["Transfer-Encoding: chunked"]).unwrap().body(older).is_err());
    }

    #[test]
    fn lines_that_are_no_fields() {
        for line in
            ["a", ": x", " a: b", "\ta: b", "a : b", "a b: c", "a(: b", "a: \0", "a: \rb", "a: \u{7f}", "\u{e9}: x"]
        {
            assert!(read(&[line]).is_err(), "{line:?}");
        }
        assert!(read(&["a:", "a: b\tc \u{e9}", "~x: y"]).is_ok());
    }

    #[test]
    fn an_upgrade_needs_both_fields_and_a_get() {
        let fields = read(&["Connection: keep-alive, Upgrade", "upgrade: websocket"]).unwrap();
        assert!(fields.may_upgrade(LINE));
        assert!(!fields.may_upgrade(RequestLine { get: false, ..LINE }));
        assert!(!read(&["Upgrade: websocket"]).unwrap().may_upgrade(LINE));
    }
}
