//! Finds out whether the client is still there: when to ping, and when to give up.
//!
//! The client's silence counts only while rsgi reads from it.
//!
//! Spec: RFC 6455 5.5.2, 5.5.3.

use std::task::Context;

use tokio::time::Instant;

use super::options::SocketOptions;
use crate::wire::Timer;

/// Whether rsgi read from the client all the time. It does not while the application is slow, and then the client's
/// silence does not count.
#[derive(Debug, Default)]
struct Pauses {
    paused: bool,
    /// Whether a pause has ended since the last check.
    ended: bool,
}

impl Pauses {
    /// Whether reading is paused, or was since the last check. There may be data of the client that was not read yet.
    fn were(&mut self) -> bool {
        std::mem::take(&mut self.ended) || self.paused
    }
}

/// Decides when to ping, and when to give up.
#[derive(Debug)]
pub struct Pinger {
    options: SocketOptions,
    pauses: Pauses,
    timer: Timer,
    /// When to look at the client next. `None` without pings.
    next: Option<Instant>,
    /// When the pending ping was sent.
    pinged: Option<Instant>,
    /// Until when the client must take what is being sent.
    sent_by: Option<Instant>,
}

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub enum PingStep {
    /// Nothing.
    Wait,
    /// Send a ping.
    Ping,
    /// Give up the connection, because the client answers nothing.
    Silent,
    /// Give up the connection, because the client reads nothing.
    Stuck,
}

impl Pinger {
    /// The first ping is due after one interval.
    pub fn new(options: SocketOptions) -> Self {
        let interval = options.ping_interval;
        let next = (!interval.is_zero()).then(|| Instant::now() + interval);
        let timer = Timer::new(interval);
        Self { options, pauses: Pauses::default(), timer, next, pinged: None, sent_by: None }
    }

    /// rsgi reads from the client (again), or stops to.
    pub fn reads(&mut self, reads: bool) {
        self.pauses.ended |= self.pauses.paused && reads;
        self.pauses.paused = !reads;
    }

    /// The client has taken what was sent, or (`false`) not all of it. It must within the time that a ping and its pong
    /// may take. Without pings there is no limit.
    pub fn sent(&mut self, all: bool) {
        self.sent_by = match self.next {
            Some(_) if !all => {
                let latest = || Instant::now() + self.options.ping_interval + self.options.ping_timeout;
                Some(self.sent_by.unwrap_or_else(latest))
            }
            _ => None,
        };
    }

    /// What to do now. `heard` tells whether the client has sent anything since it was called last.
    pub fn poll(&mut self, context: &mut Context<'_>, heard: impl FnOnce() -> bool) -> PingStep {
        let mut heard = Some(heard);
        while let Some(next) = self.next {
            if !self.timer.poll(context, self.sent_by.or(Some(next))) {
                break;
            }
            if self.sent_by.is_some() {
                return PingStep::Stuck;
            }
            match self.turn(heard.take().is_some_and(|heard| heard())) {
                PingStep::Wait => {}
                step => return step,
            }
        }
        PingStep::Wait
    }

    /// Decides what to do when a ping or its pong is due. Any bytes from the client show that it is alive, even a part
    /// of a message.
    fn turn(&mut self, heard: bool) -> PingStep {
        let now = Instant::now();
        let paused = self.pauses.were();
        let Some(pinged) = self.pinged else {
            self.pinged = Some(now);
            self.next = Some(now + self.options.ping_timeout);
            return PingStep::Ping;
        };
        if heard {
            self.pinged = None;
            self.next = Some(now.max(pinged + self.options.ping_interval));
            return PingStep::Wait;
        }
        if paused {
            self.next = Some(now + self.options.ping_timeout);
            return PingStep::Wait;
        }
        PingStep::Silent
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
        let mut pinger = pinger();
        assert_eq!([pinger.turn(false), pinger.turn(false)], [PingStep::Ping, PingStep::Silent]);
    }

    #[test]
    fn a_pause_gives_the_client_a_whole_timeout_from_its_end() {
        let mut pinger = pinger();
        assert_eq!(pinger.turn(false), PingStep::Ping);
        pinger.reads(false);
        assert_eq!(pinger.turn(false), PingStep::Wait);
        pinger.reads(true);
        // The pause has just ended, so nothing can have been read since.
        assert_eq!([pinger.turn(false), pinger.turn(false)], [PingStep::Wait, PingStep::Silent]);
    }
}
