//! A reader that may have gone: its client sends no more, and perhaps takes no more either.
//!
//! Kept apart because it is no end yet. What is written is still read; but a writer that listens is told that the reader has
//! gone, and from then on it has.

use super::{OnAbandoned, PipeReader, PipeState, Weight, wake};

/// Whether the reader is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    Here,
    /// It may go soon: a writer that asks is told that it has.
    Doubted,
    Gone,
}

impl<T> PipeState<T> {
    /// Whether the reader has gone, for a writer that asks.
    pub(super) fn is_left(&mut self) -> bool {
        if self.presence == Presence::Doubted {
            self.presence = Presence::Gone;
        }
        self.presence == Presence::Gone
    }
}

impl<T: Weight> PipeReader<T> {
    /// Says it.
    pub fn doubt(&self) {
        let (closed, abandoned) = {
            let mut state = self.shared.lock();
            if state.presence == Presence::Here {
                state.presence = Presence::Doubted;
            }
            let abandoned = state.on_abandoned.take().filter(|_| matches!(state.end, super::End::Open));
            (state.closed_waker.take(), abandoned)
        };
        wake(closed);
        if let Some(OnAbandoned(tell)) = abandoned {
            tell();
        }
    }
}
