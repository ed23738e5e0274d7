//! How far a supervisor and its workers have come.
//!
//! The supervisor says so (`python/rsgi/process/workers/supervisor.py`). The admin listener shows it.

/// How far the supervisor has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SupervisorPhase {
    /// Not all workers have been ready yet.
    #[default]
    Starting,
    /// They have.
    Serving,
    /// All are to end.
    Draining,
}

/// How far a worker has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerStage {
    /// It does not accept connections yet.
    Starting,
    /// It does.
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
