//! Closes a connection in two steps.
//!
//! If a socket with unread bytes is closed, the system sends a TCP reset. The reset discards what the client has not
//! read yet, such as the response with the error. So the server first closes its own side. Then it reads and discards
//! what the client still sends, for one second and 2 MiB at most.
//!
//! Spec: RFC 9112 9.6.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::Instant;

use super::Timer;

const LONGEST: Duration = Duration::from_secs(1);
const MOST: usize = 2 << 20;

/// How far a connection is closed.
#[derive(Debug)]
pub enum Closing {
    /// Open, or not finally closed on our side.
    Open,
    /// Our side is closed. What the client sends is read and discarded.
    Lingering {
        /// Until this time.
        until: Instant,
        /// How many more bytes are read.
        left: usize,
    },
    /// Both sides are closed.
    Closed,
}

impl Closing {
    /// The state after our side was closed.
    pub fn after_ours(client_may_send: bool) -> Self {
        if client_may_send { Self::Lingering { until: Instant::now() + LONGEST, left: MOST } } else { Self::Closed }
    }

    /// Reads and discards what the client sends, until it stops or a limit is reached.
    pub fn poll<S>(&mut self, cx: &mut Context<'_>, io: &mut S, timer: &mut Timer) -> Poll<io::Result<()>>
    where
        S: AsyncRead + Unpin,
    {
        let mut bin = [MaybeUninit::uninit(); 8 << 10];
        while let Self::Lingering { until, left } = self {
            let mut bin = ReadBuf::uninit(&mut bin);
            let read = match Pin::new(&mut *io).poll_read(cx, &mut bin) {
                Poll::Pending if timer.poll(cx, Some(*until)) => 0,
                // After an error the client is gone, so there is nothing to wait for.
                other => ready!(other).map_or(0, |()| bin.filled().len()),
            };
            *left = left.saturating_sub(read);
            if read == 0 || *left == 0 || *until <= Instant::now() {
                *self = Self::Closed;
            }
        }
        Poll::Ready(Ok(()))
    }
}
