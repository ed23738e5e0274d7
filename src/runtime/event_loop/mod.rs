//! The asyncio side: how work from tokio reaches the loop's thread, and how the loop's awaits are woken.
//!
//! Work waits in a queue, and the loop is woken once per batch. If the loop drives tokio, its selector wakes it,
//! otherwise one byte on a socket pair. The loop's thread drains the queue while it holds the GIL anyway. No other
//! thread makes Python objects. This is the only module of the server that names `pyo3_async_runtimes`.

mod call_state;
pub mod coroutine;
mod fairness;
mod known_loop;
mod loop_future;
mod overdue;
mod prepared;
pub mod reader;
pub mod start;
mod steps;
mod task;
pub mod task_callbacks;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::task::Waker;
use std::time::Duration;

use crossbeam_queue::SegQueue;
use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3_async_runtimes::TaskLocals;
use rsgi_bridge::host::awaitable::LoopHandle;
use rsgi_bridge::host::future_waker::{Resolver, future_waker, resolve, yielded_future};
use rsgi_bridge::pool::call_time::{CallStretch, CallTime};
use rsgi_bridge::process::Process;

use self::coroutine::AppCoroutine;
use self::fairness::Fairness;
use self::loop_future::{LoopFuture, ends_the_loop};
use self::overdue::Overdue;
use self::reader::WakeSocket;
use self::task::Tasks;
use crate::runtime::driver::deferred_wake::DeferredWake;

/// Work for the loop's thread.
pub enum LoopEvent {
    /// Start the task of a call.
    Start(Box<dyn Start>),
    /// Resolve a future that a task awaits.
    Resolve(Py<PyAny>),
    /// Run a function. Used for everything rare.
    Run(Run),
}

/// A call of an application on its way to the loop's thread.
pub trait Start: Send {
    /// Builds the arguments of the application, and starts its task. Runs on the loop's thread.
    fn start(self: Box<Self>, py: Python<'_>);
}

/// A function that runs once, on the loop's thread.
pub type Run = Box<dyn FnOnce(Python<'_>) + Send>;

impl std::fmt::Debug for LoopEvent {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Start(_) => "Start",
            Self::Resolve(_) => "Resolve",
            Self::Run(_) => "Run",
        })
    }
}

/// One asyncio loop and its queue.
#[derive(Debug, Default)]
pub struct EventLoop {
    events: SegQueue<LoopEvent>,
    /// How many calls have begun so far. Only the loop's thread changes it.
    begun: AtomicUsize,
    /// How long the first step of a call takes.
    call_time: CallTime,
    /// What wakes its thread.
    pub wakes: Arc<DeferredWake>,
    python: RwLock<Option<Attached>>,
    /// Whether a garbage collection is queued.
    collecting: AtomicBool,
    overdue: Overdue,
    fairness: Fairness,
    at_detach: AtDetach,
    /// The process that made this. A forked child has no loop and no clients.
    pub process: Process,
}

/// What runs when the loop is detached.
#[derive(Default)]
struct AtDetach(Mutex<Vec<DetachAction>>);

type DetachAction = Box<dyn FnOnce(Python<'_>) + Send>;

impl std::fmt::Debug for AtDetach {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("AtDetach")
    }
}

#[derive(Debug)]
struct Attached {
    create_future: Py<PyAny>,
    tasks: Arc<Tasks>,
    locals: TaskLocals,
    /// The socket that wakes a loop with its own selector.
    reader: Option<Arc<WakeSocket>>,
}

impl EventLoop {
    /// Makes `event_loop` drain the queue. Called on its thread before it runs.
    ///
    /// # Errors
    /// When the loop has no `add_reader`, or the process has no file descriptors left.
    pub fn attach(self: &Arc<Self>, event_loop: &Bound<'_, PyAny>, woken: Woken) -> PyResult<()> {
        let py = event_loop.py();
        let reader = match woken {
            Woken::BySelector => None,
            Woken::ByReader => Some(WakeSocket::add(event_loop, Arc::clone(self))?),
        };
        let attached = Attached {
            create_future: event_loop.getattr("create_future")?.unbind(),
            tasks: Arc::new(Tasks::new(event_loop)?),
            locals: TaskLocals::new(event_loop.clone()).copy_context(py)?,
            reader,
        };
        *self.python.write().unwrap_or_else(PoisonError::into_inner) = Some(attached);
        Ok(())
    }

    /// Runs `act` once, when the loop is detached.
    pub fn at_detach(&self, act: DetachAction) {
        self.at_detach.0.lock().unwrap_or_else(PoisonError::into_inner).push(act);
    }

    /// Stops draining the queue. Called before the loop is closed.
    ///
    /// # Errors
    /// When the loop is closed already.
    pub fn detach(&self, event_loop: &Bound<'_, PyAny>) -> PyResult<()> {
        let attached = self.python.write().unwrap_or_else(PoisonError::into_inner).take();
        let Some(attached) = attached else { return Ok(()) };
        for act in std::mem::take(&mut *self.at_detach.0.lock().unwrap_or_else(PoisonError::into_inner)) {
            act(event_loop.py());
        }
        attached.tasks.close(event_loop.py())?;
        attached.reader.map_or(Ok(()), |reader| reader.remove(event_loop))
    }

    /// Queues an event for the loop's thread. Never blocks, from any thread.
    pub fn submit(&self, event: LoopEvent) {
        self.events.push(event);
        self.wakes.notify();
    }

    /// Runs a function `turns` turns of the loop later.
    pub fn run_later(self: &Arc<Self>, turns: u32, run: Run) {
        let again = Arc::clone(self);
        self.submit(LoopEvent::Run(Box::new(move |py| match turns.checked_sub(1) {
            Some(left) => again.run_later(left, run),
            None => run(py),
        })));
    }

    /// Collects the youngest garbage in the next turn of the loop. If a call is cut short, its tracebacks and frames
    /// form reference cycles, and these keep its generators alive. Without this, their `finally` blocks would only run
    /// at the next automatic collection.
    pub fn collect_soon(self: &Arc<Self>) {
        if !self.collecting.swap(true, Ordering::AcqRel) {
            let this = Arc::clone(self);
            self.submit(LoopEvent::Run(Box::new(move |py| {
                this.collecting.store(false, Ordering::Release);
                if let Err(error) = collect_youngest(py) {
                    error.write_unraisable(py, None);
                }
            })));
        }
    }

    /// How many calls have begun so far.
    pub fn begun(&self) -> usize {
        self.begun.load(Ordering::Relaxed)
    }

    /// How long the first step of a call takes on average.
    pub fn call_time(&self) -> Duration {
        self.call_time.average()
    }

    /// How many events wait.
    pub fn waiting(&self) -> usize {
        self.events.len()
    }

    /// Whether the queue is empty.
    pub fn is_idle(&self) -> bool {
        self.events.is_empty()
    }

    /// From now on, wakes `listener` when there is work. Returns whether the queue is empty.
    pub fn listen(&self, listener: &Waker) -> bool {
        self.wakes.listen(listener);
        self.is_idle()
    }

    /// Wakes the loop's thread, unless it will look at the queue anyway.
    fn notify(&self) {
        self.wakes.notify();
    }

    /// From now on, wakes nobody: the loop is busy, and looks at the queue when it is not.
    pub fn suppress(&self) {
        self.wakes.suppress();
    }

    /// Makes the real `asyncio.Task`s of calls.
    fn tasks(&self) -> PyResult<Arc<Tasks>> {
        self.attached(|attached| Arc::clone(&attached.tasks))
    }

    /// Runs a long-lived coroutine in the loop, and awaits it from tokio. Called on the loop's thread.
    ///
    /// # Errors
    /// When the loop is closed, or `coroutine` is not a coroutine.
    pub fn await_from_tokio(
        &self,
        py: Python<'_>,
        coroutine: Bound<'_, PyAny>,
    ) -> PyResult<impl Future<Output = PyResult<Py<PyAny>>> + Send + use<>> {
        let locals = self.attached(|attached| attached.locals.clone())?;
        let _ = py;
        pyo3_async_runtimes::into_future_with_locals(&locals, coroutine)
    }

    /// The loop that drains the queue, if there is one.
    pub fn python<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        let python = self.python.read().unwrap_or_else(PoisonError::into_inner);
        python.as_ref().map(|attached| attached.locals.event_loop(py))
    }

    /// Whether a loop drains the queue.
    pub fn is_attached(&self) -> bool {
        self.python.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Cancels the tasks of all running calls. Called on the loop's thread.
    pub fn cancel_calls(&self, py: Python<'_>) {
        let cancelled = self.tasks().and_then(|tasks| {
            let all = tasks.all(py)?;
            for task in all.try_iter()? {
                let task = task?;
                if task.call_method0(intern!(py, "get_coro"))?.is_instance_of::<AppCoroutine>() {
                    task.call_method0(intern!(py, "cancel"))?;
                }
            }
            Ok(())
        });
        if let Err(error) = cancelled {
            error.write_unraisable(py, None);
        }
    }

    fn attached<T>(&self, get: impl FnOnce(&Attached) -> T) -> PyResult<T> {
        let python = self.python.read().unwrap_or_else(PoisonError::into_inner);
        python.as_ref().map(get).ok_or_else(|| PyRuntimeError::new_err("the event loop has stopped"))
    }

    /// Handles the queued events. Called on the loop's thread.
    ///
    /// # Errors
    /// When the step of a task has raised what ends the loop.
    pub fn drain(&self, py: Python<'_>) -> PyResult<()> {
        let (mut at_once, mut drained, mut stretch) = (None, Ok(()), CallStretch::begin());
        // Events that are added meanwhile wait for the next turn, so that the application's own callbacks can run.
        for _ in 0..self.events.len() {
            match self.events.pop() {
                None => break,
                Some(LoopEvent::Start(start)) => {
                    self.begun.store(self.begun().wrapping_add(1), Ordering::Relaxed);
                    start.start(py);
                    stretch.count();
                }
                Some(LoopEvent::Run(run)) => run(py),
                Some(LoopEvent::Resolve(future)) => {
                    let future = future.bind(py);
                    match self.resolve(future, &mut at_once) {
                        Err(error) if ends_the_loop(py, &error) => drained = Err(error),
                        // A future that cannot be resolved must not stop the others.
                        Err(error) => error.write_unraisable(py, Some(future)),
                        Ok(()) => {}
                    }
                }
            }
        }
        self.call_time.note(&stretch);
        drained
    }

    /// Resolves a future of [`LoopHandle::wait`]. `at_once` keeps the answer to whether its task may continue now.
    fn resolve(&self, future: &Bound<'_, PyAny>, at_once: &mut Option<bool>) -> PyResult<()> {
        let py = future.py();
        let Ok(future) = future.cast::<LoopFuture>() else { return resolve(py, future) };
        let at_once =
            at_once.get_or_insert_with(|| self.tasks().and_then(|tasks| tasks.between_steps(py)).unwrap_or(false));
        LoopFuture::resolve(future, *at_once)
    }
}

/// Collects the youngest garbage, unless the application has turned the collector off.
fn collect_youngest(py: Python<'_>) -> PyResult<()> {
    let gc = py.import("gc")?;
    if gc.call_method0("isenabled")?.is_truthy()? {
        gc.call_method1("collect", (0,))?;
    }
    Ok(())
}

impl LoopHandle for EventLoop {
    fn wait(self: Arc<Self>, py: Python<'_>) -> PyResult<(Py<PyAny>, Waker)> {
        let (event_loop, create_future) = self.attached(|attached| {
            let create_future = (!attached.tasks.are_usual()).then(|| attached.create_future.clone_ref(py));
            (attached.locals.event_loop(py), create_future)
        })?;
        let future = match create_future {
            Some(create_future) => yielded_future(&create_future.bind(py).call0()?)?,
            None => Bound::new(py, LoopFuture::yielded(event_loop.unbind()))?.into_any().unbind(),
        };
        let waker = future_waker(py, self, &future);
        Ok((future, waker))
    }
}

impl Resolver for EventLoop {
    fn resolve_soon(self: Arc<Self>, future: Py<PyAny>) {
        self.submit(LoopEvent::Resolve(future));
    }
}

/// How a loop learns that there is work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woken {
    /// Its selector drives tokio, and looks by itself.
    BySelector,
    /// A byte arrives on a socket that it watches.
    ByReader,
}
