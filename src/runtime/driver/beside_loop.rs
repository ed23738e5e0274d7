//! Lets the thread `rsgi-io` drive beside an asyncio loop, while that pays.
//!
//! The loop decides (`loop_load.rs`), since it knows how long its calls take. Then it only sleeps in its `select()`, and
//! `rsgi-io` reads and writes on another processor. If the loop is blocked or has nothing to do, `rsgi-io` stops to drive
//! after a moment. So a blocked loop blocks its sockets and its heartbeat, whoever drove before.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::thread::Thread;
use std::time::Duration;

use tokio::time::{Interval, interval};

use super::Driver;
use super::fallback::{DriveResult, Unpark};
use super::pause::{DriverPauses, WaitingCalls};
use super::second_processor::spare_processor;
use crate::runtime::event_loop::EventLoop;

/// How often `rsgi-io` checks whether the loop moves. If it did not between two checks, it is blocked, or has nothing to
/// do.
const CHECK: Duration = Duration::from_secs(1);

/// How long `rsgi-io` waits if another thread still drives.
const RETRY: Duration = Duration::from_micros(100);

/// The state that the loop's thread and `rsgi-io` share.
#[derive(Debug)]
pub struct BesideLoop {
    driver: Arc<Driver>,
    event_loop: Arc<EventLoop>,
    /// Whether `rsgi-io` should drive.
    drives: AtomicBool,
    /// Whether the server has ended.
    over: AtomicBool,
    /// How many turns of the loop have begun.
    pub(super) turns: AtomicUsize,
    thread: OnceLock<Thread>,
}

impl BesideLoop {
    /// For a loop that drives `driver`. `None` if no processor is spare beside `workers` serving processes. Only tested
    /// on Linux, so only there.
    pub fn new(driver: &Arc<Driver>, event_loop: &Arc<EventLoop>, workers: usize) -> Option<Arc<Self>> {
        if !cfg!(target_os = "linux") || !spare_processor(workers) {
            return None;
        }
        // It ends with the runtime.
        let _waking = driver.spawn(Arc::clone(&event_loop.wakes).run());
        Some(Arc::new(Self {
            driver: Arc::clone(driver),
            event_loop: Arc::clone(event_loop),
            drives: AtomicBool::new(false),
            over: AtomicBool::new(false),
            turns: AtomicUsize::new(0),
            thread: OnceLock::new(),
        }))
    }

    /// Whether `rsgi-io` should drive.
    pub(super) fn drives(&self) -> bool {
        self.drives.load(Ordering::Acquire)
    }

    /// Sets whether `rsgi-io` should drive. Called on the loop's thread, which does not drive then.
    pub(super) fn decide(&self, drives: bool) {
        let Some(thread) = self.thread.get() else { return };
        let drives = drives && !self.over.load(Ordering::Acquire);
        if self.drives.swap(drives, Ordering::AcqRel) != drives {
            if drives {
                thread.unpark();
            } else {
                self.driver.interrupt();
            }
        }
    }

    /// Waits on the thread `rsgi-io` until `over` is ready, and drives meanwhile if the loop wants it.
    pub fn run<T>(&self, mut over: impl Future<Output = T> + Unpin) -> T {
        let thread = std::thread::current();
        let waker = Waker::from(Arc::new(Unpark(thread.clone())));
        let _first = self.thread.set(thread);
        let result = loop {
            if let Poll::Ready(result) = Pin::new(&mut over).poll(&mut Context::from_waker(&waker)) {
                break result;
            }
            if !self.drives() {
                std::thread::park();
                continue;
            }
            match self.drive(&mut over) {
                DriveResult::Over(result) => break result,
                DriveResult::GivenUp => {}
                DriveResult::Taken => std::thread::park_timeout(RETRY),
            }
        };
        self.over.store(true, Ordering::Release);
        self.drives.store(false, Ordering::Release);
        result
    }

    /// Drives until `over` is ready, or the loop should drive.
    fn drive<T>(&self, over: &mut (impl Future<Output = T> + Unpin)) -> DriveResult<T> {
        let _putting_off = self.event_loop.wakes.put_off();
        let mut pauses = DriverPauses::new(|| WaitingCalls::of(&self.event_loop));
        let mut standstill = self.driver.enter(|| Standstill::new(&self.turns));
        let drives = |context: &mut Context<'_>| {
            if let Poll::Ready(result) = Pin::new(&mut *over).poll(context) {
                return Poll::Ready(DriveResult::Over(result));
            }
            if standstill.poll(context) {
                self.drives.store(false, Ordering::Release);
                // The loop may be about to sleep. It looks again after this.
                self.event_loop.wakes.notify();
            }
            if self.drives() { Poll::Pending } else { Poll::Ready(DriveResult::GivenUp) }
        };
        self.driver.try_drive_with_pauses(drives, || pauses.pause()).unwrap_or(DriveResult::Taken)
    }
}

/// Finds out whether the loop stands still.
struct Standstill<'a> {
    turns: &'a AtomicUsize,
    checks: Interval,
    seen: usize,
}

impl<'a> Standstill<'a> {
    fn new(turns: &'a AtomicUsize) -> Self {
        let mut checks = interval(CHECK);
        // The first tick comes at once.
        checks.reset();
        Self { turns, checks, seen: turns.load(Ordering::Relaxed) }
    }

    /// Whether no turn of the loop has begun since the check before.
    fn poll(&mut self, context: &mut Context<'_>) -> bool {
        let mut stands = false;
        while self.checks.poll_tick(context).is_ready() {
            let turns = self.turns.load(Ordering::Relaxed);
            stands = std::mem::replace(&mut self.seen, turns) == turns;
        }
        stands
    }
}
