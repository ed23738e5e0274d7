//! The response to a request for a file: which file, and the head of the response.
//!
//! It combines the file on the disk with what the client may already have.
//!
//! Spec: RFC 9110 8.3 (`Content-Type`), 8.8 (validators), 12.5.5 (`Vary`), 14.3, 14.4, 15.3.7, 15.4.5, 15.5.6, 15.5.13,
//! 15.5.17; RFC 9111 5.2.2; RFC 8246 (`immutable`).

use std::fmt::Write as _;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::StatusCode;
use http::header::{
    ACCEPT_RANGES, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue,
    LAST_MODIFIED, LOCATION, VARY,
};
use rsgi_bridge::request::fields::RequestFields;
use rsgi_bridge::response::response_head::ResponseHead;
use rsgi_bridge::response::sink::{FileBody, Stamp};

use super::Entry;
use super::conditions::{Validators, Verdict, judge};
use super::folder::{FoundFile, Opened, Representation, SIDECARS, is_hashed};
use super::path::Wanted;
use crate::metrics::Event;
use crate::request::error::RequestError;
use crate::request::head::RequestHead;
use crate::response::app_response::AppResponse;
use crate::response::encoding::{Accepted, Encoding};

/// Bodies up to this size are read together with the opening, in bytes. Larger ones are read piece by piece while the
/// client takes them.
const SMALL: u64 = 64 * 1024;

const INDEX: &str = "index.html";
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// HTTP dates cover the years 1970 to 9999, in seconds since 1970.
const DATES: Range<i64> = 0..253_402_300_800;

/// The parts of a request that the search needs. They go to another thread.
#[derive(Debug)]
pub struct FileRequest {
    wanted: Wanted,
    /// Where to redirect if the path names a folder without its slash.
    slashed: String,
    fields: RequestFields,
    encodings: Vec<Encoding>,
    is_head: bool,
}

impl FileRequest {
    /// A GET or HEAD for `wanted`. `below` is the raw path under the prefix.
    pub fn new(head: &RequestHead, below: &str, wanted: Wanted) -> Self {
        let query = head.parts.uri.query().map_or(String::new(), |query| format!("?{query}"));
        let last = if below.is_empty() { head.path() } else { below }.rsplit('/').next().unwrap_or_default();
        // A relative path, because a proxy may have removed a prefix. With the `./`, a colon in the name does not look
        // like a scheme.
        let slashed = format!("./{last}/{query}");
        let fields = &head.parts.fields;
        let encodings = Accepted::of(fields).among(&SIDECARS);
        Self { wanted, slashed, fields: fields.clone(), encodings, is_head: head.is_head() }
    }
}

/// Looks for the file. Returns `None` if the application should answer.
pub async fn respond(entry: Arc<Entry>, request: FileRequest) -> Option<AppResponse> {
    let falls_back = entry.falls_back;
    let looked = tokio::task::spawn_blocking(move || look(&entry, &request)).await.map_err(io::Error::other);
    match looked.and_then(|looked| looked) {
        Ok(None) if falls_back => None,
        Ok(None) => Some(not_found()),
        Ok(Some(response)) => Some(response),
        Err(error) => Some(AppResponse::Error(failed(&error))),
    }
}

fn failed(error: &io::Error) -> RequestError {
    let full = [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE].map(|errno| Some(errno.raw_os_error()));
    if full.contains(&error.raw_os_error()) {
        return RequestError::busy(Event::OpenFiles, "too many open files; try again");
    }
    crate::log::line(format_args!("error: a static file cannot be read: {error}"));
    RequestError::new(StatusCode::INTERNAL_SERVER_ERROR, "the file cannot be read")
}

/// The 404 for a missing file.
pub fn not_found() -> AppResponse {
    AppResponse::Error(RequestError::new(StatusCode::NOT_FOUND, "there is no such file"))
}

/// The 405 for other methods than GET and HEAD.
pub fn method_not_allowed() -> AppResponse {
    let mut headers = HeaderMap::new();
    headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    plain(StatusCode::METHOD_NOT_ALLOWED, headers, "405 Method Not Allowed: files are read with GET and HEAD\n")
}

fn plain(status: StatusCode, mut headers: HeaderMap, text: &'static str) -> AppResponse {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    AppResponse::Whole(ResponseHead::own(status, headers), Bytes::from_static(text.as_bytes()))
}

/// Looks for the file. Blocks for the disk.
fn look(entry: &Entry, request: &FileRequest) -> io::Result<Option<AppResponse>> {
    let Wanted { name, is_folder } = &request.wanted;
    let (name, found) = if *is_folder {
        let index = name.join(INDEX);
        let found = entry.folder.open(&index)?;
        (index, found)
    } else {
        (name.clone(), entry.folder.open(name)?)
    };
    match found {
        FoundFile::File(opened) => send(entry, request, &name, opened).map(Some),
        FoundFile::Folder if !is_folder => redirect(entry, request, &name),
        FoundFile::Folder | FoundFile::Nothing => Ok(None),
        FoundFile::Forbidden => {
            Ok(Some(AppResponse::Error(RequestError::new(StatusCode::FORBIDDEN, "this file is not readable"))))
        }
    }
}

/// Redirects to the path with a slash, for a folder that has an index. The redirect is temporary, because the name may
/// be a file later.
fn redirect(entry: &Entry, request: &FileRequest, name: &Path) -> io::Result<Option<AppResponse>> {
    let FoundFile::File(_) = entry.folder.open(&name.join(INDEX))? else { return Ok(None) };
    let Ok(location) = HeaderValue::from_str(&request.slashed) else { return Ok(None) };
    let mut headers = HeaderMap::new();
    headers.insert(LOCATION, location);
    Ok(Some(AppResponse::Whole(ResponseHead::own(StatusCode::TEMPORARY_REDIRECT, headers), Bytes::new())))
}

fn send(entry: &Entry, request: &FileRequest, name: &Path, opened: Opened) -> io::Result<AppResponse> {
    let Representation { opened, encoding, varies } = entry.folder.represent(name, opened, &request.encodings);
    let known = validators(opened.stamp, encoding);
    let verdict = judge(&request.fields, request.is_head, &known, SystemTime::now());
    let mut headers = common(entry, name, &known, varies);
    let range = match verdict {
        Verdict::Whole => 0..known.size,
        Verdict::Part(range) => {
            let text = format!("bytes {}-{}/{}", range.start, range.end.saturating_sub(1), known.size);
            headers.insert(CONTENT_RANGE, value(&text)?);
            range
        }
        Verdict::NotModified => {
            return Ok(AppResponse::Whole(ResponseHead::own(StatusCode::NOT_MODIFIED, headers), Bytes::new()));
        }
        Verdict::Failed => {
            let text = "412 Precondition Failed: the file is another one\n";
            return Ok(plain(StatusCode::PRECONDITION_FAILED, HeaderMap::new(), text));
        }
        Verdict::Unsatisfiable => {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_RANGE, value(&format!("bytes */{}", known.size))?);
            let text = "416 Range Not Satisfiable: the file has no such bytes\n";
            return Ok(plain(StatusCode::RANGE_NOT_SATISFIABLE, headers, text));
        }
    };
    headers.insert(CONTENT_TYPE, content_type(name)?);
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Some(encoding) = encoding {
        headers.insert(CONTENT_ENCODING, encoding.value());
    }
    let part = headers.contains_key(CONTENT_RANGE);
    let status = if part { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    body(ResponseHead::own(status, headers), opened, range, request.is_head)
}

/// The fields that a 304 also has.
fn common(entry: &Entry, name: &Path, known: &Validators, varies: bool) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(10);
    if let Ok(tag) = HeaderValue::from_str(&known.tag) {
        headers.insert(ETAG, tag);
    }
    if let Some(date) = known.modified.map(httpdate::fmt_http_date)
        && let Ok(date) = HeaderValue::from_str(&date)
    {
        headers.insert(LAST_MODIFIED, date);
    }
    let cached = if entry.immutable && is_hashed(name) { Some(IMMUTABLE) } else { entry.cache_control.clone() };
    if let Some(cached) = cached {
        headers.insert(CACHE_CONTROL, cached);
    }
    if varies {
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    headers
}

fn body(mut head: ResponseHead, opened: Opened, range: Range<u64>, is_head: bool) -> io::Result<AppResponse> {
    let length = range.end.saturating_sub(range.start);
    head.set_length(length);
    if is_head || length == 0 {
        return Ok(AppResponse::Whole(head, Bytes::new()));
    }
    if length <= SMALL {
        let bytes = opened.read(range.start, usize::try_from(length).map_err(io::Error::other)?)?;
        return Ok(AppResponse::Whole(head, bytes));
    }
    let body = FileBody { file: opened.file, offset: range.start, length, path: None, stamp: Some(opened.stamp) };
    Ok(AppResponse::File(head, body))
}

/// The validators of a file, from its time and size alone. So they are the same on each machine to which the file was
/// copied with its time.
fn validators(stamp: Stamp, encoding: Option<Encoding>) -> Validators {
    let Stamp { size, seconds, nanoseconds } = stamp;
    let mut tag = format!("\"{seconds:x}.{nanoseconds:x}-{size:x}");
    if let Some(encoding) = encoding {
        // Writing to a String cannot fail.
        let _infallible = write!(tag, "-{}", encoding.name());
    }
    tag.push('"');
    let dated = u64::try_from(seconds).ok().filter(|_| DATES.contains(&seconds));
    let modified = dated.map(|seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
    Validators { tag, modified, size }
}

/// The content type, from the file name. Text is UTF-8.
fn content_type(name: &Path) -> io::Result<HeaderValue> {
    let guessed = mime_guess::from_path(name).first_raw().unwrap_or("application/octet-stream");
    // RFC 9239 has only one name for scripts.
    let guessed = if guessed == "application/javascript" { "text/javascript" } else { guessed };
    let is_text = guessed.starts_with("text/") || guessed == "image/svg+xml";
    if is_text { value(&format!("{guessed}; charset=utf-8")) } else { value(guessed) }
}

fn value(text: &str) -> io::Result<HeaderValue> {
    HeaderValue::from_str(text).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_the_type() {
        for (name, expected) in [
            ("a.html", "text/html; charset=utf-8"),
            ("a.css", "text/css; charset=utf-8"),
            ("a.js", "text/javascript; charset=utf-8"),
            ("a.mjs", "text/javascript; charset=utf-8"),
            ("a.json", "application/json"),
            ("a.svg", "image/svg+xml; charset=utf-8"),
            ("a.png", "image/png"),
            ("a.woff2", "font/woff2"),
            ("a.wasm", "application/wasm"),
            ("a.CSS", "text/css; charset=utf-8"),
            ("a", "application/octet-stream"),
            ("a.nothing-known", "application/octet-stream"),
        ] {
            assert_eq!(
                content_type(Path::new(name)).ok().as_ref().and_then(|value| value.to_str().ok()),
                Some(expected),
                "{name}"
            );
        }
    }

    #[test]
    fn a_tag_is_that_of_one_representation() {
        let stamp = Stamp { size: 255, seconds: -1, nanoseconds: 16 };
        let plain = validators(stamp, None);
        assert_eq!(
            (plain.tag.as_str(), plain.modified),
            ("\"-1.10-ff\"".replace("-1", &format!("{:x}", -1_i64)).as_str(), None)
        );
        assert!(validators(stamp, Some(Encoding::Gzip)).tag.ends_with("-ff-gzip\""));
    }
}
