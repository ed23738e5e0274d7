//! Keeps what a request of a connection needed for a short time, for the next requests of the connection.
//!
//! Over HTTP/1 there is one request at a time, so one place needs no list. Over HTTP/2, each stream has a request.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The most that are kept besides the first. Few clients have more streams at a time.
const MOST: usize = 63;

/// See the top of this file.
#[derive(Debug)]
pub struct SpareList<T>(Mutex<SpareParts<T>>);

#[derive(Debug)]
struct SpareParts<T> {
    first: Option<T>,
    more: Vec<T>,
}

impl<T> Default for SpareList<T> {
    fn default() -> Self {
        Self(Mutex::new(SpareParts { first: None, more: Vec::new() }))
    }
}

impl<T> SpareList<T> {
    /// Takes one, if there is one.
    pub fn take(&self) -> Option<T> {
        let mut kept = self.lock();
        kept.more.pop().or_else(|| kept.first.take())
    }

    /// Keeps one, unless there are enough.
    pub fn keep(&self, spare: T) {
        let mut kept = self.lock();
        if kept.first.is_none() {
            kept.first = Some(spare);
        } else if kept.more.len() < MOST {
            kept.more.push(spare);
        }
    }

    fn lock(&self) -> MutexGuard<'_, SpareParts<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_kept_as_are_needed_at_a_time() {
        let spare = SpareList::default();
        for count in [1, 3, MOST + 1, MOST + 9] {
            (0..count).for_each(|number| spare.keep(number));
            let taken = std::iter::from_fn(|| spare.take()).count();
            assert_eq!(taken, count.min(MOST + 1));
        }
    }
}
