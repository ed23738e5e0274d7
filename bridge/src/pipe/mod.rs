//! A bounded pipe between two threads or tasks, for bytes of a body or for WebSocket messages.
//!
//! Bodies and messages cross threads through it: from the socket to the application and back, and from `receive` to a
//! WSGI thread. It knows neither tokio nor asyncio. Both ends are polled with a `Waker`, which either can provide.
//!
//! `ends` has the writer and the reader, `state` what they share. The other files are special cases: a reader that may
//! have gone (`doubt`), a writer that is ended from outside (`hang_up`), a reader that is watched (`reading`), and items
//! that the writer takes back (`slow`).

mod doubt;
mod ends;
mod hang_up;
mod reading;
mod slow;
mod state;

pub use self::ends::{PipeReader, PipeWriter, pipe};
pub use self::hang_up::HangUp;
pub use self::reading::Reading;
pub use self::state::{Capacity, Weight};

#[cfg(test)]
mod tests;
