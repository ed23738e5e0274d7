//! What an application returns: `start_response`, `write`, the head and the body.
//!
//! [`exchange`] has the state of one WSGI response. [`sink`] is where it goes. [`overflow`] stores in a file what a
//! slow client has not read.

pub mod async_body;
pub mod exchange;
pub mod file_wrapper;
pub mod given_fields;
pub mod length;
pub mod overflow;
pub mod response_fields;
pub mod response_head;
pub mod sink;
pub mod start_response;
pub mod stored;
