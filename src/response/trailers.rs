//! The fields that follow the body of a response.
//!
//! Spec: RFC 9110 6.5.

use std::sync::{Arc, Mutex};

use http::HeaderMap;

/// The fields that follow a body, once they are known. The end of the body comes after them.
pub type Trailers = Arc<Mutex<Option<HeaderMap>>>;
