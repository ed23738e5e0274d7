//! Cancels the tasks of calls that took too long.
//!
//! To find a task, all tasks of the loop must be searched. So calls that are cancelled at the same time share one
//! search. Before a task is cancelled, its stack is logged, because it is lost afterwards.
//!
//! Spec: `asyncio.Task.cancel`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::intern;
use pyo3::prelude::*;
use rsgi_bridge::log::log_warning;

use super::coroutine::AppCoroutine;
use super::{EventLoop, LoopEvent};
use crate::runtime::calls::CallHandle;

/// The calls to cancel, and what the log calls them.
#[derive(Debug, Default)]
pub struct Overdue(Mutex<Vec<(CallHandle, String)>>);

impl Overdue {
    fn lock(&self) -> MutexGuard<'_, Vec<(CallHandle, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EventLoop {
    /// Cancels the task of `call` in the next turn of the loop. Logs the stack of the task, in a line that begins with
    /// `what`. Never blocks, from any thread.
    pub fn cancel(self: &Arc<Self>, call: CallHandle, what: String) {
        let first = {
            let mut overdue = self.overdue.lock();
            overdue.push((call, what));
            overdue.len() == 1
        };
        if first {
            let this = Arc::clone(self);
            self.submit(LoopEvent::Run(Box::new(move |py| {
                let overdue = std::mem::take(&mut *this.overdue.lock());
                if let Err(error) = this.cancel_each(py, &overdue) {
                    error.write_unraisable(py, None);
                }
            })));
        }
    }

    fn cancel_each(&self, py: Python<'_>, overdue: &[(CallHandle, String)]) -> PyResult<()> {
        let tasks = self.attached(|attached| Arc::clone(&attached.tasks))?;
        let stacks = py.import("rsgi.observe.stacks")?;
        for task in tasks.all(py)?.try_iter()? {
            let task = task?;
            let coroutine = task.call_method0(intern!(py, "get_coro"))?;
            let Ok(coroutine) = coroutine.cast::<AppCoroutine>() else { continue };
            let Some((_, what)) = overdue.iter().find(|(call, _)| coroutine.get().is_of(py, call)) else { continue };
            let stack: String = stacks.call_method1("of_task", (&task,))?.extract()?;
            log_warning(py, &format!("{what} is cancelled, and was here:\n{stack}"));
            task.call_method0(intern!(py, "cancel"))?;
        }
        Ok(())
    }
}
