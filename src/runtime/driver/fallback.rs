//! Lets the WSGI threads drive tokio in turn. The thread `rsgi-io` is the fallback driver.
//!
//! The thread that holds the runtime lock drives. `driver/mod.rs` does not know why a thread releases the lock. The
//! rules are here:
//!
//! 1. The thread that reads a request releases the runtime lock, runs the call, sends the response, and takes the lock
//!    again. A fast call is over before the fallback driver looks.
//! 2. While there is traffic, the fallback driver looks at short intervals. If no thread drove since the last look, it
//!    takes the runtime lock itself. If calls wait and none has started, it wakes a thread for them.
//! 3. In a burst of calls, the fallback driver takes the runtime lock at once and keeps it until the burst is over.
//!    Sockets and applications then use two processors.
//!
//! Short calls are not a burst, because waking a thread costs more than such a call. Their thread runs all calls that
//! it has read. The fallback driver then looks rarely, and takes the runtime lock only if a call is stuck. If no
//! processor is spare, a thread that merely waits for one is not stuck, and a second thread would wait, too.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use rsgi_bridge::pool::Pool;
use rsgi_bridge::pool::idle::IdleWork;

use super::Driver;
use super::caller::Caller;
use super::pause::{DriverPauses, WaitingCalls};
use super::second_processor::{SHORT, spare_processor};

/// The time between two looks. The system makes it about twice as long.
const LOOK: Duration = Duration::from_micros(60);

/// The time between two looks during short calls. With [`DOUBT`], a stuck call delays others for 2 ms at most.
const SELDOM_LOOK: Duration = Duration::from_micros(1500);

/// If short calls run for longer than this, one of them may be stuck. The fallback driver then looks again as soon.
const DOUBT: Duration = Duration::from_micros(500);

/// The limit for short calls if the machine has no spare processor. Longer calls mostly wait, so others can run
/// meanwhile.
const SHORT_IN_COMPANY: Duration = Duration::from_millis(1);

/// After this many looks without a thread that released the runtime lock, the fallback driver sleeps until one does.
const IDLE_LOOKS: u32 = 8;

/// This many waiting calls are a burst. The fallback driver then drives while a thread runs them.
const BURST: usize = 4;

/// After this many single calls, the threads may drive again.
const FEWEST_ALONE: u32 = 16;

/// The most single calls before the fallback driver offers the runtime lock again.
const MOST_BACK_OFF: u32 = 1023;

/// Lets the idle threads of one pool drive.
#[derive(Debug)]
pub struct DrivingThreads {
    driver: Arc<Driver>,
    pool: Arc<Pool>,
    /// Whether there are more processors than serving processes.
    spare_processor: bool,
    /// The thread that runs calls. Only noted if no processor is spare.
    caller: Caller,
    /// How often a thread of the pool has released the runtime lock.
    left: AtomicUsize,
    /// When one did so last, in nanoseconds since `began`.
    left_at: AtomicU64,
    began: Instant,
    /// The lock was released for a burst of calls.
    burst: AtomicBool,
    fallback: Thread,
    fallback_sleeps: AtomicBool,
}

impl IdleWork for DrivingThreads {
    fn work(&self, wanted: &dyn Fn() -> bool) -> bool {
        self.driver.try_drive(|_| if wanted() { Poll::Ready(()) } else { Poll::Pending }).is_some()
    }

    fn interrupt(&self) {
        self.driver.interrupt();
    }

    fn left(&self, calls: usize) {
        self.left_at.store(self.now(), Ordering::Relaxed);
        self.left.fetch_add(1, Ordering::SeqCst);
        let burst = calls >= BURST && !self.calls_are_short();
        if burst {
            self.burst.store(true, Ordering::SeqCst);
        }
        if self.fallback_sleeps.swap(false, Ordering::SeqCst) || burst {
            self.fallback.unpark();
        }
    }

    fn runs_calls(&self) {
        if !self.spare_processor {
            self.caller.is_here();
        }
    }
}

impl DrivingThreads {
    /// The current thread is the fallback driver.
    fn new(driver: &Arc<Driver>, pool: &Arc<Pool>, spare_processor: bool) -> Self {
        Self {
            driver: Arc::clone(driver),
            pool: Arc::clone(pool),
            spare_processor,
            caller: Caller::default(),
            left: AtomicUsize::new(0),
            left_at: AtomicU64::new(0),
            began: Instant::now(),
            burst: AtomicBool::new(false),
            fallback: std::thread::current(),
            fallback_sleeps: AtomicBool::new(false),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Whether calls run that began more than [`DOUBT`] ago.
    fn run_for_long(&self) -> bool {
        let since = Duration::from_nanos(self.now().saturating_sub(self.left_at.load(Ordering::Relaxed)));
        self.pool.at_rest().is_none() && since > DOUBT
    }

    fn waiting(&self) -> WaitingCalls {
        let (calls, call_time) = (self.pool.stats().waiting, self.pool.call_time());
        WaitingCalls { begun: self.pool.progress().0, calls, call_time }
    }

    /// Whether the fallback driver may pause. A loop in another thread wants its requests at once.
    fn may_pause(&self) -> bool {
        !self.driver.wakes_a_loop() && !self.calls_are_short()
    }

    fn calls_are_short(&self) -> bool {
        self.pool.call_time() < if self.spare_processor { SHORT } else { SHORT_IN_COMPANY }
    }

    /// Whether calls make no progress only because other processes have the processors.
    fn wait_for_processor(&self) -> bool {
        !self.spare_processor && self.calls_are_short() && self.caller.can_run()
    }
}

/// Runs the fallback driver for the threads of `pool` until `over` is ready, on the current thread. `workers` is the
/// number of serving processes.
pub fn run_fallback_driver<T>(
    driver: &Arc<Driver>,
    pool: &Arc<Pool>,
    workers: usize,
    over: impl Future<Output = T> + Unpin,
) -> T {
    let threads = Arc::new(DrivingThreads::new(driver, pool, spare_processor(workers)));
    pool.look_after(true);
    pool.work_while_idle(Arc::<DrivingThreads>::clone(&threads));
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    FallbackDriver { threads: &threads, pool, over, waker, back_off: 0, given_up_at: None }.run()
}

/// Wakes a thread that is parked.
pub(super) struct Unpark(pub(super) Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

struct FallbackDriver<'a, F> {
    threads: &'a DrivingThreads,
    pool: &'a Pool,
    over: F,
    waker: Waker,
    /// How many single calls must come before the fallback driver gives up the runtime lock.
    back_off: u32,
    /// `DrivingThreads::left` when the fallback driver last gave up the runtime lock.
    given_up_at: Option<usize>,
}

impl<T, F: Future<Output = T> + Unpin> FallbackDriver<'_, F> {
    fn run(mut self) -> T {
        let (mut left, mut begun, mut idle_looks) = (self.left(), self.pool.progress().0, 0);
        loop {
            if let Poll::Ready(result) = Pin::new(&mut self.over).poll(&mut Context::from_waker(&self.waker)) {
                return result;
            }
            if idle_looks < IDLE_LOOKS {
                std::thread::park_timeout(self.until_next_look());
            } else {
                self.sleep(left);
                idle_looks = 0;
            }
            let unchanged = self.left() == left;
            left = self.left();
            idle_looks = if unchanged { idle_looks + 1 } else { 0 };
            // The thread that released the runtime lock runs several short calls and has reached the next one.
            let moves = self.pool.progress().0 != begun && self.threads.calls_are_short();
            let burst = self.threads.burst.swap(false, Ordering::SeqCst);
            let stops = unchanged && !moves;
            if stops && !burst && idle_looks < IDLE_LOOKS && self.threads.wait_for_processor() {
                continue;
            }
            if burst || stops {
                match self.drive() {
                    DriveResult::Over(result) => return result,
                    DriveResult::GivenUp => (left, idle_looks) = (self.left(), 0),
                    DriveResult::Taken => {}
                }
            }
            let (now, waiting) = self.pool.progress();
            if waiting && now == begun {
                self.pool.wake();
            }
            begun = now;
        }
    }

    fn left(&self) -> usize {
        self.threads.left.load(Ordering::SeqCst)
    }

    fn until_next_look(&self) -> Duration {
        match (self.threads.calls_are_short(), self.threads.run_for_long()) {
            (true, true) => DOUBT,
            (true, false) => SELDOM_LOOK,
            (false, _) => LOOK,
        }
    }

    /// Sleeps until a thread releases the runtime lock, or the server ends.
    fn sleep(&self, left: usize) {
        self.threads.fallback_sleeps.store(true, Ordering::SeqCst);
        if self.left() == left {
            std::thread::park();
        }
        self.threads.fallback_sleeps.store(false, Ordering::SeqCst);
    }

    /// Drives because the thread that released the runtime lock is slow.
    fn drive(&mut self) -> DriveResult<T> {
        // No thread has driven since the runtime lock was given up. So the calls are slow, and giving it up again so
        // soon would not help.
        let in_vain = self.given_up_at == Some(self.left());
        let back_off = if in_vain { (self.back_off * 2 + 1).min(MOST_BACK_OFF) } else { FEWEST_ALONE };
        let mut alone = 0;
        let mut has_begun = false;
        let mut pauses = DriverPauses::new(|| self.threads.waiting());
        let drives = |context: &mut Context<'_>| {
            if !std::mem::replace(&mut has_begun, true) {
                self.pool.look_after(false);
            }
            if let Poll::Ready(result) = Pin::new(&mut self.over).poll(context) {
                return Poll::Ready(DriveResult::Over(result));
            }
            // A thread was woken for a single call. After enough of these, it may have the runtime lock.
            match self.pool.at_rest() {
                Some(1) => alone += 1,
                Some(2..) if self.threads.calls_are_short() => alone += 1,
                // If no processor is spare, a thread that runs calls should drive again after them.
                None if !self.threads.spare_processor && self.threads.calls_are_short() => alone += 1,
                Some(0) | None => {}
                Some(_) => alone = 0,
            }
            if alone > back_off { Poll::Ready(DriveResult::GivenUp) } else { Poll::Pending }
        };
        let threads = self.threads;
        let result = threads.driver.try_drive_with_pauses(drives, || threads.may_pause() && pauses.pause());
        let Some(result) = result else { return DriveResult::Taken };
        self.back_off = back_off;
        self.pool.look_after(true);
        self.given_up_at = Some(self.left());
        result
    }
}

/// How an attempt to drive ended.
pub(super) enum DriveResult<T> {
    /// Another thread drives.
    Taken,
    /// A thread of the pool should take the runtime lock.
    GivenUp,
    /// The server has ended.
    Over(T),
}

#[cfg(test)]
mod tests {
    use pyo3::prelude::*;
    use rsgi_bridge::pool::{Job, JobHandle};

    use super::*;
    use crate::config::settings::PollTime;

    struct LongCall;

    impl Job for LongCall {
        fn run(self: Box<Self>, py: Python<'_>, _job_handle: &JobHandle) {
            py.detach(|| std::thread::sleep(10 * SHORT));
        }
    }

    #[test]
    fn it_pauses_for_long_calls_but_not_beside_a_loop_in_another_thread() {
        Python::initialize();
        Python::attach(|py| {
            let driver = Arc::new(Driver::new(Arc::default(), PollTime::Always(Duration::ZERO)).unwrap());
            let pool = Arc::new(Pool::start(py, "long-calls", 1, 8).unwrap());
            let threads = DrivingThreads::new(&driver, &pool, true);
            assert!(!threads.may_pause(), "no call was long so far");
            pool.submit(Box::new(LongCall), pool.job_handle()).unwrap();
            let deadline = Instant::now() + Duration::from_secs(20);
            while pool.call_time().is_zero() && Instant::now() < deadline {
                py.detach(std::thread::yield_now);
            }
            assert!(threads.may_pause());
            driver.wake_in_batches(&Arc::default());
            assert!(!threads.may_pause(), "the loop would wait for its requests");
            pool.stop();
        });
    }
}
