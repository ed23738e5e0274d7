//! Makes a task before its request comes, and reuses it while nobody can tell it from a new one.
//!
//! To make a task is a large part of the cost of a small request. Most calls that answer at once never wait: their task
//! begins and ends in one step. [`PreparedTasks`] runs that step itself, with all that the application can see of a
//! task: it is the current task, it is in the list of all tasks, and its context is entered.
//!
//! If the call waits, it keeps the task, and asyncio continues it. If the call has ended, the task is used again,
//! unless the call has left a trace on it: a reference, a name, a callback, an attribute, a context variable, or a
//! cancellation.
//!
//! Spec: `asyncio.Task`, `asyncio.current_task`, `asyncio.all_tasks`; PEP 567 (contexts of tasks).
#![expect(unsafe_code, reason = "the attributes that were set on a task are seen through the C API only")]

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rsgi_bridge::gil_lock::GilLock;
use rsgi_bridge::process::Process;
use rsgi_bridge::spare::references_to;

use super::call_state::Due;
use super::coroutine::{AppCoroutine, FirstStepResult};
use super::task::FirstStep;

/// The Python versions whose asyncio internals are known here. Later versions keep their lists of tasks elsewhere.
const KNOWN: std::ops::Range<(u8, u8)> = (3, 11)..(3, 14);

/// A task that has not begun.
#[derive(Debug)]
struct PreparedTask {
    task: Py<PyAny>,
    /// The bound method of the task that runs its next step.
    step: Py<PyAny>,
    context: Py<PyAny>,
    /// `context.run`, bound.
    run: Py<PyAny>,
    coroutine: Py<AppCoroutine>,
    /// `begin` of the coroutine, bound.
    begin: Py<PyAny>,
    /// `task.set_name`, bound.
    set_name: Py<PyAny>,
    /// `task.cancelling`, bound.
    cancelling: Py<PyAny>,
    /// The entry in the list of all tasks while the step runs.
    listed: Py<PyAny>,
}

/// Keeps one prepared task of a loop, and runs first steps with it.
#[derive(Debug)]
pub(super) struct PreparedTasks {
    spare: GilLock<Option<PreparedTask>>,
    enter: Py<PyAny>,
    leave: Py<PyAny>,
    unregister: Py<PyAny>,
    count_weak_references: Py<PyAny>,
    list: List,
    /// The variables of a new context.
    base_context: Py<PyAny>,
}

/// How a task gets into the list of all tasks for one step.
#[derive(Debug)]
enum List {
    /// With the functions that asyncio uses for eager tasks.
    Eager { add: Py<PyAny>, discard: Py<PyAny>, register: Py<PyAny> },
    /// In the set of weak references inside asyncio's `WeakSet`. The `WeakSet` itself would make a new reference each
    /// time.
    Weak { add: Py<PyAny>, discard: Py<PyAny>, forget: Py<PyAny> },
}

impl List {
    fn new(py: Python<'_>) -> PyResult<Self> {
        let tasks = py.import("asyncio.tasks")?;
        let own = |name| tasks.getattr(name).map(Bound::unbind);
        if py.version_info() >= (3, 12) {
            let (add, discard) = (own("_register_eager_task")?, own("_unregister_eager_task")?);
            return Ok(Self::Eager { add, discard, register: own("_register_task")? });
        }
        let all = tasks.getattr("_all_tasks")?;
        let data = all.getattr("data")?;
        let (add, discard) = (data.getattr("add")?.unbind(), data.getattr("discard")?.unbind());
        Ok(Self::Weak { add, discard, forget: all.getattr("_remove")?.unbind() })
    }

    /// The entry for `task` in the list.
    fn entry<'py>(&self, task: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Self::Eager { .. } => Ok(task.clone()),
            Self::Weak { forget, .. } => task.py().import("weakref")?.call_method1("ref", (task, forget)),
        }
    }

    fn add(&self, py: Python<'_>, entry: &Py<PyAny>) -> PyResult<()> {
        let (Self::Eager { add, .. } | Self::Weak { add, .. }) = self;
        add.call1(py, (entry,)).map(drop)
    }

    fn discard(&self, py: Python<'_>, entry: &Py<PyAny>) -> PyResult<()> {
        let (Self::Eager { discard, .. } | Self::Weak { discard, .. }) = self;
        discard.call1(py, (entry,)).map(drop)
    }

    /// Keeps the task in the list until it has ended.
    fn keep(&self, py: Python<'_>, prepared: &PreparedTask) -> PyResult<()> {
        match self {
            Self::Eager { register, .. } => {
                self.discard(py, &prepared.listed)?;
                register.call1(py, (&prepared.task,)).map(drop)
            }
            Self::Weak { .. } => Ok(()),
        }
    }

    /// The number of strong and weak references that a prepared task has.
    fn references(&self) -> (isize, usize) {
        match self {
            // Our own one, those of three methods, and that of the entry.
            Self::Eager { .. } => (5, 0),
            Self::Weak { .. } => (4, 1),
        }
    }
}

impl PreparedTasks {
    /// `None` if it is not known how this version of asyncio keeps its tasks.
    pub(super) fn new(py: Python<'_>) -> PyResult<Option<Self>> {
        let version = py.version_info();
        if !KNOWN.contains(&(version.major, version.minor)) {
            return Ok(None);
        }
        let tasks = py.import("asyncio.tasks")?;
        let own = |name| tasks.getattr(name).map(Bound::unbind);
        Ok(Some(Self {
            spare: GilLock::new(None),
            enter: own("_enter_task")?,
            leave: own("_leave_task")?,
            unregister: own("_unregister_task")?,
            count_weak_references: py.import("weakref")?.getattr("getweakrefcount")?.unbind(),
            list: List::new(py)?,
            base_context: copy_context(py)?.unbind(),
        }))
    }

    /// Calls an application as a task of `event_loop`, on its thread, outside of any task. When this returns, the first
    /// step is over. Returns whether the call waits for something.
    ///
    /// # Errors
    /// When Python is out of memory, or the first step raises an exception that ends Python's main thread.
    pub(super) fn start(
        &self,
        event_loop: &Bound<'_, PyAny>,
        first_step: &FirstStep,
        process: Process,
        due: Due,
    ) -> PyResult<bool> {
        let py = event_loop.py();
        let kept = self.spare.lock(py).take();
        let prepared = match kept {
            Some(prepared) => prepared,
            None => self.prepare(event_loop, first_step, process)?,
        };
        prepared.set_name.call1(py, (first_step.next_name(py)?,))?;
        let coroutine = prepared.coroutine.get();
        coroutine.prepare(py, due);
        let stepped = self.take_step(event_loop, &prepared)?;
        match coroutine.first_step(py, stepped) {
            FirstStepResult::Waits => {
                self.list.keep(py, &prepared)?;
                return prepared.go_on(py).map(|()| true);
            }
            FirstStepResult::Cancelled => self.list.discard(py, &prepared.listed)?,
            FirstStepResult::Ended => {
                self.list.discard(py, &prepared.listed)?;
                if self.is_as_new(py, &prepared)? {
                    let before = self.spare.lock(py).replace(prepared);
                    drop(before);
                    return Ok(false);
                }
            }
        }
        // The task itself ends too, so that code which kept it sees the result.
        prepared.go_on(py).map(|()| false)
    }

    /// # Errors
    /// When the loop is running another task. The inner result is what the step has raised.
    fn take_step(&self, event_loop: &Bound<'_, PyAny>, prepared: &PreparedTask) -> PyResult<PyResult<()>> {
        let py = event_loop.py();
        self.enter.call1(py, (event_loop, &prepared.task))?;
        let listed = self.list.add(py, &prepared.listed);
        let stepped = listed.and_then(|()| prepared.run.call1(py, (&prepared.begin,)));
        self.leave.call1(py, (event_loop, &prepared.task))?;
        Ok(stepped.map(drop))
    }

    fn prepare(
        &self,
        event_loop: &Bound<'_, PyAny>,
        first_step: &FirstStep,
        process: Process,
    ) -> PyResult<PreparedTask> {
        let py = event_loop.py();
        let coroutine = Bound::new(py, AppCoroutine::waiting(process))?;
        let (task, step, context) = first_step.make(event_loop, coroutine.as_any())?;
        self.unregister.call1(py, (&task,))?;
        Ok(PreparedTask {
            listed: self.list.entry(&task)?.unbind(),
            set_name: task.getattr(intern!(py, "set_name"))?.unbind(),
            cancelling: task.getattr(intern!(py, "cancelling"))?.unbind(),
            task: task.unbind(),
            step,
            run: context.getattr(py, "run")?,
            context,
            begin: coroutine.getattr("begin")?.unbind(),
            coroutine: coroutine.unbind(),
        })
    }

    /// Whether nobody can tell the task from a new one.
    fn is_as_new(&self, py: Python<'_>, prepared: &PreparedTask) -> PyResult<bool> {
        let (task, context) = (prepared.task.bind(py), prepared.context.bind(py));
        let (strong, weak) = self.list.references();
        // References to the context: ours, the task's, and that of its bound method. To the coroutine: ours, the
        // task's, and that of its method.
        Ok(references_to(task) == strong
            && references_to(context) == 3
            && references_to(prepared.coroutine.bind(py)) == 3
            && self.count_weak_references.call1(py, (task,))?.extract::<usize>(py)? == weak
            && task.getattr(intern!(py, "_callbacks"))?.is_none()
            && !task.getattr(intern!(py, "_must_cancel"))?.is_truthy()?
            && !prepared.cancelling.bind(py).call0()?.is_truthy()?
            && context.eq(&self.base_context)?
            && attributes(task)?.is_empty())
    }

    /// Ends the task that is kept, before the loop is closed.
    pub(super) fn close(&self, py: Python<'_>) -> PyResult<()> {
        let kept = self.spare.lock(py).take();
        kept.map_or(Ok(()), |prepared| prepared.go_on(py))
    }
}

impl PreparedTask {
    /// Lets the task itself see the result of its coroutine.
    fn go_on(&self, py: Python<'_>) -> PyResult<()> {
        self.run.call1(py, (&self.step,)).map(drop)
    }
}

fn copy_context(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    py.import("contextvars")?.call_method0("copy_context")
}

/// The attributes that somebody has set on a task. Python code cannot see its `__dict__`.
fn attributes<'py>(task: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    // SAFETY: `task` is an object with room for attributes, like every `asyncio.Task`. Otherwise the result would be
    // null and the error set. The result is a new reference.
    let attributes = unsafe {
        Bound::from_owned_ptr_or_err(
            task.py(),
            pyo3::ffi::PyObject_GenericGetDict(task.as_ptr(), std::ptr::null_mut()),
        )?
    };
    Ok(attributes.cast_into()?)
}
