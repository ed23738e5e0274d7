//! A slot in which one connection waits for one response, and which it uses again for the next request.
//!
//! The thread of an application puts its response into the slot, and `response_queue.rs` wakes the connection. A oneshot
//! channel would be a new allocation for each request. Here the slot stays, and the waker in it. It has one lock, which
//! is held only while a value is moved.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

#[cfg(loom)]
use loom::sync::{Arc, Mutex, MutexGuard};
#[cfg(not(loom))]
use std::sync::{Arc, Mutex, MutexGuard};

/// The slot. Both sides share it.
#[derive(Debug)]
struct ReplySlot<T>(Mutex<SlotInner<T>>);

#[derive(Debug)]
struct SlotInner<T> {
    state: SlotState<T>,
    /// The task that waits. Stays for the next reply.
    waker: Option<Waker>,
}

#[derive(Debug)]
enum SlotState<T> {
    /// There is no reply yet.
    Empty,
    /// The reply is here.
    Filled(T),
    /// The reply was taken.
    Taken,
    /// There will be no reply.
    Abandoned,
    /// Nobody waits any more.
    Closed,
}

/// The side that replies. If it is dropped without a reply, the receiver gets [`NoReply`].
#[derive(Debug)]
pub struct ReplySender<T>(Option<Arc<ReplySlot<T>>>);

/// A reply that is in its slot. The receiver does not know yet.
#[derive(Debug)]
pub struct FilledReply<T>(Arc<ReplySlot<T>>);

/// The side that waits.
#[derive(Debug)]
pub struct ReplyReceiver<T>(Arc<ReplySlot<T>>);

/// There is no reply, because the sender was dropped.
#[derive(Debug, PartialEq, Eq)]
pub struct NoReply;

/// Both sides of a new slot.
pub fn channel<T>() -> (ReplySender<T>, ReplyReceiver<T>) {
    let slot = Arc::new(ReplySlot(Mutex::new(SlotInner { state: SlotState::Empty, waker: None })));
    (ReplySender(Some(Arc::clone(&slot))), ReplyReceiver(slot))
}

impl<T> ReplySlot<T> {
    fn lock(&self) -> MutexGuard<'_, SlotInner<T>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Wakes the receiver, if it waits.
    fn wake(&self) {
        if let Some(waker) = &self.lock().waker {
            waker.wake_by_ref();
        }
    }
}

impl<T> ReplySender<T> {
    /// Puts the reply into the slot, where the receiver finds it when it is polled. It is dropped if nobody waits any more.
    pub fn fill(mut self, reply: T) -> Option<FilledReply<T>> {
        let slot = self.0.take()?;
        let mut inner = slot.lock();
        if matches!(inner.state, SlotState::Closed) {
            return None;
        }
        inner.state = SlotState::Filled(reply);
        drop(inner);
        Some(FilledReply(slot))
    }

    /// Fills the slot and wakes the receiver.
    #[cfg(test)]
    pub fn send(self, reply: T) {
        if let Some(filled) = self.fill(reply) {
            filled.wake();
        }
    }

    /// Whether nobody waits any more.
    pub fn is_closed(&self) -> bool {
        self.0.as_ref().is_none_or(|slot| matches!(slot.lock().state, SlotState::Closed))
    }
}

impl<T> Drop for ReplySender<T> {
    fn drop(&mut self) {
        if let Some(slot) = self.0.take() {
            let mut inner = slot.lock();
            if !matches!(inner.state, SlotState::Closed) {
                inner.state = SlotState::Abandoned;
            }
            drop(inner);
            slot.wake();
        }
    }
}

impl<T> FilledReply<T> {
    /// Wakes the receiver. If it already has the reply, it is woken for nothing.
    pub fn wake(self) {
        self.0.wake();
    }
}

impl<T> ReplyReceiver<T> {
    /// Both sides for the next reply, in the same slot. If the last sender still has it, in a new one.
    pub fn reuse(mut self) -> (ReplySender<T>, Self) {
        let Some(slot) = Arc::get_mut(&mut self.0) else { return channel() };
        slot.0.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner).state = SlotState::Empty;
        (ReplySender(Some(Arc::clone(&self.0))), self)
    }
}

impl<T> Future for ReplyReceiver<T> {
    type Output = Result<T, NoReply>;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut inner = self.0.lock();
        if matches!(inner.state, SlotState::Empty) {
            if !inner.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
                inner.waker = Some(context.waker().clone());
            }
            return Poll::Pending;
        }
        match std::mem::replace(&mut inner.state, SlotState::Taken) {
            SlotState::Filled(reply) => Poll::Ready(Ok(reply)),
            SlotState::Empty | SlotState::Taken | SlotState::Abandoned | SlotState::Closed => Poll::Ready(Err(NoReply)),
        }
    }
}

impl<T> Drop for ReplyReceiver<T> {
    fn drop(&mut self) {
        let unwanted = std::mem::replace(&mut self.0.lock().state, SlotState::Closed);
        // Dropped without the lock, because to drop a response may take long.
        drop(unwanted);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::task::Waker;

    use super::*;

    fn poll<T>(reply: &mut ReplyReceiver<T>) -> Poll<Result<T, NoReply>> {
        Pin::new(reply).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_reply_arrives_once() {
        let (sender, mut receiver) = channel();
        assert_eq!(poll(&mut receiver), Poll::Pending);
        sender.send(1);
        assert_eq!(poll(&mut receiver), Poll::Ready(Ok(1)));
        assert_eq!(poll(&mut receiver), Poll::Ready(Err(NoReply)));
    }

    #[test]
    fn a_dropped_sender_ends_the_wait() {
        let (sender, mut receiver) = channel::<u8>();
        drop(sender);
        assert_eq!(poll(&mut receiver), Poll::Ready(Err(NoReply)));
    }

    #[test]
    fn a_reply_is_dropped_when_nobody_waits() {
        let (sender, receiver) = channel();
        assert!(!sender.is_closed());
        drop(receiver);
        assert!(sender.is_closed());
        let reply = Arc::new(());
        sender.send(Arc::clone(&reply));
        assert_eq!(Arc::strong_count(&reply), 1, "a reply to nobody is dropped");
        let (sender, receiver) = channel();
        sender.send(Arc::clone(&reply));
        drop(receiver);
        assert_eq!(Arc::strong_count(&reply), 1, "a reply that was not taken is dropped");
    }

    #[test]
    fn a_slot_is_used_again_when_the_sender_is_gone() {
        let (sender, mut receiver) = channel();
        sender.send(1);
        assert_eq!(poll(&mut receiver), Poll::Ready(Ok(1)));
        let before = Arc::as_ptr(&receiver.0);
        let (late, mut receiver) = receiver.reuse();
        assert_eq!(Arc::as_ptr(&receiver.0), before);
        assert_eq!(poll(&mut receiver), Poll::Pending);
        let (sender, mut next) = receiver.reuse();
        assert_ne!(Arc::as_ptr(&next.0), before);
        late.send(2);
        assert_eq!(poll(&mut next), Poll::Pending, "a late reply does not reach another request");
        sender.send(3);
        assert_eq!(poll(&mut next), Poll::Ready(Ok(3)));
    }
}
