//! Logs that an application has as many requests as `--limit-concurrency` allows: once when this begins, and once when
//! it is over.
//!
//! While there is capacity, nothing runs here. The first refusal starts a task that watches until there is capacity
//! again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::log::{self, counted};

/// The time between two checks.
const LOOK: Duration = Duration::from_secs(1);

/// The refused requests of one application.
#[derive(Debug, Default)]
pub struct Refusals {
    count: AtomicUsize,
    watched: AtomicBool,
}

impl Refusals {
    /// Counts a refusal. Logs it if it is the first for a while. Called on the driving thread.
    pub fn add(self: &Arc<Self>, app: &Arc<str>, limit: usize) {
        self.count.fetch_add(1, Ordering::AcqRel);
        if !self.watched.swap(true, Ordering::AcqRel) {
            log::line(format_args!(
                "warning: app `{app}` has as many requests at a time as `--limit-concurrency {limit}` allows: others get 503"
            ));
            tokio::spawn(watch_refusals(Arc::clone(self), Arc::clone(app)));
        }
    }
}

async fn watch_refusals(refusals: Arc<Refusals>, app: Arc<str>) {
    let (since, mut all) = (Instant::now(), 0);
    loop {
        tokio::time::sleep(LOOK).await;
        let more = refusals.count.swap(0, Ordering::AcqRel);
        all += more;
        if more == 0 {
            let seconds = since.elapsed().as_secs_f64();
            log::line(format_args!(
                "app `{app}` has room again after {seconds:.0} s: {} got 503",
                counted(all, "request")
            ));
            refusals.watched.store(false, Ordering::Release);
            return;
        }
    }
}
