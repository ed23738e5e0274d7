//! Writes the values of a line of the access log, as text or as JSON.
//!
//! It escapes what clients and applications send, so that they cannot forge another value or another line.
//!
//! Spec: RFC 8259 7.

use std::io::Write as _;
use std::time::SystemTime;

use crate::log::timestamp::{Clock, push_padded};
use crate::wire::ByteTable;

/// Printable ASCII without the quote and the backslash.
const PLAIN: ByteTable = ByteTable::of(b" !#$%&'()*+,-./:;<=>?@[]^_`{|}~");

/// How a line writes the values of atoms.
pub(super) trait Notation {
    fn nothing(&mut self);
    fn number(&mut self, number: u64);
    /// A decimal number: the part before the point, and the part behind it with this number of digits.
    fn decimal(&mut self, whole: u64, part: u64, digits: usize);
    fn time(&mut self, time: SystemTime);
    fn common_time(&mut self, time: SystemTime);
    /// Our own text, in pieces. It needs no escapes: addresses, protocol names, numbers.
    fn ours(&mut self, pieces: &[&str]);
    /// Text from a client or an application, which is escaped.
    fn theirs(&mut self, bytes: &[u8]);
    /// The request line. The parser takes only methods that need no escapes.
    fn request_line(&mut self, method: &str, target: &[u8], protocol: &str);

    fn theirs_if_any(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => self.theirs(bytes),
            None => self.nothing(),
        }
    }
}

pub(super) struct LineText<'a> {
    pub(super) line: &'a mut Vec<u8>,
    pub(super) clock: &'a mut Clock,
}

impl Notation for LineText<'_> {
    fn nothing(&mut self) {
        self.line.push(b'-');
    }

    fn number(&mut self, number: u64) {
        self.line.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }

    fn decimal(&mut self, whole: u64, part: u64, digits: usize) {
        push_decimal(self.line, whole, part, digits);
    }

    fn time(&mut self, time: SystemTime) {
        self.clock.write(time, self.line);
    }

    fn common_time(&mut self, time: SystemTime) {
        self.line.push(b'[');
        self.clock.write_common(time, self.line);
        self.line.push(b']');
    }

    fn ours(&mut self, pieces: &[&str]) {
        push_pieces(self.line, pieces);
    }

    fn theirs(&mut self, bytes: &[u8]) {
        push_printable(self.line, bytes);
    }

    fn request_line(&mut self, method: &str, target: &[u8], protocol: &str) {
        self.ours(&[method, " "]);
        self.theirs(target);
        self.ours(&[" ", protocol]);
    }
}

pub(super) struct Json<'a> {
    pub(super) line: &'a mut Vec<u8>,
    pub(super) clock: &'a mut Clock,
}

impl Notation for Json<'_> {
    fn nothing(&mut self) {
        self.line.extend_from_slice(b"null");
    }

    fn number(&mut self, number: u64) {
        self.line.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }

    fn decimal(&mut self, whole: u64, part: u64, digits: usize) {
        push_decimal(self.line, whole, part, digits);
    }

    fn time(&mut self, time: SystemTime) {
        self.line.push(b'"');
        self.clock.write(time, self.line);
        self.line.push(b'"');
    }

    fn common_time(&mut self, time: SystemTime) {
        self.line.extend_from_slice(b"\"[");
        self.clock.write_common(time, self.line);
        self.line.extend_from_slice(b"]\"");
    }

    fn ours(&mut self, pieces: &[&str]) {
        self.line.push(b'"');
        push_pieces(self.line, pieces);
        self.line.push(b'"');
    }

    fn theirs(&mut self, bytes: &[u8]) {
        match std::str::from_utf8(bytes) {
            Ok(text) => push_json(self.line, text),
            // If it is not UTF-8, each byte becomes the character with its number, as applications see it.
            Err(_) => push_json(self.line, &latin1(bytes)),
        }
    }

    fn request_line(&mut self, method: &str, target: &[u8], protocol: &str) {
        self.theirs(&[method.as_bytes(), b" ", target, b" ", protocol.as_bytes()].concat());
    }
}

/// Appends a JSON string. Most text needs no escapes.
fn push_json(line: &mut Vec<u8>, text: &str) {
    // Checks all bytes, several at a time. To stop at the first match would be slower.
    let special = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
    if text.bytes().fold(false, |found, byte| found | special(byte)) {
        line.extend_from_slice(crate::log::json_text(text).as_bytes());
    } else {
        line.push(b'"');
        line.extend_from_slice(text.as_bytes());
        line.push(b'"');
    }
}

fn push_decimal(line: &mut Vec<u8>, whole: u64, part: u64, digits: usize) {
    line.extend_from_slice(itoa::Buffer::new().format(whole).as_bytes());
    line.push(b'.');
    push_padded(line, part, digits);
}

fn push_pieces(line: &mut Vec<u8>, pieces: &[&str]) {
    for piece in pieces {
        line.extend_from_slice(piece.as_bytes());
    }
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// Appends text. A quote, a backslash, and bytes that are not printable ASCII become `\xNN`.
fn push_printable(line: &mut Vec<u8>, bytes: &[u8]) {
    // Most text needs no escapes.
    if bytes.iter().all(|byte| PLAIN.has(*byte)) {
        return line.extend_from_slice(bytes);
    }
    for byte in bytes {
        if PLAIN.has(*byte) {
            line.push(*byte);
        } else {
            // Writing to memory cannot fail.
            let _infallible = write!(line, "\\x{byte:02x}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_sent_cannot_end_its_place_in_the_line() {
        let printable = |bytes: &[u8]| {
            let mut line = Vec::new();
            push_printable(&mut line, bytes);
            String::from_utf8(line).expect("escaped text is ASCII")
        };
        assert_eq!(printable(b"GET /it's~%22 HTTP/1.1"), "GET /it's~%22 HTTP/1.1");
        assert_eq!(printable(b"GET /\"\\x\xe9\n\x1b"), "GET /\\x22\\x5cx\\xe9\\x0a\\x1b");
    }
}
