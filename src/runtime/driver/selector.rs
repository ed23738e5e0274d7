//! Lets the asyncio loop drive tokio: its selector calls [`LoopDriver`] when it waits.
//!
//! Only this file knows asyncio's side: a timeout, the descriptors of the application, and events for the loop that
//! must be handled before it returns to Python. The application's descriptors are in a Python selector. tokio watches
//! that selector as a single descriptor.
//!
//! Spec: `selectors.BaseSelector.select`.

use std::os::fd::RawFd;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use tokio::time::Sleep;

use super::Driver;
use super::watched::SelectorDescriptor;
use crate::runtime::event_loop::EventLoop;

/// Waits on the loop's thread, for the server and for the application's own descriptors at once.
#[pyclass(frozen, module = "rsgi._rsgi")]
#[derive(Debug)]
pub struct LoopDriver {
    driver: Arc<Driver>,
    event_loop: Arc<EventLoop>,
    /// The descriptor of the Python selector that has the application's descriptors. `None` after it was closed.
    watched: Mutex<Option<SelectorDescriptor>>,
}

impl LoopDriver {
    /// Drives `driver` on the thread of `event_loop`. `selector` is the descriptor of Python's selector.
    ///
    /// # Errors
    /// When the descriptor cannot be watched.
    pub fn new(driver: Arc<Driver>, event_loop: Arc<EventLoop>, selector: RawFd) -> std::io::Result<Self> {
        let watched = driver.enter(|| SelectorDescriptor::new(selector))?;
        Ok(Self { driver, event_loop, watched: Mutex::new(Some(watched)) })
    }

    fn drive(&self, poll_timeout: PollTimeout) -> Option<bool> {
        let mut waiting = SelectorWait { driver: self, poll_timeout, sleep: None, turned: false };
        let watched = self.driver.drive(move |context| waiting.poll(context));
        self.event_loop.suppress();
        watched
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
        let watched = py.detach(|| self.drive(poll_timeout));
        self.event_loop.drain(py)?;
        watched.ok_or_else(|| PyRuntimeError::new_err("the server has ended"))
    }

    /// Stops watching the descriptor of Python's selector. Called before it is closed.
    fn close(&self) {
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.driver.enter(|| drop(watched));
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
