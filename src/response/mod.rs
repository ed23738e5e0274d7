//! Responses on their way to the client: those of applications, of static files, and of the server itself.
//!
//! [`app_response`] has the head and the body. [`in_flight`] follows a request to the last byte of its response. This
//! folder does not know the version of HTTP, and no gateway.

pub mod app_response;
pub mod compression;
pub mod decision_fields;
pub mod early_hints;
pub mod encoding;
pub mod file_stream;
pub mod follower;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod in_flight;
pub mod own_fields;
pub mod static_files;
pub mod stream_clock;
pub mod trailers;
