//! A slow and simple reader of HTTP/1 requests. Tests and the fuzz target compare the strict parser with it.
//!
//! It takes all bytes at once, looks for whole lines, and has the grammar as regular expressions. To find out whether
//! an unfinished line can still become valid, it tries to complete it with the ends in `ENDS`.
//!
//! Spec: RFC 9112 2.2, 3, 5, 6, 7.1; RFC 9110 5.6.2.

use std::sync::LazyLock;

use regex::bytes::Regex;

use super::Limits;
use super::target;

/// One request, as far as it was read.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is something else that a request says; they combine freely")]
pub struct ReferenceRequest {
    pub method: Vec<u8>,
    pub target: Vec<u8>,
    pub http_11: bool,
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
    pub keep_alive: bool,
    pub upgrade: bool,
    pub expects_continue: bool,
    pub body: Vec<u8>,
    /// The body is complete.
    pub whole: bool,
}

/// What follows the last request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// More bytes are needed.
    Waiting,
    /// A head that is refused with this status.
    Refused(u16),
    /// A body that breaks the grammar.
    Broken,
}

fn regex(pattern: &str) -> Regex {
    let token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
    let value = r"[\t\x20-\x7e\x80-\xff]*";
    let pattern = pattern.replace("TOKEN", token).replace("VALUE", value);
    Regex::new(&format!("(?s-u)^(?:{pattern})$")).unwrap_or_else(|error| panic!("{error}"))
}

static FIELD: LazyLock<Regex> = LazyLock::new(|| regex(r"(?P<name>TOKEN):(?P<value>VALUE)\r\n"));
static SIZE: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r#"(?P<size>[0-9A-Fa-f]{1,16})(?:;TOKEN(?:=(?:TOKEN|"(?:[\t\x20-\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"))?)*\r\n"#,
    )
});

/// Ends that complete an unfinished line.
const ENDS: &[&[u8]] =
    &[b"\n", b"\r\n", b"0\r\n", b"x\r\n", b":\r\n", b"x:\r\n", b"\"\r\n", b"\"\"\r\n", b"x\"\r\n", b"=x\r\n"];

fn may_become(line: &[u8], good: &Regex) -> bool {
    ENDS.iter().any(|end| good.is_match(&[line, end].concat()))
}

/// The first line of `bytes` with its line end, and whether the line is complete.
fn line_of(bytes: &[u8]) -> (&[u8], bool) {
    match bytes.iter().position(|&byte| byte == b'\n') {
        Some(end) => (&bytes[..=end], true),
        None => (bytes, false),
    }
}

/// Reads the requests in `bytes`.
pub fn read(mut bytes: &[u8], limits: &Limits) -> (Vec<ReferenceRequest>, End) {
    let mut requests = Vec::new();
    loop {
        let (mut request, framing, length) = match read_head(bytes, limits) {
            Ok(head) => head,
            Err(end) => return (requests, end),
        };
        bytes = &bytes[length..];
        let read = match framing {
            ReferenceFraming::Length(length) => read_fixed(bytes, length, &mut request),
            ReferenceFraming::Chunked => read_chunked(bytes, limits, &mut request),
        };
        request.whole = read.is_ok();
        let upgrade = request.upgrade;
        requests.push(request);
        match read {
            Ok(length) => bytes = &bytes[length..],
            Err(end) => return (requests, end),
        }
        if upgrade {
            // The server decides what follows an upgrade.
            return (requests, End::Waiting);
        }
    }
}

enum ReferenceFraming {
    Length(u64),
    Chunked,
}

fn read_head(bytes: &[u8], limits: &Limits) -> Result<(ReferenceRequest, ReferenceFraming, usize), End> {
    let start = if bytes.starts_with(b"\r\n") { 2 } else { 0 };
    if start == 0 && b"\r\n".starts_with(bytes) {
        return Err(End::Waiting);
    }
    let (line, ended) = line_of(&bytes[start..]);
    let mut request = read_request_line(line, ended, limits)?;
    let section = start + line.len();
    let mut at = section;
    loop {
        let (line, ended) = line_of(&bytes[at..]);
        if at + line.len() - section > limits.header_section {
            return Err(End::Refused(431));
        }
        if !ended {
            return Err(End::Waiting);
        }
        at += line.len();
        if line == b"\r\n" {
            let framing = framing_of(&mut request)?;
            return Ok((request, framing, at));
        }
        if !line.ends_with(b"\r\n") {
            return Err(End::Refused(400));
        }
        if request.fields.len() == limits.header_fields {
            return Err(End::Refused(431));
        }
        let field = FIELD.captures(line).ok_or(End::Refused(400))?;
        let (name, value) = (field["name"].to_ascii_lowercase(), trim(&field["value"]).to_vec());
        check_field(&name, &value, &request)?;
        request.fields.push((name, value));
    }
}

fn read_request_line(line: &[u8], ended: bool, limits: &Limits) -> Result<ReferenceRequest, End> {
    if line.len() - usize::from(ended) > limits.request_line + 1 {
        return Err(End::Refused(414));
    }
    if !ended {
        let good =
            line.first().is_none_or(|first| first.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~\r".contains(first));
        return Err(if good { End::Waiting } else { End::Refused(400) });
    }
    let line = line.strip_suffix(b"\r\n").ok_or(End::Refused(400))?;
    target::parse(line).map_err(|refusal| End::Refused(refusal.status.as_u16()))?;
    let parts: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
    let [method, target, version] = parts.as_slice() else { return Err(End::Refused(400)) };
    let http_11 = *version == b"HTTP/1.1";
    Ok(ReferenceRequest { method: method.to_vec(), target: target.to_vec(), http_11, ..ReferenceRequest::default() })
}

fn values<'a>(request: &'a ReferenceRequest, name: &str) -> Vec<&'a [u8]> {
    let fields = request.fields.iter().filter(|(other, _)| other == name.as_bytes());
    fields.map(|(_, value)| value.as_slice()).collect()
}

fn items(request: &ReferenceRequest, name: &str) -> Vec<Vec<u8>> {
    let values = values(request, name).into_iter();
    values.flat_map(|value| value.split(|&byte| byte == b',')).map(|item| trim(item).to_ascii_lowercase()).collect()
}

/// Checks what makes a head invalid as soon as this field comes.
fn check_field(name: &[u8], value: &[u8], before: &ReferenceRequest) -> Result<(), End> {
    let once = [b"host".as_slice(), b"content-length", b"content-type", b"transfer-encoding"];
    if once.contains(&name) && before.fields.iter().any(|(other, _)| other == name) {
        return Err(End::Refused(400));
    }
    let good = match name {
        b"host" => super::is_authority(value),
        b"content-length" => length_of(value).is_some(),
        b"transfer-encoding" => {
            let codings: Vec<&[u8]> = value.split(|&byte| byte == b',').map(trim).collect();
            let chunked = |coding: &&[u8]| coding.eq_ignore_ascii_case(b"chunked");
            let others = codings.split_last().filter(|(last, _)| chunked(last)).map(|(_, others)| others);
            match others {
                Some([]) => true,
                Some(others) if others.iter().all(|coding| super::field::is_token(coding) && !chunked(coding)) => {
                    return Err(End::Refused(501));
                }
                _ => false,
            }
        }
        _ => true,
    };
    if good { Ok(()) } else { Err(End::Refused(400)) }
}

fn length_of(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    text.parse::<u64>().ok().filter(|length| i64::try_from(*length).is_ok())
}

fn framing_of(request: &mut ReferenceRequest) -> Result<ReferenceFraming, End> {
    let (hosts, lengths, codings) =
        (values(request, "host"), values(request, "content-length"), values(request, "transfer-encoding"));
    let bad = request.http_11 && hosts.is_empty() || !codings.is_empty() && (!lengths.is_empty() || !request.http_11);
    if bad {
        return Err(End::Refused(400));
    }
    let length = lengths.first().and_then(|length| length_of(length)).unwrap_or(0);
    let chunked = !codings.is_empty();
    let options = items(request, "connection");
    let has = |option: &str| options.iter().any(|each| each == option.as_bytes());
    request.keep_alive = !has("close") && (request.http_11 || has("keep-alive"));
    request.upgrade =
        has("upgrade") && !values(request, "upgrade").is_empty() && request.http_11 && request.method == b"GET";
    let last = values(request, "expect").last().is_some_and(|value| value.eq_ignore_ascii_case(b"100-continue"));
    request.expects_continue = last && request.http_11 && (chunked || length > 0);
    Ok(if chunked { ReferenceFraming::Chunked } else { ReferenceFraming::Length(length) })
}

fn trim(value: &[u8]) -> &[u8] {
    let blank = |byte: &u8| *byte == b' ' || *byte == b'\t';
    let start = value.iter().position(|byte| !blank(byte)).unwrap_or(value.len());
    let end = value.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
    &value[start..end]
}

fn read_fixed(bytes: &[u8], length: u64, request: &mut ReferenceRequest) -> Result<usize, End> {
    let here = usize::try_from(length).map_or(bytes.len(), |length| length.min(bytes.len()));
    request.body.extend_from_slice(&bytes[..here]);
    if here as u64 == length { Ok(here) } else { Err(End::Waiting) }
}

fn read_chunked(bytes: &[u8], limits: &Limits, request: &mut ReferenceRequest) -> Result<usize, End> {
    let mut at = 0;
    loop {
        let line = whole_line(&bytes[at..], &SIZE)?;
        at += line.len();
        let size =
            SIZE.captures(line).map_or(0, |line| u64::from_str_radix(&text(&line["size"]), 16).unwrap_or(u64::MAX));
        if size == 0 {
            return bounded_trailers(&bytes[at..], limits).map(|length| at + length);
        }
        let data = usize::try_from(size).map_or(bytes.len() - at, |size| size.min(bytes.len() - at));
        request.body.extend_from_slice(&bytes[at..at + data]);
        at += data;
        if (data as u64) < size {
            return Err(End::Waiting);
        }
        let end = &bytes[at..bytes.len().min(at + 2)];
        if !b"\r\n".starts_with(end) {
            return Err(End::Broken);
        }
        if end.len() < 2 {
            return Err(End::Waiting);
        }
        at += 2;
    }
}

fn bounded_trailers(bytes: &[u8], limits: &Limits) -> Result<usize, End> {
    match read_trailers(bytes, limits) {
        Ok(length) if length > limits.header_section => Err(End::Broken),
        Err(End::Waiting) if bytes.len() > limits.header_section => Err(End::Broken),
        read => read,
    }
}

fn read_trailers(bytes: &[u8], limits: &Limits) -> Result<usize, End> {
    let (mut at, mut count) = (0, 0);
    loop {
        let rest = &bytes[at..];
        if b"\r\n".starts_with(rest) && rest.len() < 2 {
            return Err(End::Waiting);
        }
        if rest.starts_with(b"\r\n") {
            return Ok(at + 2);
        }
        if rest.starts_with(b"\r") {
            return Err(End::Broken);
        }
        count += 1;
        if count > limits.header_fields {
            return Err(End::Broken);
        }
        at += whole_line(rest, &FIELD)?.len();
    }
}

/// The first line of `bytes`, which must match `good`.
fn whole_line<'a>(bytes: &'a [u8], good: &Regex) -> Result<&'a [u8], End> {
    let (line, ended) = line_of(bytes);
    match ended {
        true if good.is_match(line) => Ok(line),
        false if may_become(line, good) => Err(End::Waiting),
        _ => Err(End::Broken),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
