//! Calls that wait for a client that takes nothing of their answers.
//!
//! Kept apart because it is the one thing that a client can do to a thread. Nothing happens while there is a free thread. When
//! requests wait, spare threads come first, as for orphaned calls; then the answers that have waited longest are given up, until
//! no more than a share of the pool waits for clients.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::job_handle::{RUNNING, STALLED};
use super::{JobHandle, Pool};

/// One thread of so many may wait for clients for as long as those may take; in a pool of one, none.
const WAITING_SHARE: usize = 2;

/// How long a client may take nothing, at least, before its answer is given up.
const PATIENCE: Duration = Duration::from_secs(1);

/// Since when each stalled call waits for its client.
#[derive(Debug, Default)]
pub(super) struct Waits(Mutex<Vec<Instant>>);

impl Waits {
    fn lock(&self) -> MutexGuard<'_, Vec<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A wait for a client, while this lives.
#[derive(Debug)]
pub struct Stall {
    pool: Option<Arc<Pool>>,
    since: Instant,
}

impl JobHandle {
    /// Whether requests wait for a thread and none is free.
    pub fn is_needed(&self) -> bool {
        self.pool.upgrade().is_some_and(|pool| pool.lacks_thread(pool.stats()))
    }

    /// The call begins to wait for its client. It counts as stalled until it ends, or is answered, or its client leaves: a spare
    /// thread that was started for it need not come and go with each step of the client.
    pub fn stall(&self) -> Stall {
        let (pool, since) = (self.pool.upgrade(), Instant::now());
        if let Some(pool) = &pool {
            pool.waits.lock().push(since);
            // Counted first, as in `leave`.
            pool.counts.stalled.fetch_add(1, Ordering::AcqRel);
            if self.advance(RUNNING, STALLED) {
                pool.start_spare();
            } else {
                pool.counts.stalled.fetch_sub(1, Ordering::AcqRel);
            }
        }
        Stall { pool, since }
    }
}

impl Stall {
    /// Whether the call is to end for the sake of others, because it has waited longest.
    pub fn is_given_up(&self) -> bool {
        let Some(pool) = &self.pool else { return false };
        if self.since.elapsed() < PATIENCE {
            return false;
        }
        let stats = pool.stats();
        let mut waits = pool.waits.lock();
        let too_many = waits.len() > pool.threads / WAITING_SHARE;
        let longest = waits.iter().min().is_none_or(|oldest| self.since <= *oldest);
        let given_up = too_many && longest && pool.lacks_thread(stats) && stats.spare >= pool.most_spare(stats);
        if given_up {
            // The next one who asks is the longest then.
            forget(&mut waits, self.since);
        }
        given_up
    }
}

impl Drop for Stall {
    fn drop(&mut self) {
        if let Some(pool) = &self.pool {
            forget(&mut pool.waits.lock(), self.since);
        }
    }
}

fn forget(waits: &mut Vec<Instant>, since: Instant) {
    if let Some(place) = waits.iter().position(|each| *each == since) {
        waits.swap_remove(place);
    }
}
