//! What goes back to the client: the responses of applications, of static files, and of the server itself.
//!
//! [`app_response`] has the head and the body. [`in_flight`] follows a request to the last byte of its response. This room does not know which HTTP the client speaks, and no gateway.

pub mod app_response;
pub mod compression;
pub mod decision_fields;
pub mod early_hints;
pub mod encoding;
pub mod file_stream;
pub mod follower;
pub mod in_flight;
pub mod own_fields;
pub mod static_files;
pub mod stream_clock;
pub mod trailers;
