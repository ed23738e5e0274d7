//! The format of the access log, compiled once into literal text and atoms.
//!
//! The atoms are those of gunicorn, and some more.
//!
//! Spec: gunicorn's `access_log_format`; the Common and Combined Log Formats.

use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, REFERER, USER_AGENT};

use crate::config::startup_error::StartupError;

const TEXT: &str = "%(time)s %(client)s \"%(r)s\" %(s)s %(B)s %(duration)sms %(app)s";
const COMMON: &str = "%(h)s %(l)s %(u)s %(t)s \"%(r)s\" %(s)s %(b)s";
const COMBINED: &str = "%(h)s %(l)s %(u)s %(t)s \"%(r)s\" %(s)s %(b)s \"%(f)s\" \"%(a)s\"";

/// The keys and atoms of the `json` format, in this order.
const JSON: [(&str, &str); 16] = [
    ("time", "time"),
    ("client", "client"),
    ("method", "m"),
    ("target", "target"),
    ("protocol", "H"),
    ("status", "s"),
    ("bytes", "B"),
    ("duration_ms", "duration"),
    ("queue_ms", "queue"),
    ("app", "app"),
    ("rule", "rule"),
    ("route", "route"),
    ("request_id", "request_id"),
    ("trace_id", "trace_id"),
    ("referer", "f"),
    ("user_agent", "a"),
];

/// One value in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Atom {
    /// Always `-`, in the place of the user from `identd`.
    Nothing,
    /// `address:port` of the client.
    Client,
    /// The address of the client.
    Address,
    /// The port of the client.
    Port,
    /// The user of basic authentication. The number is the place of the header field in `NeededValues`.
    User(usize),
    /// `2026-01-31T12:00:00.123Z`.
    Time,
    /// `[31/Jan/2026:12:00:00 +0000]`.
    CommonTime,
    /// The request line.
    Line,
    /// The method.
    Method,
    /// The path and the query.
    Target,
    /// The path.
    Path,
    /// The query.
    Query,
    /// The version of HTTP.
    Protocol,
    /// The status.
    Status,
    /// The number of body bytes.
    Bytes,
    /// The number of body bytes, or `-` if it is 0.
    BytesIfAny,
    /// The duration in whole seconds.
    Seconds,
    /// The duration in whole milliseconds.
    Milliseconds,
    /// The duration in microseconds.
    Microseconds,
    /// The duration in seconds, with six decimals.
    DecimalSeconds,
    /// The duration in milliseconds, with three decimals.
    Duration,
    /// The time until the application was called, in milliseconds.
    Queue,
    /// The process id.
    Process,
    /// The name of the application that answered.
    App,
    /// The rule that decided which application answers.
    Rule,
    /// The prefix or route that decided it.
    Route,
    /// The request id.
    RequestId,
    /// The trace id.
    TraceId,
    /// A header field of the request, by its place in `NeededValues`.
    RequestField(usize),
    /// A header field of the response, by its place in `NeededValues`.
    ResponseField(usize),
}

/// A part of a line.
#[derive(Debug, PartialEq, Eq)]
pub enum LinePart {
    /// Text that is the same in every line.
    Literal(String),
    /// A value of the request.
    Atom(Atom),
}

/// The form of a line.
#[derive(Debug)]
pub enum Shape {
    /// Text: its parts, in order.
    Text(Vec<LinePart>),
    /// A JSON object: the text before each value, and the value.
    Json(Vec<(String, Atom)>),
}

/// What must be kept of a request because the format needs it.
#[derive(Debug, Default)]
pub struct NeededValues {
    /// Header fields of the request.
    pub request: Vec<HeaderName>,
    /// Header fields of the response.
    pub response: Vec<HeaderName>,
    /// What decided which application answers.
    pub decision: bool,
    /// The time until the application was called.
    pub queue: bool,
    /// The trace id.
    pub trace: bool,
}

/// A compiled format.
#[derive(Debug)]
pub struct LineFormat {
    /// The form of a line.
    pub shape: Shape,
    /// What the line needs.
    pub wanted: NeededValues,
}

impl LineFormat {
    /// Compiles `text`, `common`, `combined`, `json`, or a format with `%(atom)s` in it.
    ///
    /// # Errors
    /// When the format has an unknown atom.
    pub fn compile(format: &str) -> Result<Self, StartupError> {
        let mut wanted = NeededValues::default();
        let shape = match format {
            "json" => {
                let before = |place| if place == 0 { "{" } else { ", " };
                let keys = JSON
                    .iter()
                    .enumerate()
                    .map(|(place, &(key, name))| Some((format!("{}\"{key}\": ", before(place)), wanted.atom(name)?)));
                Shape::Json(keys.collect::<Option<_>>().unwrap_or_default())
            }
            "text" => Shape::Text(wanted.pieces(TEXT)?),
            "common" => Shape::Text(wanted.pieces(COMMON)?),
            "combined" => Shape::Text(wanted.pieces(COMBINED)?),
            other if other.contains('%') => Shape::Text(wanted.pieces(other)?),
            other => return Err(wrong(&format!("`{other}` is not a format of the access log"))),
        };
        Ok(Self { shape, wanted })
    }
}

fn wrong(message: &str) -> StartupError {
    let hint = "`--access-log-format` takes text, common, combined, json, or a text with atoms such as \
                '%(h)s \"%(r)s\" %(s)s'; docs/logs.md lists the atoms";
    StartupError::new(message, hint)
}

impl NeededValues {
    fn pieces(&mut self, format: &str) -> Result<Vec<LinePart>, StartupError> {
        if format.contains(['\n', '\r']) {
            return Err(wrong("the format of the access log contains a line break"));
        }
        let (mut pieces, mut literal, mut rest) = (Vec::new(), String::new(), format);
        while let Some((before, after)) = rest.split_once('%') {
            literal.push_str(before);
            if let Some(after) = after.strip_prefix('%') {
                literal.push('%');
                rest = after;
                continue;
            }
            let atom = after.strip_prefix('(').and_then(|after| after.split_once(')'));
            let atom = atom.and_then(|(name, after)| Some((name, after.strip_prefix(['s', 'd'])?)));
            let Some((name, after)) = atom else {
                return Err(wrong(&format!(
                    "`%{after}` in the format of the access log is not an atom: atoms look like `%(h)s`"
                )));
            };
            let atom = self
                .atom(name)
                .ok_or_else(|| wrong(&format!("`%({name})s` in the format of the access log is not a known atom")))?;
            if !literal.is_empty() {
                pieces.push(LinePart::Literal(std::mem::take(&mut literal)));
            }
            pieces.push(LinePart::Atom(atom));
            rest = after;
        }
        literal.push_str(rest);
        pieces.push(LinePart::Literal(literal));
        Ok(pieces)
    }

    fn atom(&mut self, name: &str) -> Option<Atom> {
        if let Some((field, kind)) = name.strip_prefix('{').and_then(|name| name.rsplit_once('}')) {
            return match kind {
                "i" => Some(self.request_field(HeaderName::from_bytes(field.as_bytes()).ok()?)),
                "o" => {
                    let name = HeaderName::from_bytes(field.as_bytes()).ok()?;
                    Some(Atom::ResponseField(place(&mut self.response, name)))
                }
                "e" => self.variable(field),
                _ => None,
            };
        }
        self.decision |= matches!(name, "rule" | "route");
        self.queue |= name == "queue";
        self.trace |= name == "trace_id";
        Some(match name {
            "a" => self.request_field(USER_AGENT),
            "f" => self.request_field(REFERER),
            "u" => Atom::User(place(&mut self.request, AUTHORIZATION)),
            "h" => Atom::Address,
            "l" => Atom::Nothing,
            "t" => Atom::CommonTime,
            "r" => Atom::Line,
            "s" => Atom::Status,
            "m" => Atom::Method,
            "U" => Atom::Path,
            "q" => Atom::Query,
            "H" => Atom::Protocol,
            "B" => Atom::Bytes,
            "b" => Atom::BytesIfAny,
            "T" => Atom::Seconds,
            "D" => Atom::Microseconds,
            "M" => Atom::Milliseconds,
            "L" => Atom::DecimalSeconds,
            "p" => Atom::Process,
            "time" => Atom::Time,
            "client" => Atom::Client,
            "target" => Atom::Target,
            "duration" => Atom::Duration,
            "queue" => Atom::Queue,
            "app" => Atom::App,
            "rule" => Atom::Rule,
            "route" => Atom::Route,
            "request_id" => Atom::RequestId,
            "trace_id" => Atom::TraceId,
            _ => return None,
        })
    }

    fn request_field(&mut self, name: HeaderName) -> Atom {
        Atom::RequestField(place(&mut self.request, name))
    }

    /// A variable of the `environ`, if the server knows it without the application.
    fn variable(&mut self, name: &str) -> Option<Atom> {
        Some(match name {
            "REQUEST_METHOD" => Atom::Method,
            "REQUEST_URI" | "RAW_URI" => Atom::Target,
            "QUERY_STRING" => Atom::Query,
            "SERVER_PROTOCOL" => Atom::Protocol,
            "REMOTE_ADDR" => Atom::Address,
            "REMOTE_PORT" => Atom::Port,
            "CONTENT_TYPE" => self.request_field(CONTENT_TYPE),
            "CONTENT_LENGTH" => self.request_field(CONTENT_LENGTH),
            "rsgi.request_id" => Atom::RequestId,
            _ => {
                let field = name.strip_prefix("HTTP_")?.replace('_', "-");
                self.request_field(HeaderName::from_bytes(field.as_bytes()).ok()?)
            }
        })
    }
}

/// The index of `name` in `names`. Adds it if it is missing.
fn place(names: &mut Vec<HeaderName>, name: HeaderName) -> usize {
    names.iter().position(|other| *other == name).unwrap_or_else(|| {
        names.push(name);
        names.len() - 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_named_formats_have_atoms_that_there_are() {
        for name in ["text", "common", "combined"] {
            assert!(LineFormat::compile(name).is_ok(), "{name}");
        }
        let Ok(LineFormat { shape: Shape::Json(keys), .. }) = LineFormat::compile("json") else { panic!("no object") };
        assert_eq!(keys.len(), JSON.len());
    }

    #[test]
    fn what_is_no_atom_is_an_error() {
        for format in [
            "",
            "apache",
            "%h",
            "%(h)",
            "%(x)s",
            "%(h",
            "100%",
            "%({a b}i)s",
            "%({PATH}e)s",
            "%({a}x)s",
            "%(h)s\n%(s)s",
        ] {
            assert!(LineFormat::compile(format).is_err(), "{format:?}");
        }
    }

    #[test]
    fn pieces_follow_each_other() {
        let Ok(format) = LineFormat::compile("a%%b %(h)s %({X-Id}i)s%({x-id}i)s") else { panic!("it is one") };
        let Shape::Text(pieces) = format.shape else { panic!("it is text") };
        let literal = |text: &str| LinePart::Literal(text.to_owned());
        let field = || LinePart::Atom(Atom::RequestField(0));
        let expected = [literal("a%b "), LinePart::Atom(Atom::Address), literal(" "), field(), field(), literal("")];
        assert_eq!(pieces, expected);
        assert_eq!(format.wanted.request, ["x-id"]);
    }
}
