//! The asyncio side: how work from tokio reaches the loop's thread, and how the loop's awaits are woken.
//!
//! Kept apart because it is the seam behind which the crossing can change. Work waits in a queue and the loop is woken once
//! per batch, by one byte on a socket pair: its thread drains the queue while it holds the interpreter anyway. No Python object
//! is made on any other thread. The only module of the server that names `pyo3_async_runtimes`.

pub mod coroutine;

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::task::{Wake, Waker};

use crossbeam_queue::SegQueue;
use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3_async_runtimes::TaskLocals;
use rsgi_bridge::awaitable::LoopHandle;

use crate::gateway::asgi::HttpStart;
use crate::gateway::websocket::WebSocketStart;

/// Something for the loop's thread to do.
pub enum LoopEvent {
    /// Start the task of an HTTP request.
    Http(Box<HttpStart>),
    /// Start the task of a WebSocket.
    WebSocket(Box<WebSocketStart>),
    /// Resolve a future that a task waits for.
    Resolve(Py<PyAny>),
    /// Anything rare.
    Run(Box<dyn FnOnce(Python<'_>) + Send>),
}

impl std::fmt::Debug for LoopEvent {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Http(_) => "Http",
            Self::WebSocket(_) => "WebSocket",
            Self::Resolve(_) => "Resolve",
            Self::Run(_) => "Run",
        })
    }
}

/// One asyncio loop and the queue in front of it.
#[derive(Debug)]
pub struct EventLoop {
    events: SegQueue<LoopEvent>,
    /// Whether a wake is on its way already.
    woken: AtomicBool,
    waking: UnixStream,
    drained: UnixStream,
    python: RwLock<Option<Attached>>,
}

#[derive(Debug)]
struct Attached {
    create_future: Py<PyAny>,
    create_task: Py<PyAny>,
    locals: TaskLocals,
}

impl EventLoop {
    /// A queue that no loop drains yet.
    ///
    /// # Errors
    /// When the process has no descriptors left.
    pub fn new() -> std::io::Result<Arc<Self>> {
        let (waking, drained) = UnixStream::pair()?;
        waking.set_nonblocking(true)?;
        drained.set_nonblocking(true)?;
        Ok(Arc::new(Self {
            events: SegQueue::new(),
            woken: AtomicBool::new(false),
            waking,
            drained,
            python: RwLock::new(None),
        }))
    }

    /// Makes `event_loop` drain the queue. Called on its thread before it runs.
    ///
    /// # Errors
    /// When the loop does not take readers.
    pub fn attach(self: &Arc<Self>, event_loop: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = event_loop.py();
        let attached = Attached {
            create_future: event_loop.getattr("create_future")?.unbind(),
            create_task: event_loop.getattr("create_task")?.unbind(),
            locals: TaskLocals::new(event_loop.clone()).copy_context(py)?,
        };
        *self.python.write().unwrap_or_else(PoisonError::into_inner) = Some(attached);
        let drain = Bound::new(py, Drain(Arc::clone(self)))?;
        event_loop.call_method1("add_reader", (self.drained.as_raw_fd(), drain))?;
        Ok(())
    }

    /// Stops draining, before the loop is closed.
    ///
    /// # Errors
    /// When the loop is closed already.
    pub fn detach(&self, event_loop: &Bound<'_, PyAny>) -> PyResult<()> {
        *self.python.write().unwrap_or_else(PoisonError::into_inner) = None;
        event_loop.call_method1("remove_reader", (self.drained.as_raw_fd(),))?;
        Ok(())
    }

    /// Queues an event for the loop's thread. Never blocks, from any thread.
    pub fn submit(&self, event: LoopEvent) {
        self.events.push(event);
        self.wake_loop();
    }

    fn wake_loop(&self) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            // A full socket means that a wake is on its way.
            let _full = (&self.waking).write(&[1]);
        }
    }

    /// Creates a real `asyncio.Task` for a coroutine.
    fn create_task(&self, py: Python<'_>, coroutine: Bound<'_, PyAny>) -> PyResult<()> {
        let create_task = self.attached(|attached| attached.create_task.clone_ref(py))?;
        create_task.call1(py, (coroutine,)).map(|_| ())
    }

    /// Runs a long-lived coroutine in the loop, and awaits it from tokio. Called on the loop's thread.
    ///
    /// # Errors
    /// When the loop is closed, or `coroutine` is none.
    pub fn await_from_tokio(
        &self,
        py: Python<'_>,
        coroutine: Bound<'_, PyAny>,
    ) -> PyResult<impl Future<Output = PyResult<Py<PyAny>>> + Send + use<>> {
        let locals = self.attached(|attached| attached.locals.clone())?;
        let _ = py;
        pyo3_async_runtimes::into_future_with_locals(&locals, coroutine)
    }

    /// Whether a loop drains the queue.
    pub fn is_attached(&self) -> bool {
        self.python.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn attached<T>(&self, get: impl FnOnce(&Attached) -> T) -> PyResult<T> {
        let python = self.python.read().unwrap_or_else(PoisonError::into_inner);
        python.as_ref().map(get).ok_or_else(|| PyRuntimeError::new_err("the event loop has stopped"))
    }

    fn drain(&self, py: Python<'_>) {
        let mut bytes = [0; 64];
        // Nothing to read is fine: the events are in the queue.
        let _empty = (&self.drained).read(&mut bytes);
        self.woken.store(false, Ordering::Release);
        // What is added meanwhile waits for the next turn, so that the application's own callbacks get theirs.
        for _ in 0..self.events.len() {
            match self.events.pop() {
                None => break,
                Some(LoopEvent::Http(start)) => start.start(py),
                Some(LoopEvent::WebSocket(start)) => start.start(py),
                Some(LoopEvent::Run(run)) => run(py),
                Some(LoopEvent::Resolve(future)) => {
                    // One future that cannot be resolved must not hold up the others.
                    if let Err(error) = resolve(py, future.bind(py)) {
                        error.write_unraisable(py, Some(future.bind(py)));
                    }
                }
            }
        }
        if !self.events.is_empty() {
            self.wake_loop();
        }
    }
}

fn resolve(py: Python<'_>, future: &Bound<'_, PyAny>) -> PyResult<()> {
    // A wait that was cancelled is over.
    if !future.call_method0(intern!(py, "done"))?.is_truthy()? {
        future.call_method1(intern!(py, "set_result"), (py.None(),))?;
    }
    Ok(())
}

impl LoopHandle for EventLoop {
    fn wait(self: Arc<Self>, py: Python<'_>) -> PyResult<(Py<PyAny>, Waker)> {
        let create_future = self.attached(|attached| attached.create_future.clone_ref(py))?;
        let future = create_future.call0(py)?;
        let waker = FutureWaker { event_loop: self, future: Mutex::new(Some(future.clone_ref(py))) };
        Ok((future, Waker::from(Arc::new(waker))))
    }
}

/// Resolves one asyncio future, once.
struct FutureWaker {
    event_loop: Arc<EventLoop>,
    future: Mutex<Option<Py<PyAny>>>,
}

impl Wake for FutureWaker {
    fn wake(self: Arc<Self>) {
        let future = self.future.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(future) = future {
            self.event_loop.submit(LoopEvent::Resolve(future));
        }
    }
}

/// The callback that the loop calls when it was woken.
#[pyclass(frozen, module = "rsgi")]
struct Drain(Arc<EventLoop>);

#[pymethods]
impl Drain {
    fn __call__(&self, py: Python<'_>) {
        self.0.drain(py);
    }
}
