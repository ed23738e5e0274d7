//! How far a supervisor and its workers are, for the admin listener.
//!
//! The supervisor reports it (`python/rsgi/process/workers/supervisor.py`).

/// How far the supervisor is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SupervisorPhase {
    /// Not all workers are ready yet.
    #[default]
    Starting,
    /// All workers have been ready.
    Serving,
    /// All workers should end.
    Draining,
}

/// How far a worker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerStage {
    /// It does not accept connections yet.
    Starting,
    /// It accepts connections.
    Serving,
    /// It was told to end.
    Leaving,
}

impl WorkerStage {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Serving => "serving",
            Self::Leaving => "leaving",
        }
    }
}
