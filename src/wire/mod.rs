//! A strict reader of HTTP/1, and the clocks of a connection.
//!
//! Lenient readers drop a `Content-Length` beside `Transfer-Encoding`, merge equal lengths, let odd chunk lines through. Two
//! readers of one connection that disagree are how requests are smuggled, so this one refuses instead of repairing, and says why.
//! It lies apart from the connection because it knows bytes and clocks only: no socket, no application.
//!
//! How it works, in reading order:
//! - `target`, `authority`, `field`: what one line of a head must look like.
//! - `head`: where a head ends, and where its parts stand; `chunked`, `body`: the same for what follows it. One byte or a
//!   megabyte at a time.
//! - `data_rate`, `timer`: how long a client may be slow, and the one timer of a connection; `linger`: how it closes.
//! - `opening`: which HTTP a connection begins with; `message`: the same rules for HTTP/2, which has no lines; `frames`, `hpack`: what
//!   HTTP/2 says that hyper does not hand on.
//!
//! Spec: RFC 9112 (2.2, 3, 5, 6, 7, 9), RFC 9113 (3.3, 8.3), RFC 9110 (5.5, 7.2, 7.8, 15.5).

mod authority;
mod body;
mod chunked;
mod data_rate;
mod field;
mod frames;
mod head;
mod hpack;
mod linger;
mod message;
mod opening;
mod target;
mod timer;

#[cfg(any(test, fuzzing))]
#[allow(missing_docs, clippy::indexing_slicing, clippy::missing_panics_doc, reason = "only tests see it")]
pub mod comparison;
#[cfg(any(test, fuzzing))]
#[allow(missing_docs, clippy::indexing_slicing, reason = "only tests see it")]
pub mod reference;

use std::borrow::Cow;
use std::time::Duration;

use http::StatusCode;

pub use authority::is_authority;
pub use body::{BodyReader, Piece};
pub use data_rate::DataRate;
pub use frames::{FrameGuard, REFUSED_PATH, refused_path};
pub use head::{Head, HeadParser};
pub use linger::Closing;
pub use message::{asks_for_websocket, check as check_message};
pub use opening::read_opening;
pub use timer::{SpareTimer, Timer};

/// What is put up with.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The longest request line, in bytes; more is a 414.
    pub request_line: usize,
    /// The longest header section (and trailer section), in bytes; more is a 431.
    pub header_section: usize,
    /// The most header fields of a request; more is a 431.
    pub header_fields: usize,
    /// How long a head may take from its first byte, and a new connection until its first byte.
    pub header_timeout: Duration,
    /// How long a connection may lie idle between two requests.
    pub keep_alive_timeout: Duration,
    /// How many bytes per second a body must bring and a reader must take; 0 is any.
    pub min_data_rate: u64,
    /// How long a client may fall short of that rate.
    pub min_data_rate_grace: Duration,
}

/// For tests. The defaults of users are in `python/rsgi/settings/config.py`.
#[cfg(any(test, fuzzing))]
impl Default for Limits {
    fn default() -> Self {
        Self {
            request_line: 8 << 10,
            header_section: 64 << 10,
            header_fields: 100,
            header_timeout: Duration::from_secs(10),
            keep_alive_timeout: Duration::from_secs(75),
            min_data_rate: 500,
            min_data_rate_grace: Duration::from_secs(10),
        }
    }
}

/// Why a request is not served: the status to answer with, and one line for the person who wrote the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status of the answer.
    pub status: StatusCode,
    /// What was wrong, without a full stop.
    pub reason: Cow<'static, str>,
}

impl Refusal {
    /// A refusal with this status.
    pub const fn new(status: StatusCode, reason: &'static str) -> Self {
        Self { status, reason: Cow::Borrowed(reason) }
    }

    /// 400: the client broke the grammar.
    pub const fn malformed(reason: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, reason)
    }

    /// 408: the client took too long.
    pub const fn too_slow(reason: &'static str) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, reason)
    }
}
