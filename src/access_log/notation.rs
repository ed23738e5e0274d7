//! Writes the values of a line of the access log, as text or as JSON.
//!
//! It escapes what clients and applications send, so that they cannot forge another value or another line.
//!
//! Spec: RFC 8259 7.

use std::fmt::Write as _;
use std::time::SystemTime;

use crate::log::timestamp::{Clock, push_padded};

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

    fn theirs_if_any(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => self.theirs(bytes),
            None => self.nothing(),
        }
    }
}

pub(super) struct LineText<'a> {
    pub(super) line: &'a mut String,
    pub(super) clock: &'a mut Clock,
}

impl Notation for LineText<'_> {
    fn nothing(&mut self) {
        self.line.push('-');
    }

    fn number(&mut self, number: u64) {
        self.line.push_str(itoa::Buffer::new().format(number));
    }

    fn decimal(&mut self, whole: u64, part: u64, digits: usize) {
        push_decimal(self.line, whole, part, digits);
    }

    fn time(&mut self, time: SystemTime) {
        self.clock.write(time, self.line);
    }

    fn common_time(&mut self, time: SystemTime) {
        self.line.push('[');
        self.clock.write_common(time, self.line);
        self.line.push(']');
    }

    fn ours(&mut self, pieces: &[&str]) {
        self.line.extend(pieces.iter().copied());
    }

    fn theirs(&mut self, bytes: &[u8]) {
        push_printable(self.line, bytes);
    }
}

pub(super) struct Json<'a> {
    pub(super) line: &'a mut String,
    pub(super) clock: &'a mut Clock,
}

impl Notation for Json<'_> {
    fn nothing(&mut self) {
        self.line.push_str("null");
    }

    fn number(&mut self, number: u64) {
        self.line.push_str(itoa::Buffer::new().format(number));
    }

    fn decimal(&mut self, whole: u64, part: u64, digits: usize) {
        push_decimal(self.line, whole, part, digits);
    }

    fn time(&mut self, time: SystemTime) {
        self.line.push('"');
        self.clock.write(time, self.line);
        self.line.push('"');
    }

    fn common_time(&mut self, time: SystemTime) {
        self.line.push_str("\"[");
        self.clock.write_common(time, self.line);
        self.line.push_str("]\"");
    }

    fn ours(&mut self, pieces: &[&str]) {
        self.line.push('"');
        self.line.extend(pieces.iter().copied());
        self.line.push('"');
    }

    fn theirs(&mut self, bytes: &[u8]) {
        match std::str::from_utf8(bytes) {
            Ok(text) => push_json(self.line, text),
            // If it is not UTF-8, each byte becomes the character with its number, as applications see it.
            Err(_) => push_json(self.line, &latin1(bytes)),
        }
    }
}

/// Appends a JSON string. Most text needs no escapes.
fn push_json(line: &mut String, text: &str) {
    // Checks all bytes, several at a time. To stop at the first match would be slower.
    let special = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
    if text.bytes().fold(false, |found, byte| found | special(byte)) {
        line.push_str(&crate::log::json_text(text));
    } else {
        line.push('"');
        line.push_str(text);
        line.push('"');
    }
}

fn push_decimal(line: &mut String, whole: u64, part: u64, digits: usize) {
    line.push_str(itoa::Buffer::new().format(whole));
    line.push('.');
    push_padded(line, part, digits);
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// Appends text. A quote, a backslash, and bytes that are not printable ASCII become `\xNN`.
fn push_printable(line: &mut String, bytes: &[u8]) {
    for &byte in bytes {
        if matches!(byte, b'"' | b'\\') || !(b' '..=b'~').contains(&byte) {
            // Writing to a String cannot fail.
            let _infallible = write!(line, "\\x{byte:02x}");
        } else {
            line.push(char::from(byte));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_sent_cannot_end_its_place_in_the_line() {
        let printable = |bytes: &[u8]| {
            let mut line = String::new();
            push_printable(&mut line, bytes);
            line
        };
        assert_eq!(printable(b"GET /it's~%22 HTTP/1.1"), "GET /it's~%22 HTTP/1.1");
        assert_eq!(printable(b"GET /\"\\x\xe9\n\x1b"), "GET /\\x22\\x5cx\\xe9\\x0a\\x1b");
    }
}
