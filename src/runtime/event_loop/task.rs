//! Starts the task of a request, and runs its first step at once if the loop allows it.
//!
//! asyncio puts the first step of a new task into the loop's list of callbacks, and runs it some turns of Python code
//! later. That is a large part of the cost of a small request. [`FirstStep`] makes the task while it stands in for
//! `loop.call_soon`: it catches the first step and runs it itself. The result is still an ordinary `asyncio.Task` with
//! its own context.
//!
//! Spec: `asyncio.loop.create_task`, `asyncio.loop.call_soon`.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyTuple, PyType};
use rsgi_bridge::gil_lock::GilLock;
use rsgi_bridge::latin1::latin1;
use rsgi_bridge::process::Process;

use super::call_state::Due;
use super::coroutine::AppCoroutine;
use super::known_loop::KnownLoop;
use super::prepared::PreparedTasks;

/// Makes the tasks of one loop.
#[derive(Debug)]
pub struct Tasks {
    event_loop: Py<PyAny>,
    create_task: Py<PyAny>,
    first_step: Option<FirstStep>,
    prepared: Option<PreparedTasks>,
    /// How often the last calls have waited.
    waits: Waits,
}

/// The prefix of task names. A number follows.
const NAME: &str = "Request-";

/// The names of tasks.
#[derive(Debug)]
struct TaskNames {
    /// How many tasks were made so far.
    started: u64,
    latest: String,
}

/// What is needed to run the first step of a task.
#[derive(Debug)]
pub(super) struct FirstStep {
    known: KnownLoop,
    /// `asyncio.Task`.
    class: Py<PyAny>,
    /// `loop=…` and a name. asyncio would take longer to make a name.
    options: Py<PyDict>,
    names: GilLock<TaskNames>,
    catcher: Py<Catcher>,
    /// `call_soon` of the catcher, bound.
    catch: Py<PyAny>,
}

impl Tasks {
    /// Makes tasks of `event_loop`.
    ///
    /// # Errors
    /// When `event_loop` is not an event loop.
    pub fn new(event_loop: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = event_loop.py();
        let create_task = event_loop.getattr("create_task")?;
        let first_step = KnownLoop::of(event_loop)?.map(|known| FirstStep::new(event_loop, known)).transpose()?;
        let prepared = if first_step.is_some() { PreparedTasks::new(py)? } else { None };
        Ok(Self {
            event_loop: event_loop.clone().unbind(),
            create_task: create_task.unbind(),
            first_step,
            prepared,
            waits: Waits::default(),
        })
    }

    /// Whether the loop runs the steps of its tasks as asyncio does.
    pub fn are_usual(&self) -> bool {
        self.first_step.is_some()
    }

    /// Whether the loop is between two steps of its tasks, and does not watch how long they take. Otherwise a step must
    /// wait for its own turn.
    ///
    /// # Errors
    /// When Python is out of memory.
    pub fn between_steps(&self, py: Python<'_>) -> PyResult<bool> {
        static CURRENT_TASK: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let event_loop = self.event_loop.bind(py);
        let Some(FirstStep { known, .. }) = &self.first_step else { return Ok(false) };
        let current = CURRENT_TASK.import(py, "asyncio", "current_task")?.call1((event_loop,))?;
        Ok(current.is_none() && !known.debugs(event_loop)?)
    }

    /// Starts a task for a call, on the loop's thread, outside of any task.
    ///
    /// # Errors
    /// When the loop is closed, Python is out of memory, or the first step raises an exception that ends Python's main
    /// thread.
    pub(super) fn start(&self, py: Python<'_>, process: Process, due: Due) -> PyResult<()> {
        let event_loop = self.event_loop.bind(py);
        let short = due.callbacks.is_short();
        let first_step = match &self.first_step {
            Some(first_step) if !first_step.known.has_task_factory(event_loop)? => Some(first_step),
            _ => None,
        };
        if let (Some(first_step), Some(prepared)) = (first_step, &self.prepared)
            && short
            && !self.waits.are_likely()
            && !first_step.known.debugs(event_loop)?
        {
            let waits = prepared.start(event_loop, first_step, process, due)?;
            self.waits.note(waits);
            return Ok(());
        }
        let coroutine = AppCoroutine::waiting(process);
        coroutine.prepare(py, due);
        let coroutine = Bound::new(py, coroutine)?;
        let Some(first_step) = first_step else { return self.create_task.bind(py).call1((coroutine,)).map(drop) };
        let waits = first_step.start(event_loop, coroutine.as_any())?;
        if short {
            self.waits.note(waits);
        }
        Ok(())
    }

    /// Ends the prepared task, before the loop is closed.
    ///
    /// # Errors
    /// When Python is out of memory.
    pub fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.prepared.as_ref().map_or(Ok(()), |prepared| prepared.close(py))
    }

    /// The tasks of the loop that have not ended, as an iterable.
    ///
    /// # Errors
    /// When Python is out of memory.
    pub fn all<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        py.import("asyncio")?.call_method1("all_tasks", (self.event_loop.bind(py),))
    }
}

/// Remembers whether the last calls have waited for something in their first step.
///
/// A prepared task saves the most if a call does not wait. If it does, the prepared task is lost, and it would have been
/// cheaper to make one for the call. That costs twice as much as a prepared task saves, so a call that waited counts
/// twice.
#[derive(Debug, Default)]
struct Waits(AtomicU8);

impl Waits {
    const MOST: u8 = 6;

    fn are_likely(&self) -> bool {
        self.0.load(Ordering::Relaxed) > Self::MOST / 2
    }

    fn note(&self, waited: bool) {
        let waits = self.0.load(Ordering::Relaxed);
        self.0.store(if waited { (waits + 2).min(Self::MOST) } else { waits.saturating_sub(1) }, Ordering::Relaxed);
    }
}

impl FirstStep {
    fn new(event_loop: &Bound<'_, PyAny>, known: KnownLoop) -> PyResult<Self> {
        let py = event_loop.py();
        let options = PyDict::new(py);
        options.set_item("loop", event_loop)?;
        let call_soon = event_loop.getattr("call_soon")?.unbind();
        let catcher =
            Bound::new(py, Catcher { call_soon, caught: Mutex::new(Caught::Closed), kind: Mutex::new(None) })?;
        let catch = catcher.getattr("call_soon")?.unbind();
        let class = py.import("asyncio")?.getattr("Task")?.unbind();
        let names = GilLock::new(TaskNames { started: 0, latest: NAME.to_owned() });
        Ok(Self { known, class, options: options.unbind(), names, catcher: catcher.unbind(), catch })
    }

    /// Makes a task for `coroutine`, and runs its first step. Returns whether the task waits for something.
    fn start(&self, event_loop: &Bound<'_, PyAny>, coroutine: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = coroutine.py();
        let (task, caught) = self.catch(event_loop, coroutine)?;
        if let Caught::Step { step, context } = caught {
            context.bind(py).call_method1(intern!(py, "run"), (step,))?;
        }
        Ok(!task.call_method0(intern!(py, "done"))?.is_truthy()?)
    }

    /// The name of the next task.
    ///
    /// # Errors
    /// When Python is out of memory.
    pub(super) fn next_name<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        let mut names = self.names.lock(py);
        names.started += 1;
        let number = names.started;
        names.latest.truncate(NAME.len());
        // `format!` would take as long as the rest.
        names.latest.push_str(itoa::Buffer::new().format(number));
        latin1(py, names.latest.as_bytes())
    }

    /// Makes a task that has not begun. Returns it with its first step and its context.
    pub(super) fn make<'py>(
        &self,
        event_loop: &Bound<'py, PyAny>,
        coroutine: &Bound<'py, PyAny>,
    ) -> PyResult<(Bound<'py, PyAny>, Py<PyAny>, Py<PyAny>)> {
        match self.catch(event_loop, coroutine)? {
            (task, Caught::Step { step, context }) => Ok((task, step, context)),
            _ => Err(PyRuntimeError::new_err("a task has begun in an unknown way")),
        }
    }

    fn catch<'py>(
        &self,
        event_loop: &Bound<'py, PyAny>,
        coroutine: &Bound<'py, PyAny>,
    ) -> PyResult<(Bound<'py, PyAny>, Caught)> {
        let py = coroutine.py();
        let catcher = self.catcher.get();
        catcher.replace(Caught::Waiting);
        let options = self.options.bind(py);
        options.set_item(intern!(py, "name"), self.next_name(py)?)?;
        event_loop.setattr(intern!(py, "call_soon"), &self.catch)?;
        let task = self.class.bind(py).call((coroutine,), Some(options));
        event_loop.delattr(intern!(py, "call_soon"))?;
        let caught = catcher.replace(Caught::Closed);
        Ok((task?, caught))
    }
}

#[derive(Debug)]
enum Caught {
    /// Catches nothing.
    Closed,
    /// Waits for the next first step.
    Waiting,
    Step {
        step: Py<PyAny>,
        context: Py<PyAny>,
    },
}

/// Stands in for `loop.call_soon` while a task is made.
#[pyclass(frozen, module = "rsgi")]
#[derive(Debug)]
struct Catcher {
    call_soon: Py<PyAny>,
    caught: Mutex<Caught>,
    /// The class of first steps, once one was seen.
    kind: Mutex<Option<Py<PyType>>>,
}

impl Catcher {
    fn replace(&self, caught: Caught) -> Caught {
        std::mem::replace(&mut *self.caught.lock().unwrap_or_else(PoisonError::into_inner), caught)
    }

    /// Whether `callback` is the step of a task. It may be something else: the garbage collector can run while a task
    /// is made, and destructors may use the loop too.
    fn is_step(&self, callback: &Bound<'_, PyAny>) -> PyResult<bool> {
        let (class, mut kind) = (callback.get_type(), self.kind.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(kind) = &*kind {
            return Ok(class.is(kind));
        }
        let is_step = class.name()? == "TaskStepMethWrapper";
        if is_step {
            *kind = Some(class.unbind());
        }
        Ok(is_step)
    }
}

#[pymethods]
impl Catcher {
    #[pyo3(signature = (callback, /, *arguments, context = None))]
    fn call_soon(
        &self,
        callback: &Bound<'_, PyAny>,
        arguments: &Bound<'_, PyTuple>,
        context: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let py = callback.py();
        if let Some(context) = context
            && arguments.is_empty()
            && self.is_step(callback)?
        {
            let mut caught = self.caught.lock().unwrap_or_else(PoisonError::into_inner);
            if matches!(*caught, Caught::Waiting) {
                *caught = Caught::Step { step: callback.clone().unbind(), context: context.clone().unbind() };
                return Ok(py.None());
            }
        }
        let options = PyDict::new(py);
        options.set_item(intern!(py, "context"), context)?;
        let mut all = vec![callback.clone()];
        all.extend(arguments.iter());
        self.call_soon.bind(py).call(PyTuple::new(py, all)?, Some(&options)).map(Bound::unbind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_likely_if_one_call_in_three_waits() {
        let waits = Waits::default();
        assert!(!waits.are_likely());
        waits.note(true);
        assert!(!waits.are_likely(), "one call says little");
        waits.note(true);
        assert!(waits.are_likely());
        for _ in 0..10 {
            waits.note(true);
        }
        for waited in [false, false, true].repeat(5) {
            waits.note(waited);
            assert!(waits.are_likely());
        }
        for _ in 0..3 {
            waits.note(false);
        }
        assert!(!waits.are_likely(), "the application waits no more");
    }
}
