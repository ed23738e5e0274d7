//! The Python interface of a supervisor's admin listener.
//!
//! `workers.rs` does not know Python. Without `--admin`, the object exists and does nothing, so the supervisor need not
//! check.

use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::address::bind;
use super::http::{NumberSource, Show, serve};
use super::scene::keep_up;
use super::stage::{SupervisorPhase, WorkerStage};
use super::status::ServerFacts;
use super::thread::AdminThread;
use super::workers::{WorkerSlot, Workers};
use crate::config::settings::Settings;
use crate::dashboard::{Board, counters};
use crate::net::listeners::Listeners;

/// The admin listener of a supervisor.
#[pyclass(frozen, module = "rsgi._rsgi")]
#[derive(Debug)]
pub struct Admin {
    workers: Arc<Workers>,
    board: Arc<Board>,
    thread: Mutex<Option<AdminThread>>,
}

#[pymethods]
impl Admin {
    /// Binds the address of `--admin`, if there is one, and answers from then on.
    ///
    /// Raises `rsgi.StartupError` if it cannot be bound, or if other machines would have access without a token.
    #[new]
    fn new(config: Settings, listeners: &Listeners) -> PyResult<Self> {
        let (workers, board) = (Arc::new(Workers::default()), Arc::new(Board::default()));
        workers.wanted(config.workers);
        let Some((bound, access)) = listeners.with(|served| bind(&config, served))? else {
            return Ok(Self { workers, board, thread: Mutex::default() });
        };
        let url = bound.url(false);
        let facts = ServerFacts::new(&config, listeners.addresses(!config.tls_cert.is_empty()));
        let source = NumberSource::Workers(Arc::clone(&workers));
        let show = Arc::new(Show { access, facts, source, board: Arc::clone(&board) });
        let asking = Arc::clone(&workers);
        let thread = AdminThread::spawn(|stop| async move {
            tokio::select! {
                () = serve(bound, Arc::clone(&show)) => {}
                () = keep_up(show) => {}
                () = asking.keep_asking() => {}
                () = asking.keep_judging() => {}
                _stopped = stop => {}
            }
        })?;
        crate::log::line(format_args!("admin on {url}"));
        Ok(Self { workers, board, thread: Mutex::new(Some(thread)) })
    }

    /// Makes a slot for a worker that is about to start.
    ///
    /// Raises `OSError` if there are no descriptors left.
    fn line(&self) -> PyResult<AdminLine> {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(thread) = &*thread else { return Ok(AdminLine { slot: None, theirs: Mutex::default() }) };
        let (ours, theirs) = UnixStream::pair()?;
        let _context = thread.handle().enter();
        Ok(AdminLine { slot: Some(self.workers.slot(ours)), theirs: Mutex::new(Some(theirs)) })
    }

    /// Sets how many workers there should be.
    fn wanted(&self, number: usize) {
        self.workers.wanted(number);
    }

    /// Counts a worker that was replaced. `reason` is the value of a label, one of a few words.
    fn restarted(&self, reason: &str) {
        self.workers.restarted(reason);
    }

    /// Notes that the first workers are all ready.
    fn serving(&self) {
        self.workers.at(SupervisorPhase::Serving);
    }

    /// Notes that all workers should end.
    fn draining(&self) {
        self.workers.at(SupervisorPhase::Draining);
    }

    /// All counters, as JSON, for the history.
    fn counters(&self, py: Python<'_>) -> String {
        py.detach(|| counters(&self.workers.samples_known(&[]), &self.workers.map))
    }

    /// Sets the history of the dashboard, as JSON.
    ///
    /// Raises `ValueError` if the text is not JSON.
    fn show_history(&self, text: &str) -> PyResult<()> {
        self.board.set_history(text).map_err(|error| PyValueError::new_err(error.to_string()))
    }

    /// Stops the admin listener.
    fn stop(&self, py: Python<'_>) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        py.detach(|| thread.map(AdminThread::stop));
    }
}

/// The supervisor's connection to one worker.
#[pyclass(frozen, module = "rsgi._rsgi")]
#[derive(Debug)]
pub struct AdminLine {
    slot: Option<WorkerSlot>,
    /// The worker's end of the socket pair, until the worker has inherited it.
    theirs: Mutex<Option<UnixStream>>,
}

#[pymethods]
impl AdminLine {
    /// The descriptor for the worker to inherit. `None` after that, and without an admin listener.
    #[getter]
    fn descriptor(&self) -> Option<i32> {
        self.theirs.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(AsRawFd::as_raw_fd)
    }

    /// Notes that the process runs, and has inherited the descriptor.
    fn inherited(&self) {
        drop(self.theirs.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Notes that the worker accepts connections.
    fn serving(&self) {
        self.at(WorkerStage::Serving);
    }

    /// Notes that the worker was told to end.
    fn leaving(&self) {
        self.at(WorkerStage::Leaving);
    }

    /// Notes that the process has ended.
    fn ended(&self) {
        if let Some(slot) = &self.slot {
            slot.ended();
        }
    }
}

impl AdminLine {
    fn at(&self, stage: WorkerStage) {
        if let Some(slot) = &self.slot {
            slot.at(stage);
        }
    }
}

/// Every metric: name, type, unit, labels, help text.
#[pyfunction]
pub fn metrics() -> Vec<(String, &'static str, &'static str, Vec<&'static str>, &'static str)> {
    crate::metrics::documented()
}
