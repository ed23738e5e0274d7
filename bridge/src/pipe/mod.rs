//! A bounded pipe between two threads or tasks: bytes of a body, or WebSocket messages.
//!
//! Kept apart because every crossing uses it: socket → application, application → socket, `receive` → WSGI thread. It
//! knows neither tokio nor asyncio: both ends are polled with a [`Waker`], which any of them can be.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use self::doubt::Presence;
pub use self::hang_up::HangUp;
pub use self::reading::Reading;
use crate::error::{BodyError, Disconnected};
use crate::process::Process;

mod doubt;
mod hang_up;
mod reading;
mod slow;

/// How much of a pipe's capacity an item takes, in bytes.
pub trait Weight {
    /// The weight in bytes.
    fn weight(&self) -> usize;
}

impl Weight for Bytes {
    fn weight(&self) -> usize {
        self.len()
    }
}

#[derive(Debug)]
enum End {
    Open,
    Finished,
    Failed(BodyError),
}

#[derive(Debug)]
struct PipeState<T> {
    items: VecDeque<T>,
    weight: usize,
    /// Items that the reader has taken so far.
    taken: u64,
    /// The writer has the items, and will put them back.
    taken_back: bool,
    end: End,
    /// For the writer, which may be told that the reader has gone before it has.
    presence: Presence,
    /// The reader has asked for an item at least once; `Expect: 100-continue` waits for it.
    wanted: bool,
    reader_waker: Option<Waker>,
    /// How many bytes the reader waits for: waking it for less would be in vain.
    enough: usize,
    /// Waits for room or for the first wish.
    writer_waker: Option<Waker>,
    /// Waits for the reader to leave; another task than the one that writes, perhaps.
    closed_waker: Option<Waker>,
    on_abandoned: Option<OnAbandoned>,
    on_given_up: Option<OnAbandoned>,
}

/// Called when the reader leaves before the writer has ended, or the writer gives the reader up.
struct OnAbandoned(Box<dyn FnOnce() + Send>);

impl std::fmt::Debug for OnAbandoned {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("OnAbandoned")
    }
}

impl<T> PipeState<T> {
    /// The reader waits. Gives who is to be woken: a writer that waits for room, or to be asked.
    fn wait(&mut self, context: &mut Context<'_>, enough: usize) -> Option<Waker> {
        self.reader_waker = Some(context.waker().clone());
        self.enough = enough;
        self.wanted = true;
        self.writer_waker.take()
    }
}

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<PipeState<T>>,
    capacity: usize,
    /// In a child that this one forks nobody is at the other end, and nothing is to be waited for.
    process: Process,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, PipeState<T>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.process.is_this() && matches!(state.end, End::Open) {
            state.end = End::Failed(BodyError::Disconnected);
            state.presence = Presence::Gone;
        }
        state
    }
}

/// A pipe that holds `capacity` bytes (one item may go over it).
pub fn pipe<T: Weight>(capacity: usize) -> (PipeWriter<T>, PipeReader<T>) {
    let shared = Arc::new(Shared {
        state: Mutex::new(PipeState {
            items: VecDeque::new(),
            weight: 0,
            taken: 0,
            taken_back: false,
            end: End::Open,
            presence: Presence::Here,
            wanted: false,
            reader_waker: None,
            enough: 0,
            writer_waker: None,
            closed_waker: None,
            on_abandoned: None,
            on_given_up: None,
        }),
        capacity,
        process: Process::this(),
    });
    (PipeWriter { shared: Arc::clone(&shared) }, PipeReader { shared })
}

/// The end that puts items in. Dropping it before [`PipeWriter::finish`] tells the reader that the rest is lost.
#[derive(Debug)]
pub struct PipeWriter<T: Weight> {
    shared: Arc<Shared<T>>,
}

impl<T: Weight> PipeWriter<T> {
    /// Ready when there is room for another item.
    ///
    /// # Errors
    /// [`Disconnected`] when the reader has gone.
    pub fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), Disconnected>> {
        let mut state = self.shared.lock();
        if state.presence == Presence::Gone {
            return Poll::Ready(Err(Disconnected));
        }
        if state.weight < self.shared.capacity {
            return Poll::Ready(Ok(()));
        }
        state.writer_waker = Some(context.waker().clone());
        Poll::Pending
    }

    /// Ready when the reader waits for an item that is not there, for the first time.
    ///
    /// # Errors
    /// [`Disconnected`] when the reader has gone.
    pub fn poll_wanted(&self, context: &mut Context<'_>) -> Poll<Result<(), Disconnected>> {
        let mut state = self.shared.lock();
        if state.presence == Presence::Gone {
            return Poll::Ready(Err(Disconnected));
        }
        if state.wanted {
            return Poll::Ready(Ok(()));
        }
        state.writer_waker = Some(context.waker().clone());
        Poll::Pending
    }

    /// Ready when the reader has gone.
    pub fn poll_closed(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.shared.lock();
        if state.is_left() {
            return Poll::Ready(());
        }
        state.closed_waker = Some(context.waker().clone());
        Poll::Pending
    }

    /// Puts an item in, whether there is room or not: callers wait for [`PipeWriter::poll_ready`] before or after.
    ///
    /// # Errors
    /// [`Disconnected`] when the reader has gone.
    pub fn push(&self, item: T) -> Result<(), Disconnected> {
        let waker = {
            let mut state = self.shared.lock();
            if state.presence == Presence::Gone {
                return Err(Disconnected);
            }
            state.weight += item.weight();
            state.items.push_back(item);
            if state.weight >= state.enough { state.reader_waker.take() } else { None }
        };
        wake(waker);
        Ok(())
    }

    /// Has `tell` called, once, if the reader leaves before the writer has ended.
    pub fn on_abandoned(&self, tell: impl FnOnce() + Send + 'static) {
        self.shared.lock().on_abandoned = Some(OnAbandoned(Box::new(tell)));
    }

    /// What ends the writer before the reader goes.
    pub fn hang_up_handle(&self) -> Arc<dyn HangUp>
    where
        T: Send + std::fmt::Debug + 'static,
    {
        Arc::clone(&self.shared) as _
    }

    /// Whether the reader has gone.
    pub fn is_closed(&self) -> bool {
        self.shared.lock().is_left()
    }

    /// Whether there is room for another item now.
    pub fn has_room(&self) -> bool {
        self.shared.lock().weight < self.shared.capacity
    }

    /// Says that nothing more comes.
    pub fn finish(&self) {
        self.end(End::Finished);
    }

    /// Says that the rest is lost, and why.
    pub fn fail(&self, error: BodyError) {
        self.end(End::Failed(error));
    }

    fn end(&self, end: End) {
        let waker = {
            let mut state = self.shared.lock();
            if matches!(state.end, End::Open) {
                state.end = end;
            }
            state.reader_waker.take()
        };
        wake(waker);
    }
}

impl<T: Weight> Drop for PipeWriter<T> {
    fn drop(&mut self) {
        self.end(End::Failed(BodyError::Disconnected));
    }
}

/// The end that takes items out. Dropping it tells the writer that nobody listens.
#[derive(Debug)]
pub struct PipeReader<T: Weight> {
    shared: Arc<Shared<T>>,
}

impl<T: Weight> PipeReader<T> {
    /// The next item; `None` at the end.
    pub fn poll_next(&self, context: &mut Context<'_>) -> Poll<Option<Result<T, BodyError>>> {
        let mut state = self.shared.lock();
        let next = take_next(&mut state);
        let waker = if next.is_ready() {
            // Half empty is soon enough for a writer that waits for room: woken for each item, it would make many turns.
            let made_room = state.weight <= self.shared.capacity / 2;
            made_room.then(|| state.writer_waker.take()).flatten()
        } else {
            state.wait(context, 0)
        };
        drop(state);
        wake(waker);
        next
    }

    /// Ready when there are `enough` bytes, the pipe is full, or the writer has ended.
    ///
    /// # Errors
    /// Why the writer gave up.
    pub fn poll_filled(&self, context: &mut Context<'_>, enough: usize) -> Poll<Result<(), BodyError>> {
        let enough = enough.min(self.shared.capacity);
        let mut state = self.shared.lock();
        match &state.end {
            End::Failed(error) => return Poll::Ready(Err(error.clone())),
            End::Finished => return Poll::Ready(Ok(())),
            End::Open if state.weight >= enough => return Poll::Ready(Ok(())),
            End::Open => {}
        }
        let waker = state.wait(context, enough);
        drop(state);
        wake(waker);
        Poll::Pending
    }

    /// Whether everything has been taken out and the writer said that it was all.
    pub fn is_finished(&self) -> bool {
        let state = self.shared.lock();
        state.items.is_empty() && !state.taken_back && matches!(state.end, End::Finished)
    }

    /// Why the writer gave up, if it did.
    pub fn failure(&self) -> Option<BodyError> {
        match &self.shared.lock().end {
            End::Failed(error) => Some(error.clone()),
            End::Open | End::Finished => None,
        }
    }
}

fn take_next<T: Weight>(state: &mut PipeState<T>) -> Poll<Option<Result<T, BodyError>>> {
    if !state.taken_back
        && let Some(item) = state.items.pop_front()
    {
        state.weight -= item.weight();
        state.taken += 1;
        return Poll::Ready(Some(Ok(item)));
    }
    match &state.end {
        End::Failed(error) => Poll::Ready(Some(Err(error.clone()))),
        End::Finished if !state.taken_back => Poll::Ready(None),
        End::Open | End::Finished => Poll::Pending,
    }
}

impl<T: Weight> Drop for PipeReader<T> {
    fn drop(&mut self) {
        let (writer, closed, reader, items, abandoned) = {
            let mut state = self.shared.lock();
            state.presence = Presence::Gone;
            let abandoned = state.on_abandoned.take().filter(|_| matches!(state.end, End::Open));
            // Another task may still wait where this reader was.
            let (writer, closed, reader) =
                (state.writer_waker.take(), state.closed_waker.take(), state.reader_waker.take());
            (writer, closed, reader, std::mem::take(&mut state.items), abandoned)
        };
        drop(items);
        wake(reader);
        wake(writer);
        wake(closed);
        if let Some(OnAbandoned(tell)) = abandoned {
            tell();
        }
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests;
