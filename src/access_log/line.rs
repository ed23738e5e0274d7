//! One line of the access log, made from the data that a request keeps.
//!
//! A request keeps little data, and makes the line when it ends. Whatever a client or an application sends, it cannot
//! forge another value or another line.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use http::{HeaderName, HeaderValue, Method, Version};

use super::basic_user::user;
use super::format::{Atom, LineFormat, LinePart, NeededValues, Shape};
use super::notation::{Json, LineText, Notation};
use crate::log::timestamp::Clock;
use crate::request::head::{Peer, RequestHead, protocol};
use crate::request::identity::trace_id;
use crate::wire::{REFUSED_PATH, refused_path};

/// The data of one request for its line. Only kept if the log is on.
#[derive(Debug)]
pub struct LogEntry {
    peer: Arc<Peer>,
    request_line: LoggedRequest,
    request_id: Option<HeaderValue>,
    trace_id: Option<String>,
    request: LoggedFields,
    /// The header fields of the response, once there is one.
    pub response: LoggedFields,
    /// One more than the microseconds until the application was called; 0 if it was not called yet.
    queued: Option<Arc<AtomicU64>>,
    /// The rule that decided which application answers.
    pub rule: Option<String>,
    /// The prefix or route that decided it.
    pub route: Option<String>,
    /// How the request ended.
    pub outcome: Outcome,
}

/// The header fields that the format needs, in its order.
pub type LoggedFields = Vec<Option<Box<[u8]>>>;

#[derive(Debug)]
enum LoggedRequest {
    Request {
        method: Method,
        target: Vec<u8>,
        protocol: &'static str,
    },
    /// The first line as it came, if it was not a request.
    Line(Vec<u8>),
}

/// How a request ended.
#[derive(Debug)]
pub struct Outcome {
    /// The time of the end.
    pub ended: SystemTime,
    /// The duration.
    pub took: Duration,
    /// The status of the response; 0 if there was none.
    pub status: u16,
    /// Body bytes that were given to the connection.
    pub bytes: u64,
    /// The name of the application that answered.
    pub app: Option<Arc<str>>,
}

impl LogEntry {
    /// Keeps the data of a request. Values are copied, so that the buffers of the connection are not held.
    pub fn new(head: &RequestHead, wanted: &NeededValues) -> Self {
        let fields = &head.parts.fields;
        let refused =
            if head.parts.version == Version::HTTP_2 { fields.get(REFUSED_PATH).map(refused_path) } else { None };
        let target = refused.unwrap_or_else(|| head.target().into_owned().into_bytes());
        let (method, protocol) = (head.parts.method.clone(), protocol(head.parts.version));
        let request_line = LoggedRequest::Request { method, target, protocol };
        Self {
            trace_id: if wanted.trace { trace_id(fields).map(str::to_owned) } else { None },
            request: kept(&wanted.request, |name| fields.get(name.as_str())),
            queued: head.queued.clone(),
            ..Self::with(Arc::clone(&head.peer), request_line, head.request_id.clone())
        }
    }

    /// Keeps the data of bytes that are not a request. `line` is their first line.
    pub fn refused(peer: Arc<Peer>, line: Vec<u8>, request_id: Option<HeaderValue>, wanted: &NeededValues) -> Self {
        let request = kept(&wanted.request, |_| None);
        Self { request, ..Self::with(peer, LoggedRequest::Line(line), request_id) }
    }

    fn with(peer: Arc<Peer>, request_line: LoggedRequest, request_id: Option<HeaderValue>) -> Self {
        Self {
            peer,
            request_line,
            request_id,
            trace_id: None,
            request: Vec::new(),
            response: Vec::new(),
            queued: None,
            rule: None,
            route: None,
            outcome: Outcome { ended: SystemTime::UNIX_EPOCH, took: Duration::ZERO, status: 0, bytes: 0, app: None },
        }
    }

    /// Appends the line with its line end.
    pub fn write(&self, format: &LineFormat, clock: &mut Clock, line: &mut Vec<u8>) {
        match &format.shape {
            Shape::Text(pieces) => {
                let mut text = LineText { line, clock };
                for piece in pieces {
                    match piece {
                        LinePart::Literal(literal) => text.line.extend_from_slice(literal.as_bytes()),
                        LinePart::Atom(atom) => self.put(*atom, &mut text),
                    }
                }
            }
            Shape::Json(keys) => {
                let mut json = Json { line, clock };
                for (before, atom) in keys {
                    json.line.extend_from_slice(before.as_bytes());
                    self.put(*atom, &mut json);
                }
                line.push(b'}');
            }
        }
        line.push(b'\n');
    }

    fn put(&self, atom: Atom, to: &mut impl Notation) {
        let Outcome { ended, took, status, bytes, app } = &self.outcome;
        match atom {
            Atom::Nothing => to.nothing(),
            Atom::Client => self.put_client(to),
            Atom::Address => to.ours(&[self.peer.client().map_or("unix", |(address, _)| address)]),
            Atom::Port => match self.peer.client() {
                Some((_, port)) => to.number(port.into()),
                None => to.nothing(),
            },
            Atom::User(place) => to.theirs_if_any(field(&self.request, place).and_then(user).as_deref()),
            Atom::Time => to.time(*ended),
            Atom::CommonTime => to.common_time(*ended),
            Atom::Line | Atom::Method | Atom::Target | Atom::Path | Atom::Query | Atom::Protocol => {
                self.put_request_line(atom, to);
            }
            Atom::Status => to.number((*status).into()),
            Atom::BytesIfAny if *bytes == 0 => to.nothing(),
            Atom::Bytes | Atom::BytesIfAny => to.number(*bytes),
            Atom::Seconds => to.number(took.as_secs()),
            Atom::Milliseconds => to.number(number(took.as_millis())),
            Atom::Microseconds => to.number(number(took.as_micros())),
            Atom::DecimalSeconds => to.decimal(took.as_secs(), took.subsec_micros().into(), 6),
            Atom::Duration => thousandths(number(took.as_nanos().saturating_add(500) / 1000), to),
            Atom::Queue => self.put_queue(to),
            Atom::Process => to.ours(&["<", itoa::Buffer::new().format(std::process::id()), ">"]),
            Atom::App => to.theirs_if_any(app.as_deref().map(str::as_bytes)),
            Atom::Rule => to.theirs_if_any(self.rule.as_deref().map(str::as_bytes)),
            Atom::Route => to.theirs_if_any(self.route.as_deref().map(str::as_bytes)),
            Atom::RequestId => to.theirs_if_any(self.request_id.as_ref().map(HeaderValue::as_bytes)),
            Atom::TraceId => to.theirs_if_any(self.trace_id.as_deref().map(str::as_bytes)),
            Atom::RequestField(place) => to.theirs_if_any(field(&self.request, place)),
            Atom::ResponseField(place) => to.theirs_if_any(field(&self.response, place)),
        }
    }

    fn put_request_line(&self, atom: Atom, to: &mut impl Notation) {
        let (method, target, protocol) = match &self.request_line {
            LoggedRequest::Request { method, target, protocol } => (method.as_str(), target, *protocol),
            LoggedRequest::Line(line) if matches!(atom, Atom::Line | Atom::Target) => return to.theirs(line),
            LoggedRequest::Line(_) => return to.nothing(),
        };
        let mut halves = target.splitn(2, |byte| *byte == b'?');
        match atom {
            Atom::Method => to.ours(&[method]),
            Atom::Protocol => to.ours(&[protocol]),
            Atom::Path => to.theirs(halves.next().unwrap_or_default()),
            Atom::Query => to.theirs(halves.nth(1).unwrap_or_default()),
            Atom::Line => to.request_line(method, target, protocol),
            _ => to.theirs(target),
        }
    }

    fn put_client(&self, to: &mut impl Notation) {
        match self.peer.client() {
            // The port is 0 if a proxy did not send it.
            Some((address, 0)) => to.ours(&[address]),
            Some((address, port)) => {
                let mut digits = itoa::Buffer::new();
                let port = digits.format(port);
                if address.contains(':') {
                    to.ours(&["[", address, "]:", port]);
                } else {
                    to.ours(&[address, ":", port]);
                }
            }
            None => to.ours(&["unix"]),
        }
    }

    /// Writes the time until the application was called, or nothing if it was not called.
    fn put_queue(&self, to: &mut impl Notation) {
        let micros = self.queued.as_ref().map_or(0, |queued| queued.load(Ordering::Relaxed));
        match micros.checked_sub(1) {
            Some(micros) => thousandths(micros, to),
            None => to.nothing(),
        }
    }
}

/// Copies the values of the header fields `names`.
pub fn kept<'a>(names: &[HeaderName], value: impl Fn(&HeaderName) -> Option<&'a [u8]>) -> LoggedFields {
    names.iter().map(|name| value(name).map(Into::into)).collect()
}

fn field(fields: &LoggedFields, place: usize) -> Option<&[u8]> {
    fields.get(place)?.as_deref()
}

/// Writes a number of thousandths with three decimals.
fn thousandths(number: u64, to: &mut impl Notation) {
    to.decimal(number / 1000, number % 1000, 3);
}

fn number(value: u128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}
