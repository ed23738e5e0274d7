//! Counts the requests of one HTTP/2 connection: whether there is one, and since when there is none.
//!
//! The connection itself cannot see when a request ends: that is with the body of its response, or with its WebSocket.
//! (An HTTP/1 connection has one request at a time, and knows.)

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// See the top of this file.
#[derive(Debug)]
pub struct Activity {
    created: Instant,
    started: AtomicU64,
    ended: AtomicU64,
    /// When the latest request ended, in microseconds since `created`.
    ended_at: AtomicU64,
}

impl Default for Activity {
    fn default() -> Self {
        Self {
            created: Instant::now(),
            started: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            ended_at: AtomicU64::new(0),
        }
    }
}

impl Activity {
    /// Notes that a request has begun.
    pub fn request_started(&self) {
        self.started.fetch_add(1, Ordering::AcqRel);
    }

    /// Notes that a request has ended, including the body of its response. Call this once per request.
    pub fn request_ended(&self) {
        let micros = u64::try_from(self.created.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.ended_at.store(micros, Ordering::Release);
        self.ended.fetch_add(1, Ordering::AcqRel);
    }

    /// Returns since when there is no request (`None` while there is one), and whether there ever was one.
    pub fn idle_since(&self) -> (Option<Instant>, bool) {
        let started = self.started.load(Ordering::Acquire);
        let idle = self.ended.load(Ordering::Acquire) >= started;
        let ended_at = || self.created + Duration::from_micros(self.ended_at.load(Ordering::Acquire));
        (idle.then(ended_at), started > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_idle_when_all_requests_have_ended() {
        let activity = Activity::default();
        assert_eq!(activity.idle_since(), (Some(activity.created), false));
        activity.request_started();
        activity.request_started();
        activity.request_ended();
        assert_eq!(activity.idle_since(), (None, true));
        activity.request_ended();
        assert!(activity.idle_since().0.is_some_and(|since| since >= activity.created));
    }
}
