//! One line of the access log, made from the data that a request keeps.
//!
//! A request keeps little. The writing thread makes the line. Nothing that a client or an application sends can break out
//! of its place in the line.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::basic_user::user;
use super::format::{Atom, Format, Piece, Shape, Wanted};
use crate::head::{RequestHead, protocol};
use crate::identity::trace_id;
use crate::timestamp::{Clock, push_padded};
use crate::wire::refused_path;

/// What is kept of one request for its line, only when the log is on.
#[derive(Debug)]
pub struct Entry {
    client: Option<(String, u16)>,
    asked: Asked,
    request_id: Option<HeaderValue>,
    trace_id: Option<String>,
    request: Fields,
    /// The fields of the answer, once there is one.
    pub response: Fields,
    /// The microseconds until the application was called, and one more; 0 before.
    queued: Option<Arc<AtomicU64>>,
    /// The rule that decided who answers.
    pub rule: Option<String>,
    /// The prefix or route that did.
    pub route: Option<String>,
    /// What became of it.
    pub outcome: Outcome,
}

/// Fields that the format asks for, in its order.
pub type Fields = Vec<Option<Box<[u8]>>>;

#[derive(Debug)]
enum Asked {
    Request {
        method: Method,
        target: Vec<u8>,
        protocol: &'static str,
    },
    /// The line as it came, where it was no request.
    Line(Vec<u8>),
}

/// What became of a request.
#[derive(Debug)]
pub struct Outcome {
    /// When it was over.
    pub ended: SystemTime,
    /// How long it took.
    pub took: Duration,
    /// The status of the answer; 0 when there was none.
    pub status: u16,
    /// Body bytes that were handed to the connection.
    pub bytes: u64,
    /// Who answered.
    pub app: Option<Arc<str>>,
}

impl Entry {
    /// What is to be kept of a request. Copies: what hyper has read is not to wait here.
    pub fn new(head: &RequestHead, wanted: &Wanted) -> Self {
        let headers = &head.parts.headers;
        let target = refused_path(headers).unwrap_or_else(|| head.target().into_owned().into_bytes());
        let (method, protocol) = (head.parts.method.clone(), protocol(head.parts.version));
        Self {
            client: head.peer.client.clone(),
            asked: Asked::Request { method, target, protocol },
            request_id: head.request_id.clone(),
            trace_id: trace_id(headers).filter(|_| wanted.trace).map(str::to_owned),
            request: kept(headers, &wanted.request),
            response: Vec::new(),
            queued: head.queued.clone(),
            rule: None,
            route: None,
            outcome: Outcome { ended: SystemTime::UNIX_EPOCH, took: Duration::ZERO, status: 0, bytes: 0, app: None },
        }
    }

    /// What the client sent in place of the request that hyper has.
    pub fn asked_with(&mut self, line: &[u8]) {
        self.asked = Asked::Line(line.to_vec());
    }

    /// Adds the line, with its end.
    pub fn write(&self, format: &Format, clock: &mut Clock, line: &mut String) {
        match &format.shape {
            Shape::Text(pieces) => {
                for piece in pieces {
                    match piece {
                        Piece::Literal(text) => line.push_str(text),
                        Piece::Atom(atom) => self.value(*atom).write_text(clock, line),
                    }
                }
            }
            Shape::Json(keys) => {
                for (before, atom) in keys {
                    line.push_str(before);
                    self.value(*atom).write_json(clock, line);
                }
                line.push('}');
            }
        }
        line.push('\n');
    }

    fn value(&self, atom: Atom) -> Value<'_> {
        let Outcome { ended, took, status, bytes, app } = &self.outcome;
        match atom {
            Atom::Nothing => Value::Nothing,
            Atom::Client => Value::Ours(self.client().into()),
            Atom::Address => Value::Ours(self.client.as_ref().map_or("unix", |(address, _)| address).into()),
            Atom::Port => self.client.as_ref().map_or(Value::Nothing, |(_, port)| Value::Number((*port).into())),
            Atom::User(place) => field(&self.request, place).and_then(user).map_or(Value::Nothing, Value::Theirs),
            Atom::Time => Value::Time(*ended),
            Atom::CommonTime => Value::CommonTime(*ended),
            Atom::Line | Atom::Method | Atom::Target | Atom::Path | Atom::Query | Atom::Protocol => self.asked(atom),
            Atom::Status => Value::Number((*status).into()),
            Atom::BytesIfAny if *bytes == 0 => Value::Nothing,
            Atom::Bytes | Atom::BytesIfAny => Value::Number(*bytes),
            Atom::Seconds => Value::Number(took.as_secs()),
            Atom::Milliseconds => Value::Number(number(took.as_millis())),
            Atom::Microseconds => Value::Number(number(took.as_micros())),
            Atom::DecimalSeconds => Value::Decimal(took.as_secs(), took.subsec_micros().into(), 6),
            Atom::Duration => thousandths(number(took.as_nanos().saturating_add(500) / 1000)),
            Atom::Queue => self.queue(),
            Atom::Process => Value::Ours(format!("<{}>", std::process::id()).into()),
            Atom::App => app.as_deref().map_or(Value::Nothing, |app| Value::Theirs(app.as_bytes().into())),
            Atom::Rule => text(self.rule.as_deref()),
            Atom::Route => text(self.route.as_deref()),
            Atom::RequestId => text(self.request_id.as_ref().and_then(|id| id.to_str().ok())),
            Atom::TraceId => text(self.trace_id.as_deref()),
            Atom::RequestField(place) => theirs(&self.request, place),
            Atom::ResponseField(place) => theirs(&self.response, place),
        }
    }

    fn asked(&self, atom: Atom) -> Value<'_> {
        let (method, target, protocol) = match &self.asked {
            Asked::Request { method, target, protocol } => (method, target, *protocol),
            Asked::Line(line) if matches!(atom, Atom::Line | Atom::Target) => {
                return Value::Theirs(line.as_slice().into());
            }
            Asked::Line(_) => return Value::Nothing,
        };
        let mut halves = target.splitn(2, |byte| *byte == b'?');
        match atom {
            Atom::Method => Value::Theirs(method.as_str().as_bytes().into()),
            Atom::Protocol => Value::Ours(protocol.into()),
            Atom::Path => Value::Theirs(halves.next().unwrap_or_default().into()),
            Atom::Query => Value::Theirs(halves.nth(1).unwrap_or_default().into()),
            Atom::Line => {
                let line = [method.as_str().as_bytes(), b" ", target, b" ", protocol.as_bytes()].concat();
                Value::Theirs(line.into())
            }
            _ => Value::Theirs(target.as_slice().into()),
        }
    }

    fn client(&self) -> String {
        match &self.client {
            // A proxy need not tell the port.
            Some((address, 0)) => address.clone(),
            Some((address, port)) => {
                let (mut buffer, is_ipv6) = (itoa::Buffer::new(), address.contains(':'));
                let (before, after) = if is_ipv6 { ("[", "]:") } else { ("", ":") };
                [before, address, after, buffer.format(*port)].concat()
            }
            None => "unix".to_owned(),
        }
    }

    /// A request that no application was called for has waited for none.
    fn queue(&self) -> Value<'_> {
        let micros = self.queued.as_ref().map_or(0, |queued| queued.load(Ordering::Relaxed));
        match micros.checked_sub(1) {
            Some(micros) => thousandths(micros),
            None => Value::Nothing,
        }
    }
}

/// What an atom stands for.
enum Value<'a> {
    Nothing,
    Number(u64),
    /// A number before a point, and one behind it that has so many digits.
    Decimal(u64, u64, usize),
    Time(SystemTime),
    CommonTime(SystemTime),
    /// Text of our own, which needs no care.
    Ours(Cow<'a, str>),
    /// What others chose.
    Theirs(Cow<'a, [u8]>),
}

impl Value<'_> {
    fn write_text(self, clock: &mut Clock, line: &mut String) {
        match self {
            Self::Nothing => line.push('-'),
            Self::Number(number) => line.push_str(itoa::Buffer::new().format(number)),
            Self::Decimal(whole, part, digits) => {
                line.push_str(itoa::Buffer::new().format(whole));
                line.push('.');
                push_padded(line, part, digits);
            }
            Self::Time(time) => clock.write(time, line),
            Self::CommonTime(time) => {
                line.push('[');
                clock.write_common(time, line);
                line.push(']');
            }
            Self::Ours(text) => line.push_str(&text),
            Self::Theirs(bytes) => line.push_str(&printable(&bytes)),
        }
    }

    fn write_json(self, clock: &mut Clock, line: &mut String) {
        match self {
            Self::Nothing => line.push_str("null"),
            Self::Ours(text) => push_json(line, &text),
            Self::Theirs(bytes) => match std::str::from_utf8(&bytes) {
                Ok(text) => push_json(line, text),
                // Not UTF-8: each byte is the character of its number, as applications see it.
                Err(_) => push_json(line, &latin1(&bytes)),
            },
            time @ (Self::Time(_) | Self::CommonTime(_)) => {
                line.push('"');
                time.write_text(clock, line);
                line.push('"');
            }
            number @ (Self::Number(_) | Self::Decimal(..)) => number.write_text(clock, line),
        }
    }
}

/// The values of the fields `names`. Copies.
pub fn kept(headers: &HeaderMap, names: &[HeaderName]) -> Fields {
    names.iter().map(|name| headers.get(name).map(|value| value.as_bytes().into())).collect()
}

fn field(fields: &Fields, place: usize) -> Option<&[u8]> {
    fields.get(place)?.as_deref()
}

fn theirs(fields: &Fields, place: usize) -> Value<'_> {
    field(fields, place).map_or(Value::Nothing, |bytes| Value::Theirs(bytes.into()))
}

fn text(text: Option<&str>) -> Value<'_> {
    text.map_or(Value::Nothing, |text| Value::Theirs(text.as_bytes().into()))
}

/// Adds text as JSON has it. Most of it needs no care.
fn push_json(line: &mut String, text: &str) {
    if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        line.push('"');
        line.push_str(text);
        line.push('"');
    } else {
        line.push_str(&crate::log::json_text(text));
    }
}

/// A number of thousandths, as a number with three decimals.
fn thousandths(number: u64) -> Value<'static> {
    Value::Decimal(number / 1000, number % 1000, 3)
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

fn number(value: u128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

/// What would end a quoted text, and what is no visible ASCII, is written as `\xNN`.
fn printable(line: &[u8]) -> String {
    let mut text = String::with_capacity(line.len());
    for &byte in line {
        if matches!(byte, b'"' | b'\\') || !(b' '..=b'~').contains(&byte) {
            // Writing to a String cannot fail.
            let _infallible = write!(text, "\\x{byte:02x}");
        } else {
            text.push(char::from(byte));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_sent_cannot_end_its_place_in_the_line() {
        assert_eq!(printable(b"GET /it's~%22 HTTP/1.1"), "GET /it's~%22 HTTP/1.1");
        assert_eq!(printable(b"GET /\"\\x\xe9\n\x1b"), "GET /\\x22\\x5cx\\xe9\\x0a\\x1b");
    }
}
