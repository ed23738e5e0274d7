//! The writer and the reader of a pipe.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use super::hang_up::HangUp;
use super::state::{Capacity, End, OnAbandoned, PipeState, Presence, Shared, Weight, wake};
use crate::error::{BodyError, Disconnected};
use crate::process::Process;

/// A pipe for `capacity` bytes. One item may exceed that.
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

/// The writer. If it is dropped before [`PipeWriter::finish`], the reader learns that the rest is lost.
#[derive(Debug)]
pub struct PipeWriter<T: Weight> {
    pub(super) shared: Arc<Shared<T>>,
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
        if self.shared.room(&state) == Capacity::More {
            return Poll::Ready(Ok(()));
        }
        state.writer_waker = Some(context.waker().clone());
        Poll::Pending
    }

    /// Ready when the reader has waited for an item for the first time.
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

    /// Puts an item in, even if there is no room. Callers wait for [`PipeWriter::poll_ready`] before or after this.
    /// Returns whether there is room for another.
    ///
    /// # Errors
    /// [`Disconnected`] when the reader has gone.
    pub fn push(&self, item: T) -> Result<Capacity, Disconnected> {
        let (waker, room) = {
            let mut state = self.shared.lock();
            if state.presence == Presence::Gone {
                return Err(Disconnected);
            }
            state.weight += item.weight();
            state.items.push_back(item);
            let waker = if state.weight >= state.enough { state.reader_waker.take() } else { None };
            (waker, self.shared.room(&state))
        };
        wake(waker);
        Ok(room)
    }

    /// Calls `tell` once, if the reader leaves before the writer has ended.
    pub fn on_abandoned(&self, tell: impl FnOnce() + Send + 'static) {
        self.shared.lock().on_abandoned = Some(OnAbandoned(Box::new(tell)));
    }

    /// A handle that ends the writer while the reader is still there.
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

    /// Whether there is room for another item.
    pub fn room(&self) -> Capacity {
        self.shared.room(&self.shared.lock())
    }

    /// Whether another item can be written at once.
    pub fn has_room(&self) -> bool {
        self.room() == Capacity::More
    }

    /// Ends the pipe: nothing more comes.
    pub fn finish(&self) {
        self.end(End::Finished);
    }

    /// Ends the pipe with an error: the rest is lost.
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

/// The reader. Dropping it tells the writer that it has gone.
#[derive(Debug)]
pub struct PipeReader<T: Weight> {
    pub(super) shared: Arc<Shared<T>>,
}

impl<T: Weight> PipeReader<T> {
    /// Takes the next item. `None` at the end.
    pub fn poll_next(&self, context: &mut Context<'_>) -> Poll<Option<Result<T, BodyError>>> {
        let mut state = self.shared.lock();
        let next = take_next(&mut state);
        let waker = if next.is_ready() {
            // The writer is woken when the pipe is half empty. To wake it for each item would cost many wakes.
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
    /// The error of the writer.
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

    /// Whether all items were taken and the writer has finished.
    pub fn is_finished(&self) -> bool {
        let state = self.shared.lock();
        state.items.is_empty() && !state.taken_back && matches!(state.end, End::Finished)
    }

    /// The error of the writer, if there was one.
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
            // Another task may still wait as the reader.
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
