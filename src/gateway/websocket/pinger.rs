//! Finds out whether the client is still there: when to ping, and when to give up.
//!
//! The client's silence counts only while rsgi reads from it.
//!
//! Spec: RFC 6455 5.5.2, 5.5.3.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Error;

use super::frame_filter::Seen;
use super::socket::SocketOptions;

/// What the reading and the writing side know about the client.
#[derive(Debug, Default)]
pub struct ClientActivity {
    /// What the client has sent.
    pub seen: Arc<Seen>,
    pauses: Pauses,
}

/// Whether rsgi read from the client all the time. It does not while the application is slow, and then the client's
/// silence does not count.
#[derive(Debug, Default)]
struct Pauses {
    paused: AtomicBool,
    /// Whether a pause has ended since the last check.
    ended: AtomicBool,
}

impl ClientActivity {
    /// rsgi stops reading from the client.
    pub fn pause(&self) {
        self.pauses.paused.store(true, Ordering::Release);
    }

    /// rsgi reads from the client again.
    pub fn resume(&self) {
        self.pauses.ended.store(true, Ordering::Release);
        self.pauses.paused.store(false, Ordering::Release);
    }

    /// Whether reading is paused, or was since the last check. There may be data of the client that was not read yet.
    fn was_paused(&self) -> bool {
        let ended = self.pauses.ended.swap(false, Ordering::AcqRel);
        ended || self.pauses.paused.load(Ordering::Acquire)
    }
}

/// Decides when to ping, and when to give up.
#[derive(Debug)]
pub struct Pinger {
    options: SocketOptions,
    next: Instant,
    /// When the pending ping was sent.
    asked: Option<Instant>,
}

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub enum PingStep {
    /// Nothing.
    Wait,
    /// Send a ping.
    Ping,
    /// Give up the connection.
    Lost,
}

impl Pinger {
    /// The first ping is due after one interval.
    pub fn new(options: SocketOptions) -> Self {
        Self { options, next: Instant::now() + options.ping_interval, asked: None }
    }

    /// Completes when `turn` may have something to do.
    pub async fn due(&self) {
        if self.options.ping_interval.is_zero() {
            std::future::pending::<()>().await;
        }
        sleep_until(self.next).await;
    }

    /// Sends within the time that a ping and its pong may take, and returns whether that worked. Without pings there is
    /// no limit.
    pub async fn patiently(&self, sending: impl Future<Output = Result<(), Error>>) -> bool {
        if self.options.ping_interval.is_zero() {
            return sending.await.is_ok();
        }
        let limit = self.options.ping_interval + self.options.ping_timeout;
        matches!(timeout(limit, sending).await, Ok(Ok(())))
    }

    /// Decides what to do now. Any bytes from the client show that it is alive, even a part of a message.
    pub fn turn(&mut self, client: &ClientActivity) -> PingStep {
        let now = Instant::now();
        let heard = client.seen.heard();
        let paused = client.was_paused();
        let Some(asked) = self.asked else {
            self.asked = Some(now);
            self.next = now + self.options.ping_timeout;
            return PingStep::Ping;
        };
        if heard {
            self.asked = None;
            self.next = now.max(asked + self.options.ping_interval);
            return PingStep::Wait;
        }
        if paused {
            self.next = now + self.options.ping_timeout;
            return PingStep::Wait;
        }
        PingStep::Lost
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn pinger() -> Pinger {
        let second = Duration::from_secs(1);
        Pinger::new(SocketOptions { message: 0, ping_interval: second, ping_timeout: second, compression: None })
    }

    #[test]
    fn a_silent_client_is_lost_when_its_ping_times_out() {
        let (mut pinger, client) = (pinger(), ClientActivity::default());
        assert_eq!([pinger.turn(&client), pinger.turn(&client)], [PingStep::Ping, PingStep::Lost]);
    }

    #[test]
    fn a_pause_gives_the_client_a_whole_timeout_from_its_end() {
        let (mut pinger, client) = (pinger(), ClientActivity::default());
        assert_eq!(pinger.turn(&client), PingStep::Ping);
        client.pause();
        assert_eq!(pinger.turn(&client), PingStep::Wait);
        client.resume();
        // The pause has just ended, so nothing can have been read since.
        assert_eq!([pinger.turn(&client), pinger.turn(&client)], [PingStep::Wait, PingStep::Lost]);
    }
}
