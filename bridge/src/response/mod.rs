//! What an application gives back: `start_response`, `write`, the head and the body.
//!
//! [`exchange`] has the state of one WSGI response. [`sink`] is where it goes. [`overflow`] keeps in a file what a client is slow to take.

pub mod async_body;
pub mod exchange;
pub mod file_wrapper;
pub mod given_fields;
pub mod length;
pub mod overflow;
pub mod response_head;
pub mod sink;
pub mod start_response;
pub mod stored;
