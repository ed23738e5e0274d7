//! What the judge decides, with the numbers that a hook gets.
//!
//! `judge.rs` decides, and its caller applies the result.

use std::time::Duration;

use serde::Serialize;

use super::comparison::Window;
use super::guard::Hook;
use super::tally::Side;

/// What the judge decides.
#[derive(Debug, Clone)]
pub enum Action {
    /// Sets the share to 0.
    RollBack {
        /// The rule.
        rule: String,
        /// Its configured share in buckets.
        configured: u16,
        /// Its share before.
        from: u16,
        /// The reason, in words.
        reason: String,
        /// The numbers of the last window.
        window: WindowReport,
        /// The hook to call.
        hook: Option<Hook>,
    },
    /// Raises the share.
    Advance {
        /// The rule.
        rule: String,
        /// Its configured share in buckets.
        configured: u16,
        /// Its share before.
        from: u16,
        /// Its new share.
        to: u16,
    },
}

impl Action {
    /// The rule that changes.
    pub fn rule(&self) -> &str {
        match self {
            Self::RollBack { rule, .. } | Self::Advance { rule, .. } => rule,
        }
    }
}

/// The numbers of a window, for a hook.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WindowReport {
    /// How long the window lasted.
    pub seconds: f64,
    /// Inside the share.
    pub inside: SideReport,
    /// Outside the share.
    pub outside: SideReport,
}

/// The numbers of one side.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SideReport {
    /// All requests.
    pub requests: u64,
    /// Those that failed.
    pub failures: u64,
    /// The 99th percentile of the response time, in seconds.
    pub p99_seconds: Option<f64>,
}

impl WindowReport {
    pub(super) fn new(window: &Window, lasted: Duration) -> Self {
        let (inside, outside) = (SideReport::of(&window.inside), SideReport::of(&window.outside));
        Self { seconds: lasted.as_secs_f64(), inside, outside }
    }
}

impl SideReport {
    fn of(side: &Side) -> Self {
        let p99 = side.p99().map(|time| time.as_secs_f64());
        Self { requests: side.requests(), failures: side.failures, p99_seconds: p99 }
    }
}
