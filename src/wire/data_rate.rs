//! Limits how slow a client may be in one direction of a connection.
//!
//! A client has a credit of time. Waiting for the client uses up credit. The bytes that it sends or reads earn new
//! credit, at the minimum data rate. The clock runs only while the server waits for the client, never while the client
//! waits for the server. While the client keeps up, the clock is not read. Both directions use the same rule.
//!
//! The server may not have run for a while: the process was stopped (SIGSTOP), or the machine was suspended. Then a
//! deadline is found long after it has passed, and what the client has sent meanwhile was not read. Such a wait is not
//! held against the client. It gets the whole grace time again.
//!
//! Spec: RFC 9110 15.5.9 (408). The rate is our own rule.

use std::time::Duration;

use tokio::time::Instant;

use super::Limits;
use super::timer::MISSED;

/// The largest credit that bytes can earn, as a multiple of the grace time. Otherwise one large write would earn an
/// hour of silence.
const MOST_GRACES: u32 = 3;

/// The credit of one direction.
#[derive(Debug)]
pub struct DataRate {
    rate: u64,
    grace: Duration,
    credit: Duration,
    /// Bytes that have moved and are not yet turned into credit.
    moved: u64,
    waiting: Option<Instant>,
}

impl DataRate {
    /// A direction whose client has the whole grace time as credit.
    pub fn new(limits: &Limits) -> Self {
        let grace = limits.min_data_rate_grace;
        Self { rate: limits.min_data_rate, grace, credit: grace, moved: 0, waiting: None }
    }

    /// Whether the server waits for the client.
    pub fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// Notes that the client has sent or read `bytes`. If this ends a wait, returns the current time.
    pub fn moved(&mut self, bytes: usize) -> Option<Instant> {
        let since = self.waiting.take();
        let now = since.map(|since| {
            let now = Instant::now();
            let waited = now - since;
            self.credit = if self.is_missed(waited) { self.grace } else { self.credit.saturating_sub(waited) };
            now
        });
        self.moved = self.moved.saturating_add(bytes as u64);
        now
    }

    /// Notes that the server has written `bytes` and waits until the client has read all of them. The client gets the
    /// time for them as credit now.
    pub fn hand(&mut self, bytes: usize) {
        self.waiting.get_or_insert_with(Instant::now);
        if let Some(micros) = (bytes as u64).saturating_mul(1_000_000).checked_div(self.rate) {
            let most = self.grace.saturating_mul(MOST_GRACES);
            self.credit = self.credit.min(most).saturating_add(Duration::from_micros(micros));
        }
    }

    /// Notes that the server waits for the client. Returns the deadline; `None` means that there is none.
    pub fn wait(&mut self) -> Option<Instant> {
        let since = match self.waiting {
            Some(since) => self.since_it_ran(since),
            None => Instant::now(),
        };
        self.waiting = Some(since);
        if self.rate == 0 {
            return None;
        }
        let moved = std::mem::take(&mut self.moved);
        if moved > 0 {
            let earned = Duration::from_micros(moved.saturating_mul(1_000_000) / self.rate);
            self.credit = self.credit.saturating_add(earned).min(self.grace.saturating_mul(MOST_GRACES));
        }
        since.checked_add(self.credit)
    }

    /// When the wait has begun. If its deadline was missed, it begins now, with the whole grace time.
    fn since_it_ran(&mut self, since: Instant) -> Instant {
        let now = Instant::now();
        if !self.is_missed(now - since) {
            return since;
        }
        self.credit = self.grace;
        now
    }

    fn is_missed(&self, waited: Duration) -> bool {
        waited > self.credit.saturating_add(MISSED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data_rate(rate: u64) -> DataRate {
        let grace = Duration::from_secs(10);
        DataRate::new(&Limits { min_data_rate: rate, min_data_rate_grace: grace, ..Limits::default() })
    }

    /// The remaining credit, in whole seconds.
    fn left(data_rate: &mut DataRate) -> u64 {
        let deadline = data_rate.wait().unwrap();
        (deadline - Instant::now() + Duration::from_millis(500)).as_secs()
    }

    #[test]
    fn bytes_earn_credit_up_to_a_cap() {
        let mut data_rate = data_rate(500);
        assert_eq!(left(&mut data_rate), 10);
        assert!(data_rate.is_waiting());
        assert!(data_rate.moved(1_000).is_some());
        assert_eq!(left(&mut data_rate), 12);
        data_rate.moved(10_000_000);
        assert_eq!(left(&mut data_rate), 30);
    }

    #[test]
    fn waiting_uses_credit_up() {
        let mut data_rate = data_rate(500);
        data_rate.waiting = Instant::now().checked_sub(Duration::from_secs(4));
        assert_eq!(left(&mut data_rate), 6);
        data_rate.moved(0);
        assert_eq!(left(&mut data_rate), 6);
    }

    #[test]
    fn a_deadline_that_the_server_has_missed_begins_again() {
        let stopped = Instant::now().checked_sub(Duration::from_secs(40));
        let mut data_rate = data_rate(500);
        data_rate.credit = Duration::from_secs(2);
        data_rate.waiting = stopped;
        assert_eq!(left(&mut data_rate), 10);
        data_rate.credit = Duration::from_secs(2);
        data_rate.waiting = stopped;
        data_rate.moved(1_000);
        assert_eq!(left(&mut data_rate), 12);
        // A deadline that is found in time has passed.
        data_rate.moved(0);
        data_rate.waiting = Instant::now().checked_sub(data_rate.credit + Duration::from_millis(100));
        assert!(data_rate.wait().unwrap() < Instant::now());
    }

    #[test]
    fn what_is_handed_over_brings_its_own_time() {
        let mut data_rate = data_rate(500);
        data_rate.hand(50_000);
        assert_eq!(left(&mut data_rate), 110);
        data_rate.moved(0);
        assert!(!data_rate.is_waiting());
        data_rate.hand(500);
        assert_eq!(left(&mut data_rate), 31);
    }

    #[test]
    fn no_rate_is_no_deadline() {
        let mut data_rate = data_rate(0);
        assert_eq!(data_rate.wait(), None);
        assert!(data_rate.is_waiting());
    }
}
