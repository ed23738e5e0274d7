//! Puts published items into the order that `prev-id` gives them, before they go to holds.
//!
//! Items may overtake each other: two threads publish at the same time, or two workers do. An item whose predecessor has not
//! come waits for it, but not for long. Apart from `hub.rs` because it has no locks, no queues and no clock of its own.
//!
//! Spec: GRIP "Control Service" (`id`, `prev-id`); Pushpin (`message_wait`, `no-seq`).

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::item::Item;

/// So many channels have the id of their last item kept.
const MOST_IDS: usize = 10_000;

/// So many items of a channel wait. What is more goes on at once.
const MOST_WAITING: usize = 100;

/// So many bytes wait, of all channels.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// So many missing items of a channel are remembered.
const MOST_MISSED: usize = 16;

/// See the top of this file.
#[derive(Debug)]
pub(super) struct Sequencer {
    /// How long an item waits for the one before it.
    wait: Duration,
    passed: HashMap<String, Passed>,
    /// Items that wait, by channel.
    waiting: HashMap<String, Vec<Waiting>>,
    /// The bytes of those.
    bytes: usize,
}

/// What has gone on, of one channel.
#[derive(Debug, Default)]
struct Passed {
    /// The id of the last item.
    last: String,
    /// Ids of items that did not come in time.
    missed: VecDeque<String>,
}

#[derive(Debug)]
struct Waiting {
    until: Instant,
    item: Item,
}

/// What to do with an item that has come.
enum Turn {
    Now,
    /// At once. It is out of order, and changes nothing for the others.
    Late,
    /// It has come before.
    Again,
    Wait,
}

impl Sequencer {
    pub(super) fn new(wait: Duration) -> Self {
        Self { wait, passed: HashMap::new(), waiting: HashMap::new(), bytes: 0 }
    }

    /// The id of the last item of a channel, if it had one.
    pub(super) fn last_id(&self, channel: &str) -> Option<&str> {
        self.passed.get(channel).map(|passed| passed.last.as_str())
    }

    /// Takes an item. Gives those that go on now, in order.
    pub(super) fn take(&mut self, item: Item, now: Instant) -> Vec<Item> {
        match self.turn(&item) {
            Turn::Now => self.with_followers(item),
            Turn::Late => vec![item],
            Turn::Again => Vec::new(),
            Turn::Wait => {
                self.bytes += item.weight();
                self.waiting.entry(item.channel.clone()).or_default().push(Waiting { until: now + self.wait, item });
                Vec::new()
            }
        }
    }

    fn turn(&self, item: &Item) -> Turn {
        if !item.in_order {
            return Turn::Late;
        }
        let Some(prev_id) = &item.prev_id else { return Turn::Now };
        let Some(passed) = self.passed.get(&item.channel) else { return Turn::Now };
        let is = |id: &String| item.id.as_ref() == Some(id);
        let waiting = self.waiting.get(&item.channel).map(Vec::as_slice).unwrap_or_default();
        if passed.last == *prev_id {
            Turn::Now
        } else if is(&passed.last) || waiting.iter().any(|other| other.item.id.as_ref().is_some_and(is)) {
            Turn::Again
        } else if passed.missed.iter().any(is) {
            Turn::Late
        } else if waiting.len() >= MOST_WAITING || self.bytes + item.weight() > MOST_BYTES || self.wait.is_zero() {
            Turn::Now
        } else {
            Turn::Wait
        }
    }

    /// An item that goes on, and those that have waited for it.
    fn with_followers(&mut self, item: Item) -> Vec<Item> {
        self.pass(&item);
        let mut ready = vec![item];
        while let Some(next) = ready.last().and_then(|item| self.follower(item)) {
            self.pass(&next);
            ready.push(next);
        }
        ready
    }

    /// Notes that an item goes on.
    fn pass(&mut self, item: &Item) {
        let Some(id) = &item.id else { return };
        if self.passed.len() >= MOST_IDS && !self.passed.contains_key(&item.channel) {
            self.passed.clear();
        }
        let passed = self.passed.entry(item.channel.clone()).or_insert_with(|| Passed {
            // What came before the first item is not known, and may still come.
            last: item.prev_id.clone().unwrap_or_default(),
            missed: item.prev_id.iter().cloned().collect(),
        });
        if let Some(prev_id) = item.prev_id.as_ref().filter(|prev_id| **prev_id != passed.last) {
            passed.missed.push_back(prev_id.clone());
            if passed.missed.len() > MOST_MISSED {
                passed.missed.pop_front();
            }
        }
        passed.last.clone_from(id);
    }

    /// Takes the item that waits for this one.
    fn follower(&mut self, item: &Item) -> Option<Item> {
        let id = item.id.as_ref()?;
        let waiting = self.waiting.get(&item.channel)?;
        let place = waiting.iter().position(|other| other.item.prev_id.as_ref() == Some(id))?;
        Some(self.remove(&item.channel.clone(), place))
    }

    fn remove(&mut self, channel: &str, place: usize) -> Item {
        let waiting = self.waiting.entry(channel.to_owned()).or_default();
        let item = waiting.remove(place).item;
        if waiting.is_empty() {
            self.waiting.remove(channel);
        }
        self.bytes -= item.weight();
        item
    }

    /// Until when something waits.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.waiting.values().flatten().map(|waiting| waiting.until).min()
    }

    /// What has waited for as long as it may, with what waits for it.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Item> {
        let is_due = |waiting: &Vec<Waiting>| waiting.iter().any(|waiting| waiting.until <= now);
        let channels: Vec<_> =
            self.waiting.iter().filter(|(_, waiting)| is_due(waiting)).map(|(channel, _)| channel.clone()).collect();
        let mut ready = Vec::new();
        for channel in channels {
            while let Some(waiting) = self.waiting.get(&channel).filter(|waiting| is_due(waiting)) {
                let item = self.remove(&channel, first(waiting));
                ready.extend(self.with_followers(item));
            }
        }
        ready
    }

    /// All that waits.
    pub(super) fn all(&mut self, now: Instant) -> Vec<Item> {
        self.due(now + self.wait)
    }
}

/// The place of an item that waits for none of the others, or of the oldest if they wait in a circle.
fn first(waiting: &[Waiting]) -> usize {
    let waits_for = |item: &Item, other: &Item| item.prev_id.is_some() && other.id == item.prev_id;
    let free = waiting.iter().position(|one| !waiting.iter().any(|other| waits_for(&one.item, &other.item)));
    free.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot read its items should fail")]
    use super::*;
    use crate::grip::item::parse;

    const WAIT: Duration = Duration::from_secs(5);

    /// An item, written as `id<prev`.
    fn item(text: &str) -> Item {
        let (id, prev_id) = text.split_once('<').unwrap();
        let prev_id = if prev_id.is_empty() { String::new() } else { format!(", \"prev-id\": \"{prev_id}\"") };
        let json =
            format!("[{{\"channel\": \"a\", \"id\": \"{id}\"{prev_id}, \"http-stream\": {{\"content\": \"x\"}}}}]");
        parse(format!("{{\"items\": {json}}}").as_bytes()).unwrap().remove(0)
    }

    fn ids(items: Vec<Item>) -> String {
        items.into_iter().filter_map(|item| item.id).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn items_wait_for_the_one_before() {
        let (mut order, now) = (Sequencer::new(WAIT), Instant::now());
        let mut take = |text| ids(order.take(item(text), now));
        assert_eq!(take("1<0"), "1");
        assert_eq!(take("3<2"), "");
        assert_eq!(take("4<3"), "");
        assert_eq!(take("4<3"), "", "it waits already");
        assert_eq!(take("2<1"), "2 3 4");
        assert_eq!(take("4<3"), "", "it has come");
        assert_eq!(take("9<"), "9", "nothing is said about the one before");
        assert_eq!(order.next_due(), None);
        assert_eq!((order.last_id("a"), order.bytes), (Some("9"), 0));
    }

    #[test]
    fn they_do_not_wait_for_long() {
        let (mut order, now) = (Sequencer::new(WAIT), Instant::now());
        for text in ["1<0", "4<3", "3<2", "6<5"] {
            order.take(item(text), now);
        }
        assert_eq!(order.next_due(), Some(now + WAIT));
        assert_eq!(ids(order.due(now)), "");
        assert_eq!(ids(order.due(now + WAIT)), "3 4 6");
        assert_eq!(ids(order.take(item("2<1"), now)), "2", "late, but not lost");
        assert_eq!(ids(order.take(item("7<6"), now)), "7", "nobody waits after that");
    }

    #[test]
    fn what_comes_before_the_first_is_late() {
        let (mut order, now) = (Sequencer::new(WAIT), Instant::now());
        assert_eq!(ids(order.take(item("2<1"), now)), "2");
        assert_eq!(ids(order.take(item("1<0"), now)), "1");
        assert_eq!(ids(order.take(item("3<2"), now)), "3");
    }

    #[test]
    fn a_circle_ends_and_too_many_do_not_wait() {
        let (mut order, now) = (Sequencer::new(WAIT), Instant::now());
        for text in ["1<0", "5<6", "6<5"] {
            order.take(item(text), now);
        }
        assert_eq!(ids(order.due(now + WAIT)), "5 6");
        for number in 0..MOST_WAITING {
            assert_eq!(ids(order.take(item(&format!("n{number}<x{number}")), now)), "");
        }
        assert_eq!(ids(order.take(item("n<x"), now)), "n");
        assert_eq!(ids(Sequencer::new(Duration::ZERO).take(item("3<2"), now)), "3");
    }
}
