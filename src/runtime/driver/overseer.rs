//! The WSGI threads take turns to drive tokio. The thread `rsgi-io` is the fallback driver.
//!
//! "Seat" means the role of driving the runtime. One thread holds it at a time. `driver/mod.rs` does not know why a
//! thread leaves the seat; the rules are here:
//!
//! 1. The thread that reads a request leaves the seat, runs the call, sends the response, and takes the seat again. A fast call is over
//!    before anybody else looks.
//! 2. While there is traffic, the fallback driver looks at short intervals. If the seat stayed empty since the last look, it takes the seat
//!    itself. If calls wait and none has started, it wakes a thread for them.
//! 3. In a burst of calls, the fallback driver takes the seat at once and keeps it until the burst is over. Sockets and applications then
//!    use two processors.
//!
//! Short calls are no burst, because waking a thread costs more than such a call. Their thread runs everything that it
//! has read. The fallback driver then looks rarely, and takes the seat only if a call is stuck.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{Thread, available_parallelism};
use std::time::Duration;

use rsgi_bridge::pool::Pool;
use rsgi_bridge::pool::idle::IdleWork;

use super::Driver;

/// Time between two looks. The system makes it about twice as long.
const LOOK: Duration = Duration::from_micros(60);

/// Time between two looks at short calls: a stuck one holds up others for two looks at most.
const SELDOM_LOOK: Duration = Duration::from_millis(1);

/// A call that takes less is short. Measured: between 20 and 37 µs of Python a second processor begins to pay.
const SHORT: Duration = Duration::from_micros(20);

/// What is short where there is no second processor to be used. Longer calls mostly wait, and others can run meanwhile.
const SHORT_IN_COMPANY: Duration = SELDOM_LOOK;

/// So many looks at a seat that nobody left, and the overseer sleeps until somebody does.
const CALM_LOOKS: u32 = 8;

/// So many calls at once are a crowd: the overseer drives while a thread runs them.
const CROWD: usize = 4;

/// So many calls that come alone, and the threads may drive again.
const ALONE: u32 = 16;

/// The most calls that the overseer gives to threads before it offers the seat again.
const RELUCTANCE: u32 = 1023;

/// The seat as the threads of one pool take turns in it.
#[derive(Debug)]
pub struct Turns {
    driver: Arc<Driver>,
    pool: Arc<Pool>,
    /// A call that takes less is short.
    short: Duration,
    /// How often a thread of the pool left the seat.
    left: AtomicUsize,
    /// It was left for a crowd of calls.
    crowd: AtomicBool,
    overseer: Thread,
    overseer_sleeps: AtomicBool,
}

impl IdleWork for Turns {
    fn work(&self, wanted: &dyn Fn() -> bool) -> bool {
        self.driver.try_drive(|_| if wanted() { Poll::Ready(()) } else { Poll::Pending }).is_some()
    }

    fn interrupt(&self) {
        self.driver.interrupt();
    }

    fn left(&self, calls: usize) {
        self.left.fetch_add(1, Ordering::SeqCst);
        let crowd = calls >= CROWD && !self.calls_are_short();
        if crowd {
            self.crowd.store(true, Ordering::SeqCst);
        }
        if self.overseer_sleeps.swap(false, Ordering::SeqCst) || crowd {
            self.overseer.unpark();
        }
    }
}

impl Turns {
    fn calls_are_short(&self) -> bool {
        self.pool.call_time() < self.short
    }
}

/// Oversees the threads of `pool` until `over` is ready. Called on the overseer's thread. `workers` are the processes that serve.
pub fn oversee<T>(driver: &Arc<Driver>, pool: &Arc<Pool>, workers: usize, over: impl Future<Output = T> + Unpin) -> T {
    let alone = available_parallelism().is_ok_and(|processors| workers < processors.get());
    let turns = Arc::new(Turns {
        driver: Arc::clone(driver),
        pool: Arc::clone(pool),
        short: if alone { SHORT } else { SHORT_IN_COMPANY },
        left: AtomicUsize::new(0),
        crowd: AtomicBool::new(false),
        overseer: std::thread::current(),
        overseer_sleeps: AtomicBool::new(false),
    });
    pool.look_after(true);
    pool.work_while_idle(Arc::<Turns>::clone(&turns));
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    Overseer { turns: &turns, pool, over, waker, reluctance: 0, given_up_at: None }.run()
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

struct Overseer<'a, F> {
    turns: &'a Turns,
    pool: &'a Pool,
    over: F,
    waker: Waker,
    /// How many calls are given to threads before the seat is.
    reluctance: u32,
    /// `Turns::left` when the overseer last gave up the seat.
    given_up_at: Option<usize>,
}

impl<T, F: Future<Output = T> + Unpin> Overseer<'_, F> {
    fn run(mut self) -> T {
        let (mut left, mut begun, mut calm) = (self.left(), self.pool.progress().0, 0);
        loop {
            if let Poll::Ready(result) = Pin::new(&mut self.over).poll(&mut Context::from_waker(&self.waker)) {
                return result;
            }
            if calm < CALM_LOOKS {
                std::thread::park_timeout(if self.turns.calls_are_short() { SELDOM_LOOK } else { LOOK });
            } else {
                self.sleep(left);
                calm = 0;
            }
            let unchanged = self.left() == left;
            left = self.left();
            calm = if unchanged { calm + 1 } else { 0 };
            // The thread that left the seat is at the next of several short calls.
            let moves = self.pool.progress().0 != begun && self.turns.calls_are_short();
            if self.turns.crowd.swap(false, Ordering::SeqCst) || (unchanged && !moves) {
                match self.drive() {
                    Turn::Over(result) => return result,
                    Turn::GivenUp => (left, calm) = (self.left(), 0),
                    Turn::Taken => {}
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
        self.turns.left.load(Ordering::SeqCst)
    }

    /// Sleeps until a thread leaves the seat, or all is over.
    fn sleep(&self, left: usize) {
        self.turns.overseer_sleeps.store(true, Ordering::SeqCst);
        if self.left() == left {
            std::thread::park();
        }
        self.turns.overseer_sleeps.store(false, Ordering::SeqCst);
    }

    /// Drives in the place of a thread that takes its time.
    fn drive(&mut self) -> Turn<T> {
        // Nobody drove since the seat was given up: the calls are slow, and giving it up again so soon would be in vain.
        let in_vain = self.given_up_at == Some(self.left());
        let reluctance = if in_vain { (self.reluctance * 2 + 1).min(RELUCTANCE) } else { ALONE };
        let mut alone = 0;
        let mut sat_down = false;
        let turn = self.turns.driver.try_drive(|context| {
            if !std::mem::replace(&mut sat_down, true) {
                self.pool.look_after(false);
            }
            if let Poll::Ready(result) = Pin::new(&mut self.over).poll(context) {
                return Poll::Ready(Turn::Over(result));
            }
            // A thread was woken for a call, which is the only one: it may have the seat after it.
            match self.pool.at_rest() {
                Some(1) => alone += 1,
                Some(2..) if self.turns.calls_are_short() => alone += 1,
                Some(0) | None => {}
                Some(_) => alone = 0,
            }
            if alone > reluctance { Poll::Ready(Turn::GivenUp) } else { Poll::Pending }
        });
        let Some(turn) = turn else { return Turn::Taken };
        self.reluctance = reluctance;
        self.pool.look_after(true);
        self.given_up_at = Some(self.left());
        turn
    }
}

/// How a try to drive ended.
enum Turn<T> {
    /// Another thread drives.
    Taken,
    /// The seat is for a thread of the pool.
    GivenUp,
    /// Nobody needs to drive any more.
    Over(T),
}
