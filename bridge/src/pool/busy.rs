//! Which threads of all pools run jobs, and whether there are calls. Python cannot be finalized while a thread runs one.
//!
//! A thread counts while it runs one job after another, and not anew for each of them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::Pool;

/// Threads of all pools of the process that run jobs. Python cannot be finalized meanwhile.
static BUSY_THREADS: AtomicUsize = AtomicUsize::new(0);

/// All pools of the process.
static POOLS: Mutex<Vec<Weak<Pool>>> = Mutex::new(Vec::new());

/// Notes a pool that has started.
pub(super) fn note(pool: &Arc<Pool>) {
    let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
    pools.retain(|pool| pool.strong_count() > 0);
    pools.push(Arc::downgrade(pool));
}

/// Whether a call waits or runs in any pool of the process.
pub fn any_has_calls() -> bool {
    let pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
    pools.iter().filter_map(Weak::upgrade).any(|pool| pool.has_calls())
}

/// Waits until no pool of the process runs a job, or for `timeout`. Returns the number of jobs that still run.
pub fn wait_until_idle(timeout: Duration) -> usize {
    let deadline = Instant::now() + timeout;
    loop {
        let running = BUSY_THREADS.load(Ordering::Acquire);
        if running == 0 || Instant::now() >= deadline {
            return running;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A thread that runs jobs, until this is dropped.
pub(super) struct BusyThread<'a> {
    pool: &'a Pool,
    ident: u64,
}

impl<'a> BusyThread<'a> {
    pub(super) fn begin(pool: &'a Pool, ident: u64) -> Self {
        BUSY_THREADS.fetch_add(1, Ordering::AcqRel);
        pool.busy.lock().unwrap_or_else(PoisonError::into_inner).push(ident);
        Self { pool, ident }
    }
}

impl Drop for BusyThread<'_> {
    fn drop(&mut self) {
        self.pool.busy.lock().unwrap_or_else(PoisonError::into_inner).retain(|each| *each != self.ident);
        BUSY_THREADS.fetch_sub(1, Ordering::AcqRel);
    }
}
