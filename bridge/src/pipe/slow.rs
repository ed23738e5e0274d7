//! Takes items back out of a pipe if they wait too long, or gives them up.
//!
//! Only responses of slow clients need this: the writer moves their bytes to a file, and puts references to the file
//! into the pipe.

use std::collections::VecDeque;

use super::ends::{PipeReader, PipeWriter};
use super::state::{OnAbandoned, Presence, Weight, wake};
use crate::error::{BodyError, Disconnected};

impl<T: Weight> PipeWriter<T> {
    /// Takes all items that the reader has not taken yet. The reader waits until [`PipeWriter::put_back`].
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

    /// Puts `items` before all others, and lets the reader continue.
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
            // After `hang_up`, the writer must stop, but the reader still gets the items.
            open = state.presence != Presence::Gone;
            state.reader_waker.take()
        };
        wake(waker);
        if open { Ok(()) } else { Err(Disconnected) }
    }

    /// Gives up the response, because its client reads nothing. The items are dropped, and the pipe breaks off.
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
    /// Calls `tell` once, if the writer gives up the response. Then nobody needs to wait for the client any more.
    pub fn on_given_up(&self, tell: impl FnOnce() + Send + 'static) {
        self.shared.lock().on_given_up = Some(OnAbandoned(Box::new(tell)));
    }
}
