//! The lines that wait to be written: requests add theirs, and the writing thread takes all of them.
//!
//! Apart from the thread because every thread that ends requests uses it. A request makes its own line here. To hand its
//! data to the writing thread instead would move memory between processors, which takes longer than to make the line.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::log::timestamp::Clock;

/// With this many waiting bytes, further lines are lost.
const MOST: usize = 1 << 20;

/// Lines that wait, and what else the thread has to do.
#[derive(Debug, Default)]
pub(super) struct WaitingLines {
    state: Mutex<LinesState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct LinesState {
    work: LogWork,
    clock: Clock,
    /// The thread waits. Only then it is woken, because that is a system call.
    waits: bool,
}

/// What the thread has to do.
#[derive(Debug, Default)]
pub(super) struct LogWork {
    /// Whole lines.
    pub text: Vec<u8>,
    /// How many lines found no place.
    pub lost: u64,
    /// Open the file again.
    pub reopen: bool,
    /// Nobody adds lines any more.
    pub ended: bool,
}

impl LogWork {
    fn is_nothing(&self) -> bool {
        self.text.is_empty() && self.lost == 0 && !self.reopen && !self.ended
    }
}

impl WaitingLines {
    /// Adds the line that `write` appends, or counts it as lost.
    pub fn add(&self, write: impl FnOnce(&mut Vec<u8>, &mut Clock)) {
        self.change(|LinesState { work, clock, .. }| {
            if work.text.len() < MOST {
                write(&mut work.text, clock);
            } else {
                work.lost += 1;
            }
        });
    }

    /// Asks to open the file again.
    pub fn reopen(&self) {
        self.change(|state| state.work.reopen = true);
    }

    /// Nobody adds lines any more.
    pub fn end(&self) {
        self.change(|state| state.work.ended = true);
    }

    /// Waits until there is something to do. The lines come in the place of those in `work`, whose memory is used again.
    pub fn take(&self, work: &mut LogWork) {
        work.text.clear();
        let mut state = self.lock();
        while state.work.is_nothing() {
            state.waits = true;
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.waits = false;
        let empty = LogWork { text: std::mem::take(&mut work.text), ..LogWork::default() };
        *work = std::mem::replace(&mut state.work, empty);
    }

    fn change(&self, change: impl FnOnce(&mut LinesState)) {
        let mut state = self.lock();
        change(&mut state);
        let waits = std::mem::take(&mut state.waits);
        drop(state);
        if waits {
            self.changed.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, LinesState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_find_no_place_are_counted() {
        let (waiting, mut work) = (WaitingLines::default(), LogWork::default());
        waiting.add(|text, _| text.resize(MOST, b'x'));
        waiting.add(|_, _| unreachable!("there is no place"));
        waiting.take(&mut work);
        assert_eq!((work.text.len(), work.lost), (MOST, 1));
        waiting.add(|text, _| text.extend_from_slice(b"next\n"));
        waiting.take(&mut work);
        assert_eq!((work.text.as_slice(), work.lost), (b"next\n".as_slice(), 0));
    }

    #[test]
    fn the_thread_is_woken_by_a_line_by_a_rotation_and_by_the_end() {
        let waiting = WaitingLines::default();
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let (mut work, mut seen) = (LogWork::default(), (0, 0));
                while !work.ended {
                    waiting.take(&mut work);
                    seen = (seen.0 + work.text.len(), seen.1 + usize::from(work.reopen));
                }
                seen
            });
            for _ in 0..1000 {
                waiting.add(|text, _| text.push(b'\n'));
            }
            waiting.reopen();
            waiting.end();
            assert_eq!(thread.join().expect("the thread ends"), (1000, 1));
        });
    }
}
