//! Whether the client is still there: pings, and how long it may take.
//!
//! Kept apart from the messages because it is a clock of its own. Time in which we do not read says nothing about the client.
//!
//! Spec: RFC 6455 5.5.2, 5.5.3.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Error;

use super::frame_filter::Seen;
use super::socket::SocketOptions;

/// What the reading and the writing side know of the client.
#[derive(Debug, Default)]
pub struct ClientActivity {
    /// What came from it.
    pub seen: Arc<Seen>,
    pauses: Pauses,
}

/// Whether the client was read from all the time. While it is not, because the application is slow, its silence says nothing.
#[derive(Debug, Default)]
struct Pauses {
    paused: AtomicBool,
    /// A pause has ended since this was asked last.
    ended: AtomicBool,
}

impl ClientActivity {
    /// Nothing is read from the client from now on.
    pub fn pause(&self) {
        self.pauses.paused.store(true, Ordering::Release);
    }

    /// The client is read from again.
    pub fn resume(&self) {
        self.pauses.ended.store(true, Ordering::Release);
        self.pauses.paused.store(false, Ordering::Release);
    }

    /// Whether reading is paused, or was at some time since this was asked last: what the client sent may not be read yet.
    fn was_paused(&self) -> bool {
        let ended = self.pauses.ended.swap(false, Ordering::AcqRel);
        ended || self.pauses.paused.load(Ordering::Acquire)
    }
}

/// When to ping, and when to give up.
#[derive(Debug)]
pub struct Pinger {
    options: SocketOptions,
    next: Instant,
    /// When the ping left that is not answered.
    asked: Option<Instant>,
}

/// What there is to do.
#[derive(Debug, PartialEq, Eq)]
pub enum PingStep {
    /// Nothing.
    Wait,
    /// To ping.
    Ping,
    /// To give up.
    Lost,
}

impl Pinger {
    /// The first ping is an interval away.
    pub fn new(options: SocketOptions) -> Self {
        Self { options, next: Instant::now() + options.ping_interval, asked: None }
    }

    /// Ready when there may be something to do.
    pub async fn due(&self) {
        if self.options.ping_interval.is_zero() {
            std::future::pending::<()>().await;
        }
        sleep_until(self.next).await;
    }

    /// Whether bytes could leave before a client would count as lost; without pings, however long it takes.
    pub async fn patiently(&self, sending: impl Future<Output = Result<(), Error>>) -> bool {
        if self.options.ping_interval.is_zero() {
            return sending.await.is_ok();
        }
        let limit = self.options.ping_interval + self.options.ping_timeout;
        matches!(timeout(limit, sending).await, Ok(Ok(())))
    }

    /// What there is to do now that a turn is due. Anything from the client shows that it lives, be it part of a message.
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
        // The pause ended a moment ago: nothing can have been read since.
        assert_eq!([pinger.turn(&client), pinger.turn(&client)], [PingStep::Wait, PingStep::Lost]);
    }
}
