//! Calls that wait for a client that does not read their response.
//!
//! This is the only way in which a client can hold a thread. While a thread is free, nothing is done about it. When
//! requests wait, spare threads come first, as for orphaned calls. After that, the responses that have waited longest
//! are given up, until at most half of the pool waits for clients.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Pool;
use super::job_handle::{JobHandle, RUNNING, STALLED};

/// One thread of this many may wait for clients without a limit. In a pool with one thread, none may.
const WAITING_DIVISOR: usize = 2;

/// The shortest time without reading after which a response may be given up.
const STALL_TIMEOUT: Duration = Duration::from_secs(1);

/// A wait for a client, until this is dropped.
#[derive(Debug)]
pub struct Stall {
    pool: Option<Arc<Pool>>,
    since: Instant,
}

impl JobHandle {
    /// Whether requests wait for a thread and none is free.
    pub fn is_needed(&self) -> bool {
        self.pool().is_some_and(|pool| pool.lacks_thread(pool.stats()))
    }

    /// Begins a wait for the client. The call counts as stalled until it ends, its response was sent, or its client
    /// leaves. So a spare thread for it does not start and end with every read of the client.
    pub fn stall(&self) -> Stall {
        let (pool, since) = (self.pool(), Instant::now());
        if let Some(pool) = &pool {
            pool.waits().push(since);
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
    /// Whether the call must end for others, because it has waited longest.
    pub fn is_given_up(&self) -> bool {
        let Some(pool) = &self.pool else { return false };
        if self.since.elapsed() < STALL_TIMEOUT {
            return false;
        }
        let stats = pool.stats();
        let mut waits = pool.waits();
        let too_many = waits.len() > pool.threads / WAITING_DIVISOR;
        let longest = waits.iter().min().is_none_or(|oldest| self.since <= *oldest);
        let given_up = too_many && longest && pool.lacks_thread(stats) && stats.spare >= pool.most_spare(stats);
        if given_up {
            // The call that has waited longest after this one may be the next.
            forget(&mut waits, self.since);
        }
        given_up
    }
}

impl Drop for Stall {
    fn drop(&mut self) {
        if let Some(pool) = &self.pool {
            forget(&mut pool.waits(), self.since);
        }
    }
}

fn forget(waits: &mut Vec<Instant>, since: Instant) {
    if let Some(place) = waits.iter().position(|each| *each == since) {
        waits.swap_remove(place);
    }
}

impl Pool {
    fn waits(&self) -> MutexGuard<'_, Vec<Instant>> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
