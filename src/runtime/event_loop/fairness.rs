//! Gives WSGI threads their turn beside a loop that always has work.
//!
//! The loop releases the GIL in each of its turns, and takes it again before a thread that waits for it is awake. Python
//! makes a thread hand over the GIL when another has waited for it for 5 ms. But each release wakes the waiting thread,
//! and its time begins anew. So WSGI calls could wait for seconds while an ASGI application has more requests than it can
//! answer. Here the loop itself lets others go first, once in 5 ms, if it has hardly slept meanwhile.

use std::time::{Duration, Instant};

use pyo3::prelude::*;
use rsgi_bridge::gil_lock::GilLock;
use rsgi_bridge::pool::{any_has_calls, others_take_gil};
use rustix::time::{ClockId, clock_gettime};

/// How long the loop runs before it lets others go first. As long as Python's own threads.
const SHORTEST: Duration = Duration::from_millis(5);

/// The longest time, if nobody has wanted the GIL: then the calls wait for something else.
const LONGEST: Duration = Duration::from_millis(80);

/// The stretch in which the loop does not let others go first.
#[derive(Debug, Default)]
pub(super) struct Fairness(GilLock<Option<Stretch>>);

#[derive(Debug, Clone, Copy)]
struct Stretch {
    began: Instant,
    /// The processor time of the loop's thread when it began.
    used: Duration,
    /// How long it lasts at least.
    length: Duration,
}

impl Stretch {
    fn begin(length: Duration) -> Self {
        Self { began: Instant::now(), used: used(), length }
    }

    /// Whether the thread of the loop has used a processor for most of it.
    fn was_busy(&self) -> bool {
        (used().saturating_sub(self.used)) * 2 > self.began.elapsed()
    }
}

impl Fairness {
    /// Lets the threads of WSGI calls have the GIL, if the loop has run for long. Called on the loop's thread, between two
    /// of its steps.
    pub(super) fn give_way(&self, py: Python<'_>) {
        let before = *self.0.lock(py);
        let Some(stretch) = before else {
            *self.0.lock(py) = Some(Stretch::begin(SHORTEST));
            return;
        };
        if stretch.began.elapsed() < stretch.length {
            return;
        }
        let length = if stretch.was_busy() && any_has_calls() {
            if others_take_gil(py) { SHORTEST } else { (stretch.length * 2).min(LONGEST) }
        } else {
            SHORTEST
        };
        *self.0.lock(py) = Some(Stretch::begin(length));
    }
}

/// The processor time of this thread.
fn used() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rsgi_bridge::pool::{Job, JobHandle, Pool};

    use super::*;

    /// How often a call must get the GIL.
    const TURNS: usize = 20;

    /// A call that releases the GIL and takes it again.
    struct Rival(Arc<AtomicUsize>);

    impl Job for Rival {
        fn run(self: Box<Self>, py: Python<'_>, _job_handle: &JobHandle) {
            while self.0.fetch_add(1, Ordering::AcqRel) < TURNS {
                py.detach(|| {});
            }
        }
    }

    fn compute(time: Duration) {
        let began = Instant::now();
        while began.elapsed() < time {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn a_call_gets_the_gil_beside_a_loop_that_never_sleeps() {
        Python::initialize();
        Python::attach(|py| {
            let (fairness, turns) = (Fairness::default(), Arc::<AtomicUsize>::default());
            let pool = Pool::start(py, "beside-a-loop", 1, 4).unwrap();
            pool.submit(Box::new(Rival(Arc::clone(&turns))), pool.job_handle()).unwrap();
            let began = Instant::now();
            while turns.load(Ordering::Acquire) < TURNS && began.elapsed() < Duration::from_secs(5) {
                compute(Duration::from_micros(200));
                // As `select()` does when there is work.
                py.detach(|| {});
                fairness.give_way(py);
            }
            assert!(
                turns.load(Ordering::Acquire) >= TURNS,
                "{} in {:?}",
                turns.load(Ordering::Acquire),
                began.elapsed()
            );
            pool.stop();
        });
    }
}
