//! The fields that follow the body of a response.
//!
//! Spec: RFC 9110 6.5.

use std::sync::{Arc, Mutex};

use http::HeaderMap;

/// The fields that follow a body. `None` until the application has sent them. The pipe of the body ends after that.
pub type Trailers = Arc<Mutex<Option<HeaderMap>>>;
