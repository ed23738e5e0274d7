//! Writes the head of a response: the application's fields in their order, then the server's fields, the framing of the
//! body, and the date.
//!
//! `responding` decides what the head says.
//!
//! Spec: RFC 9112 4, 5, 6.1, 6.2, 9.3, 9.6; RFC 9110 6.6.1 (`Date`), 10.2.4.

use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

use http::header::{CONTENT_LENGTH, DATE, HeaderName, HeaderValue, SERVER, TRAILER};
use http::{HeaderMap, StatusCode};
use rsgi_bridge::response::response_head::ResponseHead;

use crate::response::own_fields::OwnFields;

/// What a head says about its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Says {
    /// Nothing: the connection continues, or switches protocols.
    Nothing,
    /// The connection closes because the server wants it. Written before the server's own fields.
    Close,
    /// The connection closes because the client wants it. Written after the server's own fields.
    Closes,
    /// The connection continues, although the client speaks HTTP/1.0.
    KeepAlive,
}

/// What a head says about the length of its body, in addition to the application's fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    /// Nothing.
    Unsaid,
    /// The length in bytes.
    Known(u64),
    /// The body comes in chunks.
    Chunked,
}

/// Everything that is added to the application's head.
#[derive(Debug)]
pub(super) struct Beside<'a> {
    /// The client speaks HTTP/1.1, not 1.0.
    pub(super) http_11: bool,
    pub(super) says: Says,
    pub(super) length: Length,
    /// Whether trailers may follow. Otherwise `Trailer` is left out.
    pub(super) trailers: bool,
    pub(super) own: &'a OwnFields,
    /// The request id.
    pub(super) id: Option<&'a HeaderValue>,
    pub(super) dated: bool,
}

/// Writes a head.
pub(super) fn write(out: &mut Vec<u8>, head: &ResponseHead, beside: &Beside<'_>) {
    status_line(out, head, beside.http_11);
    let (mut server, mut date, mut id) = (beside.own.server.as_ref(), beside.dated, beside.id);
    for (name, value) in head.fields.iter() {
        match name.as_str().len() {
            4 if *name == DATE => date = false,
            6 if *name == SERVER => server = None,
            7 if *name == TRAILER && !beside.trailers => continue,
            _ => {}
        }
        if id.is_some() && beside.own.request_id.as_ref() == Some(name) {
            id = None;
        }
        field(out, name, value.as_bytes());
    }
    if beside.says == Says::Close {
        out.extend_from_slice(b"connection: close\r\n");
    }
    if let Some(server) = server {
        field(out, &SERVER, server.as_bytes());
    }
    if let (Some(name), Some(id)) = (&beside.own.request_id, id) {
        field(out, name, id.as_bytes());
    }
    match beside.says {
        Says::Closes => out.extend_from_slice(b"connection: close\r\n"),
        Says::KeepAlive => out.extend_from_slice(b"connection: keep-alive\r\n"),
        Says::Nothing | Says::Close => {}
    }
    match beside.length {
        Length::Unsaid => {}
        Length::Known(length) => field(out, &CONTENT_LENGTH, itoa::Buffer::new().format(length).as_bytes()),
        Length::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
    }
    if date {
        date_line(out);
    }
    out.extend_from_slice(b"\r\n");
}

fn status_line(out: &mut Vec<u8>, head: &ResponseHead, http_11: bool) {
    if http_11 && head.status == StatusCode::OK && head.reason.is_none() {
        return out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    }
    out.extend_from_slice(if http_11 { b"HTTP/1.1 " } else { b"HTTP/1.0 " });
    out.extend_from_slice(head.status.as_str().as_bytes());
    out.push(b' ');
    let usual = || head.status.canonical_reason().unwrap_or("<none>").as_bytes();
    out.extend_from_slice(head.reason.as_deref().unwrap_or_else(usual));
    out.extend_from_slice(b"\r\n");
}

fn field(out: &mut Vec<u8>, name: &HeaderName, value: &[u8]) {
    let name = name.as_str().as_bytes();
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Writes the end of a chunked body: the last chunk and the trailers.
pub(super) fn last_chunk(out: &mut Vec<u8>, trailers: &HeaderMap) {
    out.extend_from_slice(b"0\r\n");
    for (name, value) in trailers {
        field(out, name, value.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

const DATE_LINE: usize = "date: Sun, 06 Nov 1994 08:49:37 GMT\r\n".len();

thread_local! {
    /// The date line of the current second, which many responses share.
    static TODAY: RefCell<(u64, [u8; DATE_LINE])> = const { RefCell::new((0, [0; DATE_LINE])) };
}

fn date_line(out: &mut Vec<u8>) {
    TODAY.with_borrow_mut(|(second, line)| {
        let now = SystemTime::now();
        let at = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if at != *second || line.starts_with(b"\0") {
            *second = at;
            let text = format!("date: {}\r\n", httpdate::fmt_http_date(now));
            line.iter_mut().zip(text.bytes()).for_each(|(place, byte)| *place = byte);
        }
        out.extend_from_slice(line);
    });
}

#[cfg(test)]
mod tests {
    use rsgi_bridge::response::response_fields::ResponseFields;

    use super::*;

    fn written(head: &ResponseHead, says: Says, length: Length) -> String {
        let own = OwnFields { server: Some(HeaderValue::from_static("rsgi")), request_id: None, served_by: false };
        let beside = Beside { http_11: true, says, length, trailers: false, own: &own, id: None, dated: false };
        let mut out = Vec::new();
        write(&mut out, head, &beside);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_applications_fields_come_first_and_in_its_order() {
        let fields = [("set-cookie", "a"), ("x-between", "1"), ("set-cookie", "b")];
        let fields = fields.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let head = ResponseHead::own(StatusCode::OK, ResponseFields::from_iter(fields));
        assert_eq!(
            written(&head, Says::Closes, Length::Known(3)),
            "HTTP/1.1 200 OK\r\nset-cookie: a\r\nx-between: 1\r\nset-cookie: b\r\nserver: rsgi\r\n\
             connection: close\r\ncontent-length: 3\r\n\r\n"
        );
    }

    #[test]
    fn what_the_application_says_is_not_said_again() {
        let mut headers = HeaderMap::new();
        headers.insert(SERVER, HeaderValue::from_static("mine"));
        let head = ResponseHead::own(StatusCode::from_u16(299).unwrap(), headers);
        assert_eq!(
            written(&head, Says::Nothing, Length::Chunked),
            "HTTP/1.1 299 <none>\r\nserver: mine\r\ntransfer-encoding: chunked\r\n\r\n"
        );
    }

    #[test]
    fn the_date_is_one_line() {
        let mut out = Vec::new();
        date_line(&mut out);
        assert!(out.starts_with(b"date: ") && out.ends_with(b" GMT\r\n"), "{}", out.escape_ascii());
    }
}
