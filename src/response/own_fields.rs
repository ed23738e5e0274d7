//! The header fields that the server adds to every answer which does not have them.
//!
//! Kept apart from `response.rs` because they are the same whoever answers. `Date` is added where the bytes are made.
//!
//! Spec: RFC 9110 10.2.4 (`Server`).

use http::header::SERVER;
use http::{HeaderMap, HeaderName, HeaderValue, Response};

use crate::config::settings::Settings;
use crate::config::startup_error::StartupError;
use crate::response::app_response::ResponseBody;

/// What is added.
#[derive(Debug)]
pub struct OwnFields {
    /// What `Server` says.
    pub server: Option<HeaderValue>,
    /// The field that holds the request's id.
    pub request_id: Option<HeaderName>,
    /// Whether responses get `x-served-by`.
    pub served_by: bool,
}

impl OwnFields {
    /// What the settings say.
    ///
    /// # Errors
    /// When it cannot be in a header.
    pub fn new(settings: &Settings) -> Result<Self, StartupError> {
        let wrong = |text: &str| StartupError::new(format!("`{text}` cannot be in a header"), "see docs/settings.md");
        let server = settings.server_header.as_ref();
        let server = server.map(|text| HeaderValue::from_str(text).map_err(|_| wrong(text))).transpose()?;
        let name = settings.request_id.as_ref();
        let request_id = name.map(|name| HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong(name)));
        Ok(Self { server, request_id: request_id.transpose()?, served_by: settings.served_by })
    }

    /// Adds what is missing, `id` as the request's. After that the head is as it goes out.
    pub fn complete(&self, response: &mut Response<ResponseBody>, id: Option<HeaderValue>) {
        self.add(response.headers_mut(), id);
        let headers = std::mem::take(response.headers_mut());
        response.body_mut().log_fields(&headers);
        *response.headers_mut() = headers;
    }

    /// Adds what is missing, `id` as the request's.
    pub fn add(&self, headers: &mut HeaderMap, id: Option<HeaderValue>) {
        if let Some(server) = &self.server {
            headers.entry(SERVER).or_insert_with(|| server.clone());
        }
        if let (Some(name), Some(id)) = (&self.request_id, id) {
            headers.entry(name).or_insert(id);
        }
    }
}
