//! The settings of `rollback` and `advance` in a rule.
//!
//! `python/rsgi/settings/rollback.py` reads and checks them. A worker sends them to its supervisor, which has no rules of its own.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// When a share is rolled back, and what happens then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Guard {
    /// The shortest window.
    pub window: Duration,
    /// The fewest requests of each side in a window.
    pub minimum: u64,
    /// How much higher the failure rate may be, from 0 to 1.
    pub failures: f64,
    /// How many times longer the 99th percentile of the response time may be. `None` if it does not count.
    pub p99: Option<f64>,
    /// Called after a rollback.
    pub hook: Option<Hook>,
    /// How the share is raised. `None` if it is not.
    pub advance: Option<Advance>,
}

/// What to call after a rollback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hook {
    /// A program and its arguments.
    Command(Vec<String>),
    /// An `http://` URL of this machine.
    Url(String),
}

/// How a share is raised step by step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advance {
    /// The shares in buckets, in ascending order.
    pub steps: Vec<u16>,
    /// The shortest time that each step lasts.
    pub after: Duration,
}

impl Advance {
    /// The step after this share.
    pub fn next(&self, share: u16) -> Option<u16> {
        self.steps.iter().copied().find(|step| *step > share)
    }
}
