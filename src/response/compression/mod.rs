//! Compresses responses of applications: which responses, for which clients, and how the head changes.
//!
//! It is off by default. The list of what must never be compressed is here. [`encoder`] has the codings, [`stream`]
//! bodies that come in pieces.
//!
//! Spec: RFC 9110 8.4 (`Content-Encoding`), 8.8.1 (weak validators), 12.5.3, 12.5.5 (`Vary`), 14.3, 15.3.7; RFC 9111 5.2.2.6
//! (`no-transform`); RFC 9530 (digests).

mod encoder;
pub mod stream;

use bytes::Bytes;
use http::StatusCode;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderValue,
    VARY,
};
use rsgi_bridge::request::fields::RequestFields;
use rsgi_bridge::response::response_fields::ResponseFields;
use rsgi_bridge::response::response_head::ResponseHead;

pub use self::stream::{CompressedStream, Source};

use self::encoder::{Encoder, compressed};
use self::stream::AT_ONCE;
use crate::config::settings::Settings;
use crate::config::startup_error::StartupError;
use crate::response::app_response::AppResponse;
use crate::response::encoding::{Accepted, Encoding};
use crate::response::file_stream::{FileStream, SpooledStream};

/// The codings of `auto`, the fastest first.
const AUTO: [Encoding; 3] = [Encoding::Zstd, Encoding::Brotli, Encoding::Gzip];

/// Bodies up to this size are compressed as a whole and get a `Content-Length`, in bytes.
const WHOLE: usize = 1024 * 1024;

/// Fields that depend on the exact bytes of the body.
const DIGESTS: [&str; 4] = ["content-digest", "repr-digest", "digest", "content-md5"];

/// Which responses are compressed, and how.
#[derive(Debug)]
pub struct Compression {
    offered: Vec<Encoding>,
    min_size: u64,
    types: Vec<String>,
}

/// What one request says about compression.
#[derive(Debug)]
pub struct Negotiated {
    encoding: Option<Encoding>,
    is_head: bool,
}

impl Compression {
    /// From the settings; `None` if compression is off.
    ///
    /// # Errors
    /// When a value of `--compress-types` is not a content type.
    pub fn new(settings: &Settings) -> Result<Option<Self>, StartupError> {
        if let Some(wrong) = settings.compress_types.iter().find(|name| !name.contains('/') && !name.starts_with('+')) {
            let hint = "`--compress-types` takes for example text/html, text/* and +json";
            return Err(StartupError::new(format!("`{wrong}` is not a content type"), hint));
        }
        let named = settings.compress.iter().filter_map(|name| Encoding::named(name));
        let offered: Vec<_> =
            if settings.compress.iter().any(|name| name == "auto") { AUTO.to_vec() } else { named.collect() };
        let types = settings.compress_types.iter().map(|name| name.to_ascii_lowercase()).collect();
        Ok((!offered.is_empty()).then_some(Self { offered, min_size: settings.compress_min_size, types }))
    }

    /// The coding that the client of a request prefers, if it accepts any.
    pub fn negotiate(&self, fields: &RequestFields, is_head: bool) -> Negotiated {
        Negotiated { encoding: Accepted::of(fields).among(&self.offered).first().copied(), is_head }
    }

    /// Compresses the response if it should be.
    pub async fn apply(&self, mut response: AppResponse, negotiated: Negotiated) -> AppResponse {
        let Some((head, size)) = described(&mut response, negotiated.is_head) else { return response };
        if !self.is_for(head, size) {
            return response;
        }
        vary(head);
        let Some(encoding) = negotiated.encoding else { return response };
        if negotiated.is_head {
            announce(head, encoding, None);
            return response;
        }
        match response {
            AppResponse::Whole(head, body) if body.len() <= WHOLE => whole(head, body, encoding).await,
            response => streamed(response, encoding),
        }
    }

    /// Whether to compress a response. `size` is the size of its body, if it is known.
    fn is_for(&self, head: &ResponseHead, size: Option<u64>) -> bool {
        let bare = [StatusCode::NO_CONTENT, StatusCode::RESET_CONTENT, StatusCode::PARTIAL_CONTENT];
        let fields = &head.fields;
        let is_final = head.status.as_u16() < 600 && !head.status.is_informational();
        is_final
            && !bare.contains(&head.status)
            && head.status != StatusCode::NOT_MODIFIED
            && size.is_none_or(|size| size >= self.min_size)
            && !fields.contains(&CONTENT_ENCODING)
            && !fields.contains(&CONTENT_RANGE)
            && !fields.names().any(|name| DIGESTS.contains(&name.as_str()))
            && !must_not_be_changed(fields)
            && fields.get(&CONTENT_TYPE).is_some_and(|value| self.is_type(value))
    }

    fn is_type(&self, value: &HeaderValue) -> bool {
        let text = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
        let found = text.trim().to_ascii_lowercase();
        // A client that reads events needs each of them at once.
        found != "text/event-stream" && self.types.iter().any(|known| fits(known, &found))
    }
}

/// `known` is such as `text/html`, `text/*` or `+json`.
fn fits(known: &str, found: &str) -> bool {
    match known.strip_suffix('*') {
        Some(start) => found.starts_with(start),
        None if known.starts_with('+') => found.ends_with(known),
        None => found == known,
    }
}

fn must_not_be_changed(fields: &ResponseFields) -> bool {
    let values = fields.get_all(&CACHE_CONTROL).filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|word| word.trim().eq_ignore_ascii_case("no-transform"))
}

/// The head of an application's response, and the size of its body if it is known.
fn described(response: &mut AppResponse, is_head: bool) -> Option<(&mut ResponseHead, Option<u64>)> {
    match response {
        // For a HEAD, only the application knows the size of the body that a GET would get.
        AppResponse::Whole(head, body) => {
            let size = if is_head { head.content_length } else { Some(body.len() as u64) };
            Some((head, size))
        }
        AppResponse::Stream(head, _) | AppResponse::Spooled(head, _) | AppResponse::Trailed(head, _, _) => {
            let size = head.content_length;
            Some((head, size))
        }
        AppResponse::File(head, file) => {
            let size = Some(file.length);
            Some((head, size))
        }
        AppResponse::Compressed(..) | AppResponse::Error(_) => None,
    }
}

/// Adds `Accept-Encoding` to `Vary`, because clients that accept other codings get other bytes.
fn vary(head: &mut ResponseHead) {
    let words = head.fields.get_all(&VARY).filter_map(|value| value.to_str().ok());
    let known = words.flat_map(|value| value.split(',')).map(str::trim);
    let mut said = String::new();
    for word in known {
        if word == "*" || word.eq_ignore_ascii_case("accept-encoding") {
            return;
        }
        if !word.is_empty() {
            said.push_str(word);
            said.push_str(", ");
        }
    }
    if let Ok(value) = HeaderValue::from_str(&format!("{said}Accept-Encoding")) {
        head.fields.replace(VARY, value);
    }
}

/// Sets the fields for a body with this coding and this length.
fn announce(head: &mut ResponseHead, encoding: Encoding, length: Option<usize>) {
    head.fields.replace(CONTENT_ENCODING, encoding.value());
    head.remove(&CONTENT_LENGTH);
    // Byte ranges refer to the plain bytes.
    head.remove(&ACCEPT_RANGES);
    if let Some(length) = length {
        head.set_length(length as u64);
    }
    let strong = head.fields.get(&ETAG).filter(|tag| !tag.as_bytes().starts_with(b"W/"));
    if let Some(weak) = strong.and_then(|tag| HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()).ok()) {
        head.fields.replace(ETAG, weak);
    }
}

/// Compresses a whole body. If that saves nothing, the body stays as it is.
async fn whole(mut head: ResponseHead, body: Bytes, encoding: Encoding) -> AppResponse {
    let made = if body.len() <= AT_ONCE {
        compressed(encoding, &body)
    } else {
        let plain = body.clone();
        let made = tokio::task::spawn_blocking(move || compressed(encoding, &plain)).await;
        made.map_err(std::io::Error::other).and_then(|made| made)
    };
    match made {
        Ok(made) if made.len() < body.len() => {
            announce(&mut head, encoding, Some(made.len()));
            AppResponse::Whole(head, made.into())
        }
        Ok(_) => AppResponse::Whole(head, body),
        Err(error) => {
            failed(&error);
            AppResponse::Whole(head, body)
        }
    }
}

fn failed(error: &std::io::Error) {
    crate::log::line(format_args!("error: could not compress a response: {error}"));
}

fn streamed(response: AppResponse, encoding: Encoding) -> AppResponse {
    let encoder = match Encoder::new(encoding, None) {
        Ok(encoder) => encoder,
        Err(error) => {
            failed(&error);
            return response;
        }
    };
    let (mut head, source, trailers) = match response {
        AppResponse::Whole(head, body) => (head, Source::Whole(body), None),
        AppResponse::Stream(head, reader) => (head, Source::Stream(reader), None),
        AppResponse::Spooled(head, reader) => (head, Source::Spooled(SpooledStream::new(reader)), None),
        AppResponse::Trailed(head, reader, trailers) => (head, Source::Stream(reader), Some(trailers)),
        AppResponse::File(head, file) => (head, Source::File(Box::new(FileStream::new(file))), None),
        other @ (AppResponse::Compressed(..) | AppResponse::Error(_)) => return other,
    };
    announce(&mut head, encoding, None);
    AppResponse::Compressed(head, Box::new(CompressedStream::new(source, encoder, trailers)))
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn head(fields: &[(&'static str, &'static str)]) -> ResponseHead {
        let fields =
            fields.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        ResponseHead::own(StatusCode::OK, fields.collect::<ResponseFields>())
    }

    #[test]
    fn some_responses_are_left_alone() {
        let types = ["text/*", "application/json", "+xml"].map(str::to_owned).to_vec();
        let compression = Compression { offered: AUTO.to_vec(), min_size: 100, types };
        for (fields, expected) in [
            (&[("content-type", "text/html")][..], true),
            (&[("content-type", "Text/HTML; charset=utf-8")], true),
            (&[("content-type", "application/json")], true),
            (&[("content-type", "application/atom+xml")], true),
            (&[("content-type", "application/jsonl")], false),
            (&[("content-type", "image/png")], false),
            (&[("content-type", "text/event-stream")], false),
            (&[], false),
            (&[("content-type", "text/html"), ("content-encoding", "gzip")], false),
            (&[("content-type", "text/html"), ("content-encoding", "identity")], false),
            (&[("content-type", "text/html"), ("content-range", "bytes 0-1/2")], false),
            (&[("content-type", "text/html"), ("cache-control", "public, No-Transform")], false),
            (&[("content-type", "text/html"), ("cache-control", "public")], true),
            (&[("content-type", "text/html"), ("repr-digest", "sha-256=:x:")], false),
        ] {
            assert_eq!(compression.is_for(&head(fields), Some(100)), expected, "{fields:?}");
        }
        let html = head(&[("content-type", "text/html")]);
        assert!(!compression.is_for(&html, Some(99)));
        assert!(compression.is_for(&html, None));
        for status in [204, 205, 206, 304, 600] {
            let mut html = html.clone();
            html.status = StatusCode::from_u16(status).unwrap_or_default();
            assert!(!compression.is_for(&html, Some(100)), "{status}");
        }
    }

    #[test]
    fn vary_is_added_to() {
        for (before, after) in [
            (&[][..], "Accept-Encoding"),
            (&[("vary", "Cookie")], "Cookie, Accept-Encoding"),
            (&[("vary", "Cookie"), ("vary", "Origin")], "Cookie, Origin, Accept-Encoding"),
            (&[("vary", "Cookie, accept-encoding")], "Cookie, accept-encoding"),
            (&[("vary", "*")], "*"),
        ] {
            let mut head = head(before);
            vary(&mut head);
            assert_eq!(head.fields.get(&VARY).and_then(|value| value.to_str().ok()), Some(after));
        }
    }
}
