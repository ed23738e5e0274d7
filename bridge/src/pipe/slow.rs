//! What waits in a pipe for too long: who wrote it takes it back and puts it in again in another form, or gives it up.
//!
//! Kept apart from the pipe because only a response whose client is slow comes here: its bytes go to a file, and what says
//! where they are takes their place.

use std::collections::VecDeque;

use super::doubt::Presence;
use super::{OnAbandoned, PipeReader, PipeWriter, Weight, wake};
use crate::error::{BodyError, Disconnected};

impl<T: Weight> PipeWriter<T> {
    /// Everything that the reader has not taken. It waits until [`PipeWriter::put_back`].
    ///
    /// # Errors
    /// [`Disconnected`] when the reader has gone.
    pub fn take_back(&self) -> Result<VecDeque<T>, Disconnected> {
        let mut state = self.shared.lock();
        if state.presence == Presence::Gone {
            return Err(Disconnected);
        }
        state.taken_back = true;
        state.weight = 0;
        Ok(std::mem::take(&mut state.items))
    }

    /// Puts `items` in front of all others, and lets the reader go on.
    ///
    /// # Errors
    /// [`Disconnected`] when the reader has gone.
    pub fn put_back(&self, items: VecDeque<T>) -> Result<(), Disconnected> {
        let open;
        let waker = {
            let mut state = self.shared.lock();
            state.taken_back = false;
            for item in items.into_iter().rev() {
                state.weight += item.weight();
                state.items.push_front(item);
            }
            // A writer that was hung up on has a reader still.
            open = state.presence != Presence::Gone;
            state.reader_waker.take()
        };
        wake(waker);
        if open { Ok(()) } else { Err(Disconnected) }
    }

    /// Gives the response up, because its client takes nothing: what waits is dropped, and it breaks off.
    pub fn give_up(&self) {
        let (items, told) = {
            let mut state = self.shared.lock();
            state.weight = 0;
            (std::mem::take(&mut state.items), state.on_given_up.take())
        };
        drop(items);
        self.fail(BodyError::TooSlow("the client took the response too slowly".into()));
        if let Some(OnAbandoned(tell)) = told {
            tell();
        }
    }
}

impl<T: Weight> PipeReader<T> {
    /// Has `tell` called, once, if the writer gives up a client that takes nothing: who waits for that client need not go on.
    pub fn on_given_up(&self, tell: impl FnOnce() + Send + 'static) {
        self.shared.lock().on_given_up = Some(OnAbandoned(Box::new(tell)));
    }
}
