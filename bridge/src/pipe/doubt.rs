//! A reader that may have gone: its client has closed its sending side, and may not read either.
//!
//! The pipe stays open, and what is written is still read. But if a writer checks whether the reader has gone, it is told
//! that it has, and from then on this is true.

use super::ends::PipeReader;
use super::state::{End, OnAbandoned, Presence, Weight, wake};

impl<T: Weight> PipeReader<T> {
    /// Notes that the reader may have gone.
    pub fn doubt(&self) {
        let (closed, abandoned) = {
            let mut state = self.shared.lock();
            if state.presence == Presence::Here {
                state.presence = Presence::Doubted;
            }
            let abandoned = state.on_abandoned.take().filter(|_| matches!(state.end, End::Open));
            (state.closed_waker.take(), abandoned)
        };
        wake(closed);
        if let Some(OnAbandoned(tell)) = abandoned {
            tell();
        }
    }
}
