//! A strict parser of HTTP/1, and the timeouts of a connection.
//!
//! Lenient parsers drop a `Content-Length` beside `Transfer-Encoding`, merge equal lengths, and accept malformed chunk
//! lines. If a proxy and a server read the same bytes differently, an attacker can smuggle a request. So this parser
//! repairs nothing. It refuses the request and says why. It knows bytes and times only: no socket, no application.
//!
//! Reading order:
//! - `target`, `authority`, `field`: the grammar of one line of a head.
//! - `head`: where a head ends, and where its parts are. `chunked` and `body` do the same for the body. All of them
//!   take any number of bytes at a time.
//! - `data_rate`, `timer`: how slow a client may be, and the one timer of a connection. `spare_list`: what its requests
//!   use again. `read_buffer`: where the connections of a thread read to. `linger`: how a connection closes.
//! - `opening`: whether a connection begins as HTTP/1 or HTTP/2. `message`: the same rules for the fields of an HTTP/2
//!   request. `frames`, `hpack`: what hyper drops from HTTP/2 frames.
//!
//! Spec: RFC 9112 (2.2, 3, 5, 6, 7, 9), RFC 9113 (3.3, 8.3), RFC 9110 (5.5, 7.2, 7.8, 15.5).

mod authority;
mod body;
mod byte_table;
mod chunked;
mod data_rate;
mod field;
mod frames;
mod head;
mod hpack;
mod linger;
mod message;
mod opening;
mod read_buffer;
mod spare_list;
mod target;
mod timer;

#[cfg(any(test, fuzzing))]
#[allow(missing_docs, clippy::indexing_slicing, clippy::missing_panics_doc, reason = "only tests see it")]
pub mod comparison;
#[cfg(any(test, fuzzing))]
#[allow(clippy::indexing_slicing, clippy::panic, reason = "only tests see it")]
pub mod fuzzing;
#[cfg(any(test, fuzzing))]
#[allow(missing_docs, clippy::indexing_slicing, reason = "only tests see it")]
pub mod reference;

use std::borrow::Cow;
use std::time::Duration;

use http::StatusCode;

pub use authority::is_authority;
pub use body::{BodyReader, Piece};
pub use byte_table::ByteTable;
pub use data_rate::DataRate;
pub use frames::{FrameGuard, REFUSED_PATH, refused_path};
pub use head::{Head, HeadParser};
pub use linger::Closing;
pub use message::{asks_for_websocket, check as check_message};
pub use opening::read_opening;
#[cfg(test)]
pub use read_buffer::READ_BUFFER;
pub use read_buffer::{keep_rest, poll_fill, with_read_buffer};
pub use spare_list::SpareList;
pub use timer::{MISSED, SECOND_LOOK, SpareTimer, Timer};

/// The limits of a connection.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The longest request line, in bytes. A longer one gets a 414.
    pub request_line: usize,
    /// The longest header section (and trailer section), in bytes. A longer one gets a 431.
    pub header_section: usize,
    /// The most header fields of a request. More get a 431.
    pub header_fields: usize,
    /// How long a head may take from its first byte. Also how long a new connection may take until its first byte.
    pub header_timeout: Duration,
    /// How long a connection may be idle between two requests.
    pub keep_alive_timeout: Duration,
    /// How many bytes per second a client must send of a body or read of a response. 0 means no limit.
    pub min_data_rate: u64,
    /// How long a client may be slower than `min_data_rate`.
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

/// Why a request is refused: the status, and one line for the developer of the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status of the response.
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
