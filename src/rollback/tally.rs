//! The counts of one rule: requests inside and outside its share.
//!
//! Only requests that a watched share decided are counted here. Counting takes no lock. Response times are in slots,
//! four for each doubling, so that the slots of several processes can be added up. Each slot also notes its clients, as
//! far as 64 bits allow: one client that always fails or is always slow says nothing about an application.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::guard::Guard;

/// The binary logarithm of the end of the first slot, in microseconds: 2^8 µs.
const SHORTEST: u32 = 8;

/// The number of slots. The last one begins at about two minutes.
pub(super) const SLOTS: usize = 78;

/// The counters of one side.
#[derive(Debug)]
struct Arm {
    requests: AtomicU64,
    failures: AtomicU64,
    /// The clients with a failure since the last `look`, as bits.
    failed: AtomicU64,
    times: [AtomicU64; SLOTS],
    /// The clients in each slot since the last `look`, as bits.
    clients: [AtomicU64; SLOTS],
}

impl Default for Arm {
    fn default() -> Self {
        let zeros = || std::array::from_fn(|_| AtomicU64::new(0));
        Self {
            requests: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            times: zeros(),
            clients: zeros(),
        }
    }
}

impl Arm {
    fn count(&self, took: Duration, failed: bool, bucket: u16) {
        let client = 1 << (bucket % 64);
        self.requests.fetch_add(1, Ordering::Relaxed);
        if failed {
            self.failures.fetch_add(1, Ordering::Relaxed);
            self.failed.fetch_or(client, Ordering::Relaxed);
        }
        let slot = slot(took);
        if let (Some(times), Some(clients)) = (self.times.get(slot), self.clients.get(slot)) {
            times.fetch_add(1, Ordering::Relaxed);
            clients.fetch_or(client, Ordering::Relaxed);
        }
    }

    /// The counts since the start, and the clients since the last call.
    fn look(&self) -> Side {
        let slots = self.times.iter().zip(&self.clients).enumerate().filter_map(|(slot, (times, clients))| {
            let (count, clients) = (times.load(Ordering::Relaxed), clients.swap(0, Ordering::Relaxed));
            Some(Slot { place: u8::try_from(slot).ok()?, count, clients }).filter(|slot| slot.count > 0)
        });
        Side {
            slots: slots.collect(),
            failed: self.failed.swap(0, Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
        }
    }
}

fn slot(took: Duration) -> usize {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let octave = micros.checked_ilog2().filter(|octave| *octave >= SHORTEST);
    octave.map_or(0, |octave| {
        let quarter = (micros >> (octave - 2)) & 3;
        (1 + 4 * (octave - SHORTEST) as usize + usize::try_from(quarter).unwrap_or(0)).min(SLOTS - 1)
    })
}

/// Where a slot begins, and the slot before it ends.
pub(super) fn begin_of(slot: usize) -> Duration {
    let Some(above) = slot.checked_sub(1) else { return Duration::ZERO };
    let (octave, quarter) = (above / 4, above as u64 % 4);
    Duration::from_micros((4 + quarter) << (octave + SHORTEST as usize - 2))
}

/// The response times in one slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Slot {
    place: u8,
    count: u64,
    clients: u64,
}

/// The counts of one side of a rule, in the form that a worker sends.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Side {
    pub(super) slots: Vec<Slot>,
    failed: u64,
    /// Requests that failed.
    pub failures: u64,
}

impl Side {
    /// Adds the difference between `now` and `before`, which are counts of the same process.
    pub(super) fn add(&mut self, now: &Self, before: &Self) {
        self.failures += now.failures.saturating_sub(before.failures);
        self.failed |= now.failed;
        for slot in &now.slots {
            let earlier = before.slots.iter().find(|each| each.place == slot.place).map_or(0, |each| each.count);
            let more = slot.count.saturating_sub(earlier);
            match self.slots.iter_mut().find(|each| each.place == slot.place) {
                Some(own) => {
                    own.count += more;
                    own.clients |= slot.clients;
                }
                None if more > 0 => self.slots.push(Slot { count: more, ..slot.clone() }),
                None => (),
            }
        }
    }

    /// The number of requests.
    pub fn requests(&self) -> u64 {
        self.slots.iter().map(|slot| slot.count).sum()
    }

    /// How many different clients there were, at most 64.
    pub(super) fn clients(&self) -> u32 {
        self.slots.iter().fold(0, |all, slot| all | slot.clients).count_ones()
    }

    /// How many different clients had a failure, at most 64.
    pub(super) fn failed_clients(&self) -> u32 {
        self.failed.count_ones()
    }

    /// How many requests took this long or longer, and how many clients they came from.
    pub(super) fn slower(&self, limit: Duration) -> (u64, u32) {
        let slow = self.slots.iter().filter(|slot| begin_of(slot.place.into()) >= limit);
        let (count, clients) = slow.fold((0, 0), |(count, all), slot| (count + slot.count, all | slot.clients));
        (count, clients.count_ones())
    }

    /// The 99th percentile of the response time; `None` without requests.
    pub fn p99(&self) -> Option<Duration> {
        let all = self.requests();
        let rank = (all * 99).div_ceil(100);
        let mut sorted: Vec<_> = self.slots.iter().collect();
        sorted.sort_by_key(|slot| slot.place);
        let mut below = 0;
        let found = sorted.into_iter().find(|slot| {
            below += slot.count;
            below >= rank
        });
        found.filter(|_| all > 0).map(|slot| begin_of(usize::from(slot.place) + 1))
    }

    #[cfg(test)]
    pub(super) fn of_slots(slots: impl IntoIterator<Item = (u8, u64, u64)>, failures: u64, failed: u64) -> Self {
        let slots = slots.into_iter().map(|(place, count, clients)| Slot { place, count, clients });
        Self { slots: slots.filter(|slot| slot.count > 0).collect(), failed, failures }
    }

    #[cfg(test)]
    pub(super) fn slot_of(took: Duration) -> u8 {
        u8::try_from(slot(took)).unwrap_or(u8::MAX)
    }
}

/// The counters of one rule in one process.
#[derive(Debug, Default)]
pub struct Tally {
    inside: Arm,
    outside: Arm,
}

impl Tally {
    /// The counts inside and outside the share.
    pub fn look(&self) -> (Side, Side) {
        (self.inside.look(), self.outside.look())
    }

    /// Requests and failures for the metrics, inside and outside the share.
    pub fn totals(&self) -> [(u64, u64); 2] {
        [&self.inside, &self.outside]
            .map(|arm| (arm.requests.load(Ordering::Relaxed), arm.failures.load(Ordering::Relaxed)))
    }
}

/// The watched rules of a router.
#[derive(Debug)]
pub struct WatchedRules {
    /// Unique for each router of each process.
    pub id: u64,
    /// By the index of the rule.
    rules: Box<[Option<(Guard, Tally)>]>,
}

impl WatchedRules {
    /// Returns `None` if no rule is watched.
    pub fn new(guards: Vec<Option<Guard>>) -> Option<Arc<Self>> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        if guards.iter().all(Option::is_none) {
            return None;
        }
        let rules = guards.into_iter().map(|guard| guard.map(|guard| (guard, Tally::default())));
        let made = MADE.fetch_add(1, Ordering::Relaxed);
        let id = u64::from(std::process::id()) << 32 | u64::from(made);
        Some(Arc::new(Self { id, rules: rules.collect() }))
    }

    /// The settings and the counters of a rule.
    pub fn of(&self, rule: usize) -> Option<&(Guard, Tally)> {
        self.rules.get(rule)?.as_ref()
    }
}

/// A request that counts for some rules when it ends.
#[derive(Debug)]
pub struct Tallied {
    watched: Arc<WatchedRules>,
    /// The rules whose shares were checked, as bits.
    checked: u64,
    /// The rule that decided. The request is inside its share, and outside the others.
    inside: Option<usize>,
    bucket: u16,
}

impl Tallied {
    /// For a client in `bucket`. `checked` has a bit for each rule whose share was checked; `rule` is the rule that
    /// decided.
    pub fn new(watched: &Arc<WatchedRules>, checked: u64, rule: Option<usize>, bucket: u16) -> Self {
        Self { watched: Arc::clone(watched), checked, inside: rule, bucket }
    }

    /// Counts the request at its end. Status 0 means that there was no response.
    pub fn end(&self, took: Duration, status: u16, broken: bool) {
        let failed = broken || status == 0 || status >= 500;
        let mut left = self.checked;
        while left != 0 {
            let rule = left.trailing_zeros() as usize;
            left &= left - 1;
            if let Some((_, tally)) = self.watched.of(rule) {
                let arm = if self.inside == Some(rule) { &tally.inside } else { &tally.outside };
                arm.count(took, failed, self.bucket);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_follow_each_other() {
        assert_eq!(slot(Duration::ZERO), 0);
        for number in 1..SLOTS {
            let begin = begin_of(number);
            assert_eq!(slot(begin), number, "{begin:?}");
            assert_eq!(slot(begin.saturating_sub(Duration::from_micros(1))), number - 1, "{begin:?}");
        }
        assert_eq!(slot(Duration::from_secs(86_400)), SLOTS - 1);
        assert!(begin_of(SLOTS - 1) > Duration::from_secs(100), "{:?}", begin_of(SLOTS - 1));
    }

    #[test]
    fn what_is_added_is_the_difference() {
        let arm = Arm::default();
        arm.count(Duration::from_millis(3), false, 7);
        let first = arm.look();
        arm.count(Duration::from_millis(3), true, 8);
        arm.count(Duration::from_millis(300), false, 8);
        let second = arm.look();
        let mut window = Side::default();
        window.add(&second, &first);
        assert_eq!((window.requests(), window.failures), (2, 1));
        assert_eq!((window.clients(), window.failed_clients()), (1, 1), "the client of the first look is not in it");
        assert_eq!(window.slower(Duration::from_millis(100)), (1, 1));
    }

    #[test]
    fn the_99th_percentile_is_the_end_of_its_slot() {
        let arm = Arm::default();
        assert_eq!(arm.look().p99(), None);
        (0..990).for_each(|_| arm.count(Duration::from_millis(3), false, 0));
        (0..10).for_each(|_| arm.count(Duration::from_secs(3), false, 0));
        let ordinary = begin_of(slot(Duration::from_millis(3)) + 1);
        assert_eq!(arm.look().p99(), Some(ordinary));
        arm.count(Duration::from_secs(3), false, 0);
        assert_eq!(arm.look().p99(), Some(begin_of(slot(Duration::from_secs(3)) + 1)));
    }
}
