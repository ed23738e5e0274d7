//! Logs when requests wait or are refused because the server has no capacity: once at the start, with the flag that
//! helps, and once when it is over.
//!
//! Several places refuse requests. Nothing here runs while there is capacity. The first refusal starts a watch, which
//! ends with the shortage.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rsgi_bridge::pool::Pool;

use crate::gateway::pools;
use crate::log::{self, counted};

/// Time between two checks. A request that waits longer than this counts as delayed.
const LOOK: Duration = Duration::from_secs(1);

/// Watches a pool until no call waits in it. Does nothing if the pool is already watched. The driving thread calls
/// this.
pub fn watch(pool: &Arc<Pool>) {
    if pool.begin_watch() {
        tokio::spawn(watch_pool(Arc::clone(pool)));
    }
}

/// A shortage of threads.
struct Shortage {
    since: Instant,
    most: usize,
    refused: usize,
}

async fn watch_pool(pool: Arc<Pool>) {
    let mut shortage: Option<Shortage> = None;
    let (mut seen, mut refused_before) = (pool.stats(), 0);
    let (mut begun_before, _) = pool.progress();
    loop {
        tokio::time::sleep(LOOK).await;
        let (now, (begun, _)) = (pool.stats(), pool.progress());
        // Calls start in their order. If fewer calls started than were waiting at the last check, the last of those
        // still waits.
        let long = seen.waiting > begun.wrapping_sub(begun_before);
        let refused = pool.refused().wrapping_sub(refused_before);
        (seen, begun_before, refused_before) = (now, begun, pool.refused());
        match &mut shortage {
            None if long || refused > 0 => {
                say_begun(&pool, now.waiting, refused);
                shortage = Some(Shortage { since: Instant::now(), most: now.waiting, refused });
            }
            Some(running) if long || refused > 0 => {
                running.most = running.most.max(now.waiting);
                running.refused += refused;
            }
            Some(over) => {
                say_over(&pool, over);
                shortage = None;
            }
            None => {}
        }
        if shortage.is_none() && now.waiting == 0 {
            pool.end_watch();
            return;
        }
    }
}

fn say_begun(pool: &Pool, waiting: usize, refused: usize) {
    let refusals = if refused > 0 { format!(", {refused} got 503 (`--wsgi-queue`)") } else { String::new() };
    let (whose, more) = match owner(pool) {
        Some(app) => (format!(" of app `{app}`"), "`wsgi_threads` in its table"),
        None => (String::new(), "`--wsgi-threads`"),
    };
    log::line(format_args!(
        "warning: the WSGI threads{whose} are busy, all {}: requests have waited for more than a second, {waiting} wait now\
         {refusals}; {more} adds threads",
        pool.threads()
    ));
}

/// The application that a pool belongs to, if it is not the shared pool.
fn owner(pool: &Pool) -> Option<&str> {
    pool.name().strip_prefix(pools::OWN)
}

fn say_over(pool: &Pool, shortage: &Shortage) {
    let Shortage { since, most, refused } = shortage;
    let whose = owner(pool).map_or_else(String::new, |app| format!(" of app `{app}`"));
    log::line(format_args!(
        "WSGI threads{whose} are free again after {:.0} s: up to {} waited, {refused} got 503",
        since.elapsed().as_secs_f64(),
        counted(*most, "request")
    ));
}
