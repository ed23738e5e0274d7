//! The grammar of a chunked body, as a state machine.
//!
//! It takes one byte at a time, except for the data. It keeps no bytes, so the result does not depend on how the body
//! was divided on its way.
//!
//! Spec: RFC 9112 7.1, 7.1.1 (without the white space that only bad senders write), 7.1.2.

use super::Limits;
use super::field::{is_token_byte, is_value_byte};

/// The longest chunk extensions of one body, all together, in bytes.
const LONGEST_EXTENSIONS: usize = (16 << 10) - 1;
/// The longest trailer section, in bytes, even if the limit for header sections is larger.
const LONGEST_TRAILERS: usize = (16 << 10) - 1;
/// The most digits of a chunk size. A 64-bit number has no more.
const MOST_DIGITS: u8 = 16;

/// What [`Chunked::advance`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChunkStep {
    /// All bytes are framing. The body continues.
    More,
    /// This many bytes of data follow the counted bytes.
    Data(usize),
    /// The body ended after the counted bytes.
    Done,
    /// The byte after the counted bytes breaks the grammar.
    Broken(&'static str),
}

/// What the next byte is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Size,
    ExtensionName { empty: bool },
    ExtensionValue { empty: bool },
    Quoted,
    QuotedPair,
    AfterQuoted,
    SizeLineFeed,
    Data,
    DataReturn,
    DataLineFeed,
    LineStart,
    TrailerName,
    TrailerValue,
    TrailerLineFeed,
    LastLineFeed,
    End,
}

/// How far a chunked body was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunked {
    at: At,
    digits: u8,
    /// The chunk size while it is read. Then the part of the chunk that is still to come.
    left: u64,
    extensions: usize,
    trailers: usize,
    fields: usize,
    most_trailers: usize,
    most_fields: usize,
}

impl Chunked {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            at: At::Size,
            digits: 0,
            left: 0,
            extensions: 0,
            trailers: 0,
            fields: 0,
            most_trailers: limits.header_section.min(LONGEST_TRAILERS),
            most_fields: limits.header_fields,
        }
    }

    /// Reads up to the next data. Returns how many of `bytes` are valid framing. If it finds data, it counts it as
    /// read: the caller takes the data and does not pass it again.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> (usize, ChunkStep) {
        let mut read = 0;
        while let Some(&byte) = bytes.get(read) {
            if self.at == At::Data {
                return (read, ChunkStep::Data(self.take_data(bytes.len() - read)));
            }
            match self.step(byte) {
                Ok(At::End) => return (read + 1, ChunkStep::Done),
                Ok(next) => self.at = next,
                Err(reason) => return (read, ChunkStep::Broken(reason)),
            }
            read += 1;
        }
        (read, ChunkStep::More)
    }

    fn take_data(&mut self, available: usize) -> usize {
        let taken = usize::try_from(self.left).map_or(available, |left| left.min(available));
        self.left -= taken as u64;
        if self.left == 0 {
            self.at = At::DataReturn;
        }
        taken
    }

    fn step(&mut self, byte: u8) -> Result<At, &'static str> {
        match self.at {
            At::Size => self.size(byte),
            At::ExtensionName { .. } | At::ExtensionValue { .. } | At::Quoted | At::QuotedPair | At::AfterQuoted => {
                self.extensions += 1;
                if self.extensions > LONGEST_EXTENSIONS {
                    return Err("the chunk extensions are too long");
                }
                self.extension(byte)
            }
            At::SizeLineFeed => {
                expect(byte, b'\n', if self.left == 0 { At::LineStart } else { At::Data }, "a chunk size line")
            }
            At::DataReturn => expect(byte, b'\r', At::DataLineFeed, "a chunk"),
            At::DataLineFeed => {
                self.digits = 0;
                expect(byte, b'\n', At::Size, "a chunk")
            }
            At::Data | At::End => Ok(self.at),
            At::LineStart | At::TrailerName | At::TrailerValue | At::TrailerLineFeed | At::LastLineFeed => {
                self.trailers += 1;
                if self.trailers > self.most_trailers {
                    return Err("the trailer section is too long");
                }
                self.trailer(byte)
            }
        }
    }

    fn size(&mut self, byte: u8) -> Result<At, &'static str> {
        if let Some(digit) = char::from(byte).to_digit(16) {
            if self.digits == MOST_DIGITS {
                return Err("a chunk size is too large");
            }
            self.left = (self.left << 4) | u64::from(digit);
            self.digits += 1;
            return Ok(At::Size);
        }
        match byte {
            b'\r' | b';' if self.digits == 0 => Err("a chunk has no size"),
            b'\r' => Ok(At::SizeLineFeed),
            b';' => Ok(At::ExtensionName { empty: true }),
            _ => Err("a chunk size is not a hexadecimal number"),
        }
    }

    fn extension(&self, byte: u8) -> Result<At, &'static str> {
        const BAD: &str = "a chunk extension is not `;name` or `;name=value`";
        let ended = match byte {
            b'\r' => Some(At::SizeLineFeed),
            b';' => Some(At::ExtensionName { empty: true }),
            _ => None,
        };
        match self.at {
            At::ExtensionName { empty: false } if byte == b'=' => Ok(At::ExtensionValue { empty: true }),
            At::ExtensionName { .. } if is_token_byte(byte) => Ok(At::ExtensionName { empty: false }),
            At::ExtensionValue { empty: true } if byte == b'"' => Ok(At::Quoted),
            At::ExtensionValue { .. } if is_token_byte(byte) => Ok(At::ExtensionValue { empty: false }),
            At::Quoted if byte == b'"' => Ok(At::AfterQuoted),
            At::Quoted if byte == b'\\' => Ok(At::QuotedPair),
            At::Quoted | At::QuotedPair if is_value_byte(byte) => Ok(At::Quoted),
            At::ExtensionName { empty: false } | At::ExtensionValue { empty: false } | At::AfterQuoted => {
                ended.ok_or(BAD)
            }
            _ => Err(BAD),
        }
    }

    fn trailer(&mut self, byte: u8) -> Result<At, &'static str> {
        match self.at {
            At::LineStart if byte == b'\r' => Ok(At::LastLineFeed),
            At::LineStart if is_token_byte(byte) => {
                self.fields += 1;
                if self.fields > self.most_fields {
                    Err("there are too many trailer fields")
                } else {
                    Ok(At::TrailerName)
                }
            }
            At::TrailerName if byte == b':' => Ok(At::TrailerValue),
            At::TrailerName if is_token_byte(byte) => Ok(At::TrailerName),
            At::TrailerValue if byte == b'\r' => Ok(At::TrailerLineFeed),
            At::TrailerValue if is_value_byte(byte) => Ok(At::TrailerValue),
            At::TrailerLineFeed => expect(byte, b'\n', At::LineStart, "a trailer"),
            At::LastLineFeed => expect(byte, b'\n', At::End, "the trailer section"),
            _ => Err("a trailer is not a header line"),
        }
    }
}

fn expect(byte: u8, expected: u8, next: At, what: &'static str) -> Result<At, &'static str> {
    if byte == expected {
        return Ok(next);
    }
    Err(match what {
        "a chunk" => "a chunk does not end where its size says",
        "a chunk size line" => "a chunk size line does not end in CRLF",
        "a trailer" => "a trailer does not end in CRLF",
        _ => "the chunked body does not end in CRLF",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `most` bytes at a time. Returns how many bytes of framing and data were valid, the last result, and the
    /// data.
    fn read_by(most: usize, bytes: &[u8]) -> (usize, ChunkStep, Vec<u8>) {
        let mut machine = Chunked::new(&Limits { header_section: 64, header_fields: 2, ..Limits::default() });
        let (mut read, mut data) = (0, Vec::new());
        while read < bytes.len() {
            let end = bytes.len().min(read + most);
            let (count, outcome) = machine.advance(&bytes[read..end]);
            read += count;
            match outcome {
                ChunkStep::More => {}
                ChunkStep::Data(count) => {
                    data.extend_from_slice(&bytes[read..read + count]);
                    read += count;
                }
                ended => return (read, ended, data),
            }
        }
        (read, ChunkStep::More, data)
    }

    /// Reads the whole, and byte by byte. Both must give the same result.
    fn read(bytes: &[u8]) -> (usize, ChunkStep) {
        let whole = read_by(usize::MAX / 2, bytes);
        assert_eq!(whole, read_by(1, bytes), "{}", bytes.escape_ascii());
        (whole.0, whole.1)
    }

    #[test]
    fn data_is_what_the_chunks_hold() {
        let body = b"5;x=y\r\nhello\r\n1\r\n\n\r\n2\r\n\r\n\r\n0\r\n\r\nmore";
        for most in 1..body.len() {
            assert_eq!(read_by(most, body).2, b"hello\n\r\n");
        }
    }

    #[test]
    fn bodies_in_order() {
        for body in [
            "0\r\n\r\n",
            "5\r\nhello\r\n0\r\n\r\n",
            "a;x\r\n0123456789\r\n000;y=z;w=\"a;\\\"b\\\\ \"\r\n\r\n",
            "0\r\nx: y\r\nz:\r\n\r\n",
            "1;x;y\r\n\n\r\n0\r\n\r\n",
        ] {
            let longer = format!("{body}GET / HTTP/1.1\r\n");
            assert_eq!(read(longer.as_bytes()), (body.len(), ChunkStep::Done), "{body:?}");
            assert_eq!(read(&body.as_bytes()[..body.len() - 1]), (body.len() - 1, ChunkStep::More), "{body:?}");
        }
    }

    #[test]
    fn bodies_out_of_order() {
        for (good, bad) in [
            ("", "\r\n"),
            ("", ";x\r\n"),
            ("", " 5"),
            ("5", " \r\n"),
            ("5", "\n"),
            ("5\r", "x"),
            ("", "-1"),
            ("0", "x5"),
            ("5;", "\r\n"),
            ("5;", ";x"),
            ("5;x", " y"),
            ("5;x=", "\r\n"),
            ("5;x=\"a\"", "b"),
            ("5;x=\"", "\n"),
            ("5;x=\"\\", "\0"),
            ("5;", "\0"),
            ("5;x", "\n"),
            ("5;", " x"),
            ("5;x", "("),
            ("5;x=a", "="),
            ("5;", "=a"),
            ("5\r\nhello", "x"),
            ("5\r\nhello\r", "x"),
            ("5\r\nhello", "\n"),
            ("5\r\nhello\r\n", "\r\n"),
            ("0\r\n", "\n"),
            ("0\r\n\r", "x"),
            ("0\r\n", " x: y"),
            ("0\r\nx", " : y"),
            ("0\r\n", ": y"),
            ("0\r\nx", "\r\n"),
            ("0\r\nx: ", "\0"),
            ("0\r\nx: y\r", "z"),
            ("0\r\nx: y", "\n"),
            ("0\r\na:\r\nb:\r\n", "c:"),
            ("0123456789abcdef", "0"),
        ] {
            let (read, outcome) = read(format!("{good}{bad}").as_bytes());
            assert_eq!(read, good.len(), "{good:?} {bad:?}");
            assert!(matches!(outcome, ChunkStep::Broken(_)), "{good:?} {bad:?}: {outcome:?}");
        }
    }

    #[test]
    fn sections_are_bounded() {
        let trailer = format!("0\r\nx: {}", "y".repeat(80));
        assert_eq!(read(trailer.as_bytes()), (3 + 64, ChunkStep::Broken("the trailer section is too long")));
        let extension = format!("5;{}", "y".repeat(LONGEST_EXTENSIONS + 1));
        assert_eq!(read(extension.as_bytes()).0, 2 + LONGEST_EXTENSIONS);
        assert_eq!(read(b"ffffffffffffffff\r\nx"), (19, ChunkStep::More));
    }
}
