//! Closing in stages.
//!
//! A socket that is closed with unread bytes in it sends a reset, and a reset throws away what the client has not read
//! yet: the very answer that says why. So a client that may still be sending is listened to for a moment. Apart because
//! it outlives the reading of messages and has a clock and a limit of its own.
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
    /// Not at all, or our side not yet for good.
    Open,
    /// Ours is; the client's is listened to.
    Lingering {
        /// Until then.
        until: Instant,
        /// And for so many bytes.
        left: usize,
    },
    /// Both are.
    Closed,
}

impl Closing {
    /// Our side is closed.
    pub fn after_ours(client_may_send: bool) -> Self {
        if client_may_send { Self::Lingering { until: Instant::now() + LONGEST, left: MOST } } else { Self::Closed }
    }

    /// Throws away what the client still sends, until it stops or has had its time.
    pub fn poll<S>(&mut self, cx: &mut Context<'_>, io: &mut S, timer: &mut Timer) -> Poll<io::Result<()>>
    where
        S: AsyncRead + Unpin,
    {
        let mut bin = [MaybeUninit::uninit(); 8 << 10];
        while let Self::Lingering { until, left } = self {
            let mut bin = ReadBuf::uninit(&mut bin);
            let read = match Pin::new(&mut *io).poll_read(cx, &mut bin) {
                Poll::Pending if timer.poll(cx, Some(*until)) => 0,
                // The client is gone: nothing is left to wait for.
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
