//! Lets the asyncio loop drive tokio: its selector calls [`LoopDriver`] when it waits.
//!
//! Only this file knows asyncio's side: a timeout, the descriptors of the application, and events for the loop that
//! must be handled before it returns to Python. The application's descriptors are in a Python selector. tokio watches
//! that selector as a single descriptor.
//!
//! Spec: `selectors.BaseSelector.select`.

use std::os::fd::RawFd;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use rsgi_bridge::gil_lock::GilLock;
use rustix::event::Timespec;
use tokio::time::Sleep;

use super::Driver;
use super::beside_loop::BesideLoop;
use super::loop_load::LoopLoad;
use super::watched::{SelectorDescriptor, sleep_until_ready};
use crate::runtime::event_loop::EventLoop;
use crate::runtime::event_loop::reader::WakeSocket;

/// Waits on the loop's thread, for the server and for the application's own descriptors at once.
#[pyclass(frozen, module = "rsgi._rsgi")]
#[derive(Debug)]
pub struct LoopDriver {
    driver: Arc<Driver>,
    event_loop: Arc<EventLoop>,
    /// The descriptor of the Python selector that has the application's descriptors.
    selector: RawFd,
    /// The same while tokio watches it: not after it was closed, nor while another thread drives.
    watched: Mutex<Option<SelectorDescriptor>>,
    shared: Option<Shared>,
}

/// What it needs if another thread may drive beside it.
#[derive(Debug)]
struct Shared {
    beside: Arc<BesideLoop>,
    socket: Arc<WakeSocket>,
    waker: Waker,
    turn: GilLock<LoopTurn>,
}

/// The turn of the loop that runs, and those before.
#[derive(Debug)]
struct LoopTurn {
    load: LoopLoad,
    began: Instant,
    /// How many calls had begun when it began.
    begun: usize,
}

impl LoopDriver {
    /// Drives `driver` on the thread of `event_loop`, unless `beside` does. `selector` is the descriptor of Python's
    /// selector.
    ///
    /// # Errors
    /// When the descriptor cannot be watched, or the process has no file descriptors left.
    pub fn new(
        driver: Arc<Driver>,
        event_loop: Arc<EventLoop>,
        beside: Option<Arc<BesideLoop>>,
        selector: RawFd,
    ) -> std::io::Result<Self> {
        let watched = Mutex::new(Some(driver.enter(|| SelectorDescriptor::new(selector))?));
        let shared = beside.map(|beside| Shared::new(beside, event_loop.begun())).transpose()?;
        Ok(Self { driver, event_loop, selector, watched, shared })
    }

    /// Serves or sleeps, and returns whether Python's selector may have something. `None` if the server has ended.
    fn serve(&self, poll_timeout: PollTimeout) -> Option<bool> {
        let Some(shared) = &self.shared else { return self.drive(poll_timeout) };
        // If the selector cannot be watched, the other thread has to go on.
        if !shared.beside.drives() && !self.watch() {
            shared.beside.decide(true);
        }
        if shared.beside.drives() {
            self.unwatch();
            return Some(self.sleep(shared, poll_timeout));
        }
        self.drive(poll_timeout)
    }

    /// Makes tokio watch Python's selector. Returns whether it does.
    fn watch(&self) -> bool {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if watched.is_none() {
            *watched = self.driver.enter(|| SelectorDescriptor::new(self.selector)).ok();
        }
        watched.is_some()
    }

    fn unwatch(&self) {
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner).take();
        if watched.is_some() {
            self.driver.enter(|| drop(watched));
        }
    }

    /// Sleeps while another thread drives.
    fn sleep(&self, shared: &Shared, poll_timeout: PollTimeout) -> bool {
        // In this order: whoever stops to drive sets that first, and wakes the loop then.
        let idle = self.event_loop.listen(&shared.waker) && shared.beside.drives();
        let timeout = if idle { poll_timeout.timespec() } else { PollTimeout::None.timespec() };
        let (selector, woken) = sleep_until_ready(self.selector, shared.socket.drained(), timeout);
        self.event_loop.suppress();
        if woken {
            shared.socket.drain();
        }
        selector
    }

    fn drive(&self, poll_timeout: PollTimeout) -> Option<bool> {
        let mut waiting = SelectorWait { driver: self, poll_timeout, sleep: None, turned: false };
        let watched = self.driver.drive(move |context| waiting.poll(context));
        self.event_loop.suppress();
        watched
    }

    /// Notes that the loop waits, and decides who drives from now on.
    fn turn_ended(&self, py: Python<'_>) {
        let Some(shared) = &self.shared else { return };
        let mut turn = shared.turn.lock(py);
        let (busy, begun) = (turn.began.elapsed(), self.event_loop.begun());
        let calls = u32::try_from(begun.wrapping_sub(turn.begun)).unwrap_or(u32::MAX);
        if let Some(drives) = turn.load.turn(busy, calls, shared.beside.drives()) {
            shared.beside.decide(drives);
        }
    }

    /// Notes that the loop has something to do.
    fn turn_begins(&self, py: Python<'_>) {
        let Some(shared) = &self.shared else { return };
        let mut turn = shared.turn.lock(py);
        (turn.began, turn.begun) = (Instant::now(), self.event_loop.begun());
        shared.beside.turns.fetch_add(1, Ordering::Relaxed);
    }

    fn poll_watched(&self, context: &mut Context<'_>) -> Poll<()> {
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.as_ref().map_or(Poll::Pending, |watched| watched.poll_ready(context))
    }
}

#[pymethods]
impl LoopDriver {
    /// Serves until the loop has an event to handle, a descriptor of the application may be ready (`True`), or
    /// `timeout` is over.
    ///
    /// `timeout` is in seconds. `None` means no limit. Raises `RuntimeError` if the server has ended.
    #[pyo3(signature = (timeout, /))]
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        let poll_timeout = if self.event_loop.is_idle() { PollTimeout::of(timeout)? } else { PollTimeout::None };
        self.turn_ended(py);
        let watched = py.detach(|| self.serve(poll_timeout));
        self.turn_begins(py);
        self.event_loop.drain(py)?;
        watched.ok_or_else(|| PyRuntimeError::new_err("the server has ended"))
    }

    /// Stops watching the descriptor of Python's selector. Called before it is closed.
    fn close(&self) {
        self.unwatch();
    }
}

impl Shared {
    fn new(beside: Arc<BesideLoop>, begun: usize) -> std::io::Result<Self> {
        let socket = Arc::new(WakeSocket::new()?);
        let waker = Waker::from(Arc::clone(&socket));
        Ok(Self {
            beside,
            socket,
            waker,
            turn: GilLock::new(LoopTurn { load: LoopLoad::new(), began: Instant::now(), begun }),
        })
    }
}

/// How long to wait for something to do.
#[derive(Debug, Clone, Copy)]
enum PollTimeout {
    None,
    Until(Duration),
    Endless,
}

impl PollTimeout {
    fn of(timeout: Option<f64>) -> PyResult<Self> {
        match timeout {
            None => Ok(Self::Endless),
            Some(seconds) if seconds <= 0.0 => Ok(Self::None),
            Some(seconds) => Duration::try_from_secs_f64(seconds)
                .map(Self::Until)
                .map_err(|error| PyValueError::new_err(format!("{seconds} seconds: {error}"))),
        }
    }

    /// The same for `poll(2)`. `None` means no limit.
    fn timespec(self) -> Option<Timespec> {
        match self {
            Self::None => Some(Timespec { tv_sec: 0, tv_nsec: 0 }),
            Self::Until(duration) => Timespec::try_from(duration).ok(),
            Self::Endless => None,
        }
    }
}

/// A single wait. It ends with `true` if Python's selector has something.
struct SelectorWait<'a> {
    driver: &'a LoopDriver,
    poll_timeout: PollTimeout,
    sleep: Option<Pin<Box<Sleep>>>,
    /// Whether the sockets were polled once.
    turned: bool,
}

impl SelectorWait<'_> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        if !self.turned {
            self.turned = true;
            if matches!(self.poll_timeout, PollTimeout::None) {
                // Even if the loop is busy, it polls the sockets once in each turn.
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
        let idle = self.driver.event_loop.listen(context.waker());
        let watched = self.driver.poll_watched(context).is_ready();
        if watched || !idle || self.is_over(context) { Poll::Ready(watched) } else { Poll::Pending }
    }

    fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        match self.poll_timeout {
            PollTimeout::None => true,
            PollTimeout::Endless => false,
            PollTimeout::Until(duration) => {
                let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(duration)));
                sleep.as_mut().poll(context).is_ready()
            }
        }
    }
}
