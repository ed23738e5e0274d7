//! Brings items to the holds of this process, and to other processes.
//!
//! Any thread may publish: a lock is held only to find the holds of a channel. Each hold has a queue that its own task empties.
//! What a queue holds is bounded, and a client whose queue is full is dropped, so that one slow client costs nobody anything.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::instruct::Channel;
use super::item::{Item, parse};
use super::sequencer::Sequencer;
use crate::log::debug;

/// So many items wait for one hold, and as many for the other processes. Small ones reach this before `--grip-buffer`.
const MOST_WAITING: usize = 4096;

/// The holds of one process.
#[derive(Debug)]
pub struct Hub {
    state: Mutex<State>,
    /// Locked while an item goes to its holds, so that all get items in the same order. Taken before `state`.
    order: Mutex<Order>,
    /// Where holds run.
    runtime: OnceLock<Handle>,
    most_holds: usize,
    most_bytes: usize,
    next: AtomicU64,
    /// Items that were published here.
    published: AtomicU64,
    /// Takes what this process publishes to the others, where there are some.
    relay: Mutex<Option<Sender<String>>>,
}

#[derive(Debug, Default)]
struct State {
    channels: HashMap<Arc<str>, HashMap<u64, Arc<HoldQueue>>>,
    holds: usize,
}

#[derive(Debug)]
struct Order {
    items: Sequencer,
    /// Whether a task waits for what is due.
    is_watched: bool,
}

/// Items that wait for one hold.
#[derive(Debug)]
pub(super) struct HoldQueue {
    items: Sender<Arc<Item>>,
    bytes: AtomicUsize,
    overflowed: AtomicBool,
}

/// There are as many holds as there may be.
#[derive(Debug)]
pub(super) struct Full;

impl Hub {
    /// An item waits for the one before it for as long as `wait`.
    pub(super) fn new(most_holds: usize, most_bytes: usize, wait: Duration) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            order: Mutex::new(Order { items: Sequencer::new(wait), is_watched: false }),
            runtime: OnceLock::new(),
            most_holds,
            most_bytes,
            next: AtomicU64::default(),
            published: AtomicU64::default(),
            relay: Mutex::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn order(&self) -> MutexGuard<'_, Order> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The holds now, and the items so far.
    pub fn counts(&self) -> (usize, u64) {
        (self.lock().holds, self.published.load(Ordering::Relaxed))
    }

    /// The id of the last item that was published on a channel, if it had one.
    pub(super) fn last_id(&self, channel: &str) -> Option<String> {
        self.order().items.last_id(channel).map(str::to_owned)
    }

    /// Publishes to the holds of this process.
    pub fn publish(self: &Arc<Self>, items: Vec<Item>) {
        let (mut order, now) = (self.order(), Instant::now());
        for item in items {
            self.published.fetch_add(1, Ordering::Relaxed);
            for ready in order.items.take(item, now) {
                self.deliver(ready);
            }
        }
        if order.items.next_due().is_some() && !order.is_watched {
            match self.runtime.get() {
                Some(runtime) => {
                    order.is_watched = true;
                    runtime.spawn(watch(Arc::downgrade(self)));
                }
                // Nothing was ever held, so nobody waits.
                None => drop(order.items.all(now)),
            }
        }
    }

    /// Brings an item to the holds of its channel.
    fn deliver(&self, item: Item) {
        let queues: Vec<Arc<HoldQueue>> = {
            let state = self.lock();
            state.channels.get(&*item.channel).map(|queues| queues.values().cloned().collect()).unwrap_or_default()
        };
        let item = Arc::new(item);
        for queue in queues {
            queue.push(&item, self.most_bytes);
        }
    }

    /// Delivers what has waited for long enough. Gives until when more waits.
    fn deliver_due(&self) -> Option<Instant> {
        let mut order = self.order();
        for item in order.items.due(Instant::now()) {
            debug(format_args!(
                "GRIP: channel `{}`: the item `{}` goes on without the one before it, `{}`, which has not come",
                item.channel,
                item.id.as_deref().unwrap_or_default(),
                item.prev_id.as_deref().unwrap_or_default()
            ));
            self.deliver(item);
        }
        let next = order.items.next_due();
        order.is_watched = next.is_some();
        next
    }

    /// Publishes to the holds of all processes.
    ///
    /// # Errors
    /// What is wrong with the items.
    pub fn publish_everywhere(self: &Arc<Self>, json: &str) -> Result<(), String> {
        self.publish(parse(json.as_bytes())?);
        if let Some(relay) = &*self.relay.lock().unwrap_or_else(PoisonError::into_inner) {
            // A supervisor that has gone has no other workers.
            if let Err(TrySendError::Full(_)) = relay.try_send(json.to_owned()) {
                return Err("too many items wait for the other workers; only clients of this one got it".to_owned());
            }
        }
        Ok(())
    }

    /// What is published here from now on, for the other processes.
    pub fn relayed(&self) -> Receiver<String> {
        let (sender, receiver) = channel(MOST_WAITING);
        *self.relay.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        receiver
    }

    /// A new hold with these channels.
    pub(super) fn subscribe(self: &Arc<Self>, channels: &[Channel]) -> Result<Subscription, Full> {
        if let Ok(runtime) = Handle::try_current() {
            self.runtime.get_or_init(|| runtime);
        }
        let (sender, items) = channel(MOST_WAITING);
        let queue =
            Arc::new(HoldQueue { items: sender, bytes: AtomicUsize::new(0), overflowed: AtomicBool::new(false) });
        {
            let mut state = self.lock();
            if state.holds >= self.most_holds {
                return Err(Full);
            }
            state.holds += 1;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut subscription = Subscription { hub: Arc::clone(self), number, names: Vec::new(), queue, items };
        subscription.change(channels);
        Ok(subscription)
    }
}

/// Delivers items whose predecessor does not come, until none waits.
async fn watch(hub: Weak<Hub>) {
    while let Some(due) = hub.upgrade().and_then(|hub| hub.deliver_due()) {
        tokio::time::sleep_until(due.into()).await;
    }
}

impl HoldQueue {
    fn push(&self, item: &Arc<Item>, most_bytes: usize) {
        if self.overflowed.load(Ordering::Relaxed) {
            return;
        }
        let before = self.bytes.fetch_add(item.weight(), Ordering::AcqRel);
        // One item alone may be larger.
        if before > 0 && before + item.weight() > most_bytes {
            self.overflowed.store(true, Ordering::Release);
        }
        // It also wakes the task, which sees that it is too much.
        if let Err(TrySendError::Full(_)) = self.items.try_send(Arc::clone(item)) {
            self.overflowed.store(true, Ordering::Release);
        }
    }
}

/// A hold, as long as it lasts.
#[derive(Debug)]
pub(super) struct Subscription {
    hub: Arc<Hub>,
    number: u64,
    names: Vec<Arc<str>>,
    queue: Arc<HoldQueue>,
    items: Receiver<Arc<Item>>,
}

impl Subscription {
    /// The next item; `None` when they were too many.
    pub(super) async fn next(&mut self) -> Option<Arc<Item>> {
        let item = self.items.recv().await?;
        self.queue.bytes.fetch_sub(item.weight(), Ordering::AcqRel);
        (!self.queue.overflowed.load(Ordering::Acquire)).then_some(item)
    }

    /// Whether something was published on one of the channels that the application did not know of.
    pub(super) fn is_behind(&self, channels: &[Channel]) -> bool {
        channels.iter().any(|channel| {
            let known = channel.prev_id.as_ref().zip(self.hub.last_id(&channel.name));
            known.is_some_and(|(known, last)| *known != last)
        })
    }

    /// Has these channels from now on.
    pub(super) fn change(&mut self, channels: &[Channel]) {
        let mut state = self.hub.lock();
        leave(&mut state, &self.names, self.number);
        for channel in channels {
            let queues = state.channels.entry(Arc::clone(&channel.name)).or_default();
            queues.insert(self.number, Arc::clone(&self.queue));
        }
        self.names = channels.iter().map(|channel| Arc::clone(&channel.name)).collect();
    }
}

fn leave(state: &mut State, names: &[Arc<str>], number: u64) {
    for name in names {
        if let Some(queues) = state.channels.get_mut(name) {
            queues.remove(&number);
            if queues.is_empty() {
                state.channels.remove(name);
            }
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut state = self.hub.lock();
        leave(&mut state, &self.names, self.number);
        state.holds -= 1;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot read its items should fail")]
    use futures::FutureExt;

    use super::*;

    fn channels(names: &[&str]) -> Vec<Channel> {
        let channel =
            |name: &&str| Channel { name: (*name).into(), prev_id: Some("1".to_owned()), filters: Vec::new() };
        names.iter().map(channel).collect()
    }

    fn send(hub: &Arc<Hub>, channel: &str, content: &str) {
        let json = format!(
            "{{\"items\": [{{\"channel\": \"{channel}\", \"id\": \"2\", \"http-stream\": {{\"content\": \"{content}\"}}}}]}}"
        );
        hub.publish_everywhere(&json).unwrap();
    }

    #[test]
    fn a_hold_gets_the_items_of_its_channels_until_it_ends() {
        let hub = Hub::new(1, 1000, Duration::ZERO);
        let mut hold = hub.subscribe(&channels(&["a", "b"])).unwrap();
        assert!(hub.subscribe(&channels(&["a"])).is_err(), "there may be one");
        assert!(!hold.is_behind(&channels(&["a"])));
        send(&hub, "a", "x");
        send(&hub, "c", "x");
        assert!(hold.is_behind(&channels(&["a"])));
        assert_eq!(hold.next().now_or_never().unwrap().unwrap().channel, "a");
        assert!(hold.next().now_or_never().is_none());
        hold.change(&channels(&["c"]));
        send(&hub, "a", "x");
        send(&hub, "c", "x");
        assert_eq!(hold.next().now_or_never().unwrap().unwrap().channel, "c");
        drop(hold);
        assert_eq!(hub.counts(), (0, 4));
        assert!(hub.lock().channels.is_empty());
    }

    #[test]
    fn too_many_bytes_end_a_hold() {
        let hub = Hub::new(9, 1000, Duration::ZERO);
        let mut hold = hub.subscribe(&channels(&["a"])).unwrap();
        send(&hub, "a", &"x".repeat(5000));
        assert!(hold.next().now_or_never().unwrap().is_some(), "one alone may be larger");
        for _ in 0..3 {
            send(&hub, "a", &"x".repeat(500));
        }
        assert!(hold.next().now_or_never().unwrap().is_none());
    }

    #[test]
    fn what_is_published_here_is_relayed() {
        let hub = Hub::new(9, 1000, Duration::ZERO);
        let mut relayed = hub.relayed();
        send(&hub, "a", "x");
        assert!(relayed.try_recv().unwrap().contains("\"a\""));
        assert!(hub.publish_everywhere("{}").is_err());
        assert!(relayed.try_recv().is_err());
    }
}
