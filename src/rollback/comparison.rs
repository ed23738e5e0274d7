//! Compares the two sides of a window: requests in the share, which the new application answers, and other requests at
//! the same time.
//!
//! If both sides fail, the cause is something that they share, such as a database, and the new application is not
//! worse. So a difference must be large as well as significant.

#![allow(clippy::cast_precision_loss, reason = "nobody has 2^53 requests in a window")]

use std::time::Duration;

use super::guard::Guard;
use super::significance::fisher;
use super::tally::Side;

/// The level of a test. Two windows in a row must pass it. `docs/rollback.md` has the consequences.
pub(super) const LEVEL: f64 = 0.001;

/// The failure rate in the share must be this many times the other.
const TIMES: f64 = 2.0;

/// At least this many clients must be affected, or all clients if there are fewer.
const FEWEST_CLIENTS: u32 = 3;

/// A smaller difference of response times does not count.
const PERCEPTIBLE: Duration = Duration::from_millis(10);

/// In which way the new application is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    Failures,
    Slowness,
}

/// The counts of one window of a rule.
#[derive(Debug, Clone, Default)]
pub(super) struct Window {
    pub(super) inside: Side,
    pub(super) outside: Side,
}

impl Window {
    /// Whether both sides have enough requests to compare.
    pub(super) fn has(&self, minimum: u64) -> bool {
        self.inside.requests() >= minimum && self.outside.requests() >= minimum
    }

    /// In which way the new application is worse, if it is.
    pub(super) fn compare(&self, guard: &Guard) -> Option<Cause> {
        if self.fails_more(guard.failures) {
            return Some(Cause::Failures);
        }
        guard.p99.filter(|factor| self.is_slower(*factor)).map(|_| Cause::Slowness)
    }

    fn fails_more(&self, tolerated: f64) -> bool {
        let Self { inside, outside } = self;
        let new = (inside.failures, inside.requests());
        let old = (outside.failures, outside.requests());
        let (rate, other) = (rate(new), rate(old));
        rate > other + tolerated
            && rate >= TIMES * other
            && enough(inside.failed_clients(), inside.clients())
            && fisher(new, old) <= LEVEL
    }

    /// Whether more than 1 % of the requests in the share are slower than a limit. The limit is well above the 99th
    /// percentile of the other side.
    fn is_slower(&self, factor: f64) -> bool {
        let Some(usual) = self.outside.p99() else { return false };
        let limit = usual.mul_f64(factor).max(usual + PERCEPTIBLE);
        let (slow, clients) = self.inside.slower(limit);
        let new = (slow, self.inside.requests());
        let old = (self.outside.slower(limit).0, self.outside.requests());
        rate(new) > 0.01 && enough(clients, self.inside.clients()) && fisher(new, old) <= LEVEL
    }

    /// The cause in words, with its numbers.
    pub(super) fn describe(&self, cause: Cause) -> String {
        let Self { inside, outside } = self;
        match cause {
            Cause::Failures => {
                let figure = |side: &Side| {
                    let (bad, all) = (side.failures, side.requests());
                    format!("{bad} of {all} ({:.1}%)", 100.0 * rate((bad, all)))
                };
                format!("requests that failed: {} in the share, {} of the others", figure(inside), figure(outside))
            }
            Cause::Slowness => {
                let figure = |side: &Side| side.p99().map_or_else(String::new, shown);
                format!(
                    "99% of the requests took up to {} in the share, {} of the others",
                    figure(inside),
                    figure(outside)
                )
            }
        }
    }
}

fn rate((some, all): (u64, u64)) -> f64 {
    if all == 0 { 0.0 } else { some as f64 / all as f64 }
}

/// Whether enough clients are affected: [`FEWEST_CLIENTS`], or all if there are fewer.
fn enough(affected: u32, clients: u32) -> bool {
    affected >= FEWEST_CLIENTS.min(clients)
}

fn shown(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{} ms", time.as_millis())
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUARD: Guard = Guard {
        window: Duration::from_secs(30),
        minimum: 100,
        failures: 0.01,
        p99: Some(2.0),
        hook: None,
        advance: None,
    };
    const ALL: u64 = u64::MAX;

    fn side(requests: u64, failures: u64, failed: u64) -> Side {
        Side::of_slots([(Side::slot_of(Duration::from_millis(20)), requests, ALL)], failures, failed)
    }

    fn slow(requests: u64, slow: u64, clients: u64) -> Side {
        let [usual, long] = [20, 200].map(|millis| Side::slot_of(Duration::from_millis(millis)));
        Side::of_slots([(usual, requests - slow, ALL), (long, slow, clients)], 0, 0)
    }

    fn compared(inside: Side, outside: Side) -> Option<Cause> {
        Window { inside, outside }.compare(&GUARD)
    }

    #[test]
    fn more_failures_are_found_and_few_are_not() {
        assert_eq!(compared(side(120, 12, ALL), side(2280, 10, ALL)), Some(Cause::Failures));
        assert_eq!(compared(side(120, 3, ALL), side(2280, 10, ALL)), None, "it may be chance");
        assert_eq!(compared(side(100_000, 900, ALL), side(100_000, 100, ALL)), None, "less than a point more");
    }

    #[test]
    fn what_both_sides_suffer_is_nobodys_fault() {
        assert_eq!(compared(side(1000, 1000, ALL), side(20_000, 20_000, ALL)), None);
        assert_eq!(compared(side(1000, 500, ALL), side(20_000, 8000, ALL)), None);
        assert_eq!(compared(side(1000, 1000, ALL), side(20_000, 12_000, ALL)), None);
    }

    #[test]
    fn one_client_alone_says_nothing_unless_it_is_the_only_one() {
        assert_eq!(compared(side(120, 30, 0b1), side(2280, 0, 0)), None);
        assert_eq!(compared(side(120, 30, 0b111), side(2280, 0, 0)), Some(Cause::Failures));
        let only = Side::of_slots([(1, 120, 0b1)], 120, 0b1);
        assert_eq!(compared(only, side(2280, 0, 0)), Some(Cause::Failures));
        assert_eq!(compared(slow(120, 30, 0b11), slow(2280, 2, ALL)), None);
    }

    #[test]
    fn slow_responses_are_found_if_anybody_notices() {
        assert_eq!(compared(slow(200, 20, ALL), slow(4000, 20, ALL)), Some(Cause::Slowness));
        assert_eq!(compared(slow(200, 3, ALL), slow(4000, 20, ALL)), None, "it may be chance");
        assert_eq!(compared(slow(200, 20, ALL), slow(4000, 400, ALL)), None, "both are slow");
        let quick = |millis| Side::of_slots([(Side::slot_of(Duration::from_millis(millis)), 1000, ALL)], 0, 0);
        assert_eq!(compared(quick(9), quick(1)), None, "nobody notices 8 ms");
        let window = Window { inside: slow(200, 20, ALL), outside: slow(4000, 20, ALL) };
        assert_eq!(
            window.describe(Cause::Slowness),
            "99% of the requests took up to 229 ms in the share, 20 ms of the others"
        );
        assert_eq!(Window { inside: quick(400), ..window }.compare(&Guard { p99: None, ..GUARD }), None);
    }
}
