//! The parts of a request head, the same for both versions of HTTP.
//!
//! Apart from `head.rs`, which adds what the server knows about the request, because a connection makes these parts and knows nothing else.
//!
//! Spec: RFC 9112 3 (request line); RFC 9113 8.3.1 (`:authority` and `Host`).

use bytes::Bytes;
use http::{Extensions, Method, Uri, Version, request};
use rsgi_bridge::request::fields::RequestFields;

use crate::wire::{HeadParser, Refusal};

/// Method, target, version and fields.
#[derive(Debug, Default)]
pub struct RequestParts {
    /// The method.
    pub method: Method,
    /// The target.
    pub uri: Uri,
    /// The version.
    pub version: Version,
    /// The header fields.
    pub fields: RequestFields,
    /// What the connection offers with this request.
    pub extensions: Extensions,
}

impl RequestParts {
    /// The HTTP/1 head that `parser` has read from `bytes`.
    ///
    /// # Errors
    /// If the `http` crate does not accept the method or the target. The parser lets no such head through.
    pub fn of_http1(parser: &HeadParser, bytes: &[u8], http_11: bool) -> Result<Self, Refusal> {
        const UNKNOWN: Refusal = Refusal::malformed("the request is none that can be served");
        let target = parser.target(bytes);
        let (section, places) = parser.field_section(bytes);
        Ok(Self {
            method: Method::from_bytes(parser.method(bytes)).map_err(|_| UNKNOWN)?,
            uri: match target {
                b"/" => Uri::default(),
                _ => Uri::from_maybe_shared(Bytes::copy_from_slice(target)).map_err(|_| UNKNOWN)?,
            },
            version: if http_11 { Version::HTTP_11 } else { Version::HTTP_10 },
            fields: RequestFields::of_lines(section, places),
            extensions: Extensions::new(),
        })
    }

    /// An HTTP/2 head as HTTP/1 would have it: `:authority` is the first field, `Host`, and the target a path.
    pub fn of_http2(parts: request::Parts) -> Self {
        let request::Parts { method, uri, version, headers, extensions, .. } = parts;
        let uri = uri.into_parts();
        let authority = uri.authority.as_ref().map(http::uri::Authority::as_str);
        let named: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        let host = authority.map_or(0, |authority| "host".len() + authority.len());
        let mut fields = RequestFields::with_capacity(headers.len() + 1, named + host);
        if let Some(authority) = authority {
            fields.append("host", authority.as_bytes());
        }
        for (name, value) in &headers {
            // The same host, if it is there at all.
            if authority.is_none() || name != http::header::HOST {
                fields.append(name.as_str(), value.as_bytes());
            }
        }
        let uri = uri.path_and_query.map(Uri::from).unwrap_or_default();
        Self { method, uri, version, fields, extensions }
    }

    /// The same without what the connection offers, for another call.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self {
            method: self.method.clone(),
            uri: self.uri.clone(),
            version: self.version,
            fields: self.fields.clone(),
            extensions: Extensions::new(),
        }
    }
}
