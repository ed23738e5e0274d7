//! How slow one direction of a connection may be.
//!
//! Apart because readers and writers are held to the same rule: a client has credit, waiting for it uses the credit up,
//! and the bytes it brings or takes earn it anew. The clock runs only while we wait for the client, never while it
//! waits for us, and it is not looked at as long as the client keeps up.
//!
//! Spec: RFC 9110 15.5.9 (408); the rate is ours.

use std::time::Duration;

use tokio::time::Instant;

use super::Limits;

/// A burst never earns more than so many times the grace, or one large write would buy an hour of silence.
const MOST_GRACES: u32 = 3;

/// One direction's credit.
#[derive(Debug)]
pub struct DataRate {
    rate: u64,
    grace: Duration,
    credit: Duration,
    /// Bytes moved that are not yet turned into credit.
    moved: u64,
    waiting: Option<Instant>,
}

impl DataRate {
    /// A direction whose client has its whole grace.
    pub fn new(limits: &Limits) -> Self {
        let grace = limits.min_data_rate_grace;
        Self { rate: limits.min_data_rate, grace, credit: grace, moved: 0, waiting: None }
    }

    /// Whether we wait for the client.
    pub fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// The client brought or took `bytes`. Returns when it was that a wait ended by it.
    pub fn moved(&mut self, bytes: usize) -> Option<Instant> {
        let since = self.waiting.take();
        let now = since.map(|since| {
            let now = Instant::now();
            self.credit = self.credit.saturating_sub(now - since);
            now
        });
        self.moved = self.moved.saturating_add(bytes as u64);
        now
    }

    /// The client gets `bytes` to take, all of which is waited for: the time for them is earned beforehand.
    pub fn hand(&mut self, bytes: usize) {
        self.waiting.get_or_insert_with(Instant::now);
        if let Some(micros) = (bytes as u64).saturating_mul(1_000_000).checked_div(self.rate) {
            let most = self.grace.saturating_mul(MOST_GRACES);
            self.credit = self.credit.min(most).saturating_add(Duration::from_micros(micros));
        }
    }

    /// The client keeps us waiting: until when we are ready to. `None` is for ever.
    pub fn wait(&mut self) -> Option<Instant> {
        let since = *self.waiting.get_or_insert_with(Instant::now);
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data_rate(rate: u64) -> DataRate {
        let grace = Duration::from_secs(10);
        DataRate::new(&Limits { min_data_rate: rate, min_data_rate_grace: grace, ..Limits::default() })
    }

    /// The credit left, in whole seconds.
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
