//! The header fields that the server adds to every response which does not have them.
//!
//! They are the same for every application. `Date` is added where the head is written.
//!
//! Spec: RFC 9110 10.2.4 (`Server`).

use http::header::SERVER;
use http::{HeaderMap, HeaderName, HeaderValue, Response};

use crate::config::settings::Settings;
use crate::config::startup_error::StartupError;
use crate::response::app_response::ResponseBody;

/// The fields to add.
#[derive(Debug)]
pub struct OwnFields {
    /// The value of `Server`.
    pub server: Option<HeaderValue>,
    /// The field for the id of the request.
    pub request_id: Option<HeaderName>,
    /// Whether responses get `x-served-by`.
    pub served_by: bool,
}

impl OwnFields {
    /// From the settings.
    ///
    /// # Errors
    /// When a value is not valid in a header field.
    pub fn new(settings: &Settings) -> Result<Self, StartupError> {
        let wrong = |text: &str| StartupError::new(format!("`{text}` cannot be in a header"), "see docs/settings.md");
        let server = settings.server_header.as_ref();
        let server = server.map(|text| HeaderValue::from_str(text).map_err(|_| wrong(text))).transpose()?;
        let name = settings.request_id.as_ref();
        let request_id = name.map(|name| HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong(name)));
        Ok(Self { server, request_id: request_id.transpose()?, served_by: settings.served_by })
    }

    /// Adds missing fields to a response, with `id` as the request's id, and then logs the fields.
    pub fn complete(&self, response: &mut Response<Box<ResponseBody>>, id: Option<HeaderValue>) {
        self.add(response.headers_mut(), id);
        if response.body().logs_fields() {
            let headers = std::mem::take(response.headers_mut());
            response.body_mut().log_fields(&headers);
            *response.headers_mut() = headers;
        }
    }

    /// Adds missing fields, with `id` as the request's id.
    pub fn add(&self, headers: &mut HeaderMap, id: Option<HeaderValue>) {
        if let Some(server) = &self.server {
            headers.entry(SERVER).or_insert_with(|| server.clone());
        }
        if let (Some(name), Some(id)) = (&self.request_id, id) {
            headers.entry(name).or_insert(id);
        }
    }
}
