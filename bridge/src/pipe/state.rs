//! What the two ends of a pipe share, behind one lock.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use bytes::Bytes;

use crate::error::BodyError;
use crate::process::Process;

/// How much of the capacity of a pipe an item uses, in bytes.
pub trait Weight {
    /// The weight in bytes.
    fn weight(&self) -> usize;
}

impl Weight for Bytes {
    fn weight(&self) -> usize {
        self.len()
    }
}

/// Whether another item can be written at once.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum Capacity {
    /// It can.
    More,
    /// It cannot before the reader has taken some.
    Full,
}

#[derive(Debug)]
pub(super) enum End {
    Open,
    Finished,
    Failed(BodyError),
}

#[derive(Debug)]
pub(super) struct PipeState<T> {
    pub(super) items: VecDeque<T>,
    pub(super) weight: usize,
    /// How many items the reader has taken so far.
    pub(super) taken: u64,
    /// Whether the writer has taken the items back and will put others in their place.
    pub(super) taken_back: bool,
    pub(super) end: End,
    /// Whether the reader is there, from the view of the writer. See `doubt.rs`.
    pub(super) presence: Presence,
    /// Whether the reader has waited for an item at least once. `Expect: 100-continue` needs this.
    pub(super) wanted: bool,
    pub(super) reader_waker: Option<Waker>,
    /// How many bytes the reader waits for. It is not woken for less.
    pub(super) enough: usize,
    /// The task that waits for room, or for `wanted`.
    pub(super) writer_waker: Option<Waker>,
    /// The task that waits until the reader leaves. It may be another task than the one that writes.
    pub(super) closed_waker: Option<Waker>,
    pub(super) on_abandoned: Option<OnAbandoned>,
    pub(super) on_given_up: Option<OnAbandoned>,
}

/// Called if the reader leaves before the writer has ended, or if the writer gives up.
pub(super) struct OnAbandoned(pub(super) Box<dyn FnOnce() + Send>);

impl std::fmt::Debug for OnAbandoned {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("OnAbandoned")
    }
}

impl<T> PipeState<T> {
    /// Notes that the reader waits. Returns the writer's waker, to be woken: it may wait for room or for `wanted`.
    pub(super) fn wait(&mut self, context: &mut Context<'_>, enough: usize) -> Option<Waker> {
        self.reader_waker = Some(context.waker().clone());
        self.enough = enough;
        self.wanted = true;
        self.writer_waker.take()
    }
}

#[derive(Debug)]
pub(super) struct Shared<T> {
    pub(super) state: Mutex<PipeState<T>>,
    pub(super) capacity: usize,
    /// The process that made the pipe. In a forked child, nobody is at the other end, so the pipe breaks off.
    pub(super) process: Process,
}

impl<T> Shared<T> {
    pub(super) fn lock(&self) -> MutexGuard<'_, PipeState<T>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.process.is_this() && matches!(state.end, End::Open) {
            state.end = End::Failed(BodyError::Disconnected);
            state.presence = Presence::Gone;
        }
        state
    }

    /// Whether there is room for another item.
    pub(super) fn room(&self, state: &PipeState<T>) -> Capacity {
        if state.weight < self.capacity { Capacity::More } else { Capacity::Full }
    }
}

/// Whether the reader is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    Here,
    /// It may have gone. The first writer that asks turns this into `Gone`.
    Doubted,
    Gone,
}

impl<T> PipeState<T> {
    /// Whether the reader has gone. Turns `Doubted` into `Gone`.
    pub(super) fn is_left(&mut self) -> bool {
        if self.presence == Presence::Doubted {
            self.presence = Presence::Gone;
        }
        self.presence == Presence::Gone
    }
}

/// Wakes `waker`, if there is one. Call it without the lock.
pub(super) fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
