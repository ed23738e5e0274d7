//! Wakes a loop with its own selector: one byte on a socket pair, once per batch.
//!
//! Spec: `asyncio.loop.add_reader`.

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::task::{Wake, Waker};

use pyo3::prelude::*;

use super::EventLoop;

/// The socket pair that wakes a loop from other threads.
#[derive(Debug)]
pub struct WakeSocket {
    waking: UnixStream,
    drained: UnixStream,
}

impl WakeSocket {
    /// A new pair.
    ///
    /// # Errors
    /// When the process has no file descriptors left.
    pub fn new() -> std::io::Result<Self> {
        let (waking, drained) = UnixStream::pair()?;
        waking.set_nonblocking(true)?;
        drained.set_nonblocking(true)?;
        Ok(Self { waking, drained })
    }

    /// The end that is readable after a wake.
    pub fn drained(&self) -> &UnixStream {
        &self.drained
    }

    /// Forgets the wakes so far.
    pub fn drain(&self) {
        let mut bytes = [0; 64];
        // It is no error if there is nothing to read: the events are in the queue.
        let _empty = (&self.drained).read(&mut bytes);
    }

    /// Makes `event_loop` drain `queue` when there is work in it.
    ///
    /// # Errors
    /// When the loop has no `add_reader`, or the process has no file descriptors left.
    pub(super) fn add(event_loop: &Bound<'_, PyAny>, queue: Arc<EventLoop>) -> PyResult<Arc<Self>> {
        let py = event_loop.py();
        let reader = Arc::new(Self::new()?);
        let waker = Waker::from(Arc::clone(&reader));
        if !queue.listen(&waker) {
            waker.wake_by_ref();
        }
        let drain = Bound::new(py, DrainQueue { queue, reader: Arc::clone(&reader), waker })?;
        event_loop.call_method1("add_reader", (reader.drained.as_raw_fd(), drain))?;
        Ok(reader)
    }

    /// Removes the reader from the loop.
    ///
    /// # Errors
    /// When the loop is closed already.
    pub(super) fn remove(&self, event_loop: &Bound<'_, PyAny>) -> PyResult<()> {
        event_loop.call_method1("remove_reader", (self.drained.as_raw_fd(),)).map(|_| ())
    }
}

impl Wake for WakeSocket {
    fn wake(self: Arc<Self>) {
        // If the socket is full, a wake is on its way.
        let _full = (&self.waking).write(&[1]);
    }
}

/// The callback that the loop calls when it is woken.
#[pyclass(frozen, module = "rsgi")]
struct DrainQueue {
    queue: Arc<EventLoop>,
    reader: Arc<WakeSocket>,
    waker: Waker,
}

#[pymethods]
impl DrainQueue {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        self.reader.drain();
        self.queue.listen(&self.waker);
        let drained = self.queue.drain(py);
        self.queue.fairness.give_way(py);
        if !self.queue.is_idle() {
            // Wakes the loop again for the events that wait for the next turn.
            self.queue.notify();
        }
        drained
    }
}
