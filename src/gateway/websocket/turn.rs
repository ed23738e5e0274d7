//! Ends the turn of a WebSocket's task after some messages, so that other tasks of the loop get theirs.
//!
//! asyncio runs a task until it has to wait. If a client sends as fast as the application reads, the task would never
//! have to, and all requests would wait until the client pauses.

use std::time::{Duration, Instant};

use pyo3::prelude::*;
use rsgi_bridge::gil_lock::GilLock;

use crate::runtime::event_loop::EventLoop;

/// After so many messages, the task looks whether others wait.
const LOOK: u32 = 16;

/// How long a turn may last if no others are known to wait. The loop does not know of sockets that it has not polled. A
/// turn of the loop costs much less than this.
const LONGEST: Duration = Duration::from_millis(1);

/// What has passed since the task waited last.
#[derive(Debug, Default)]
pub(super) struct TaskTurn(GilLock<TurnSoFar>);

#[derive(Debug, Default)]
struct TurnSoFar {
    messages: u32,
    /// When the task looked for the first time.
    looked: Option<Instant>,
}

impl TaskTurn {
    /// Notes one more message. Returns whether the task must let others run before it goes on.
    pub(super) fn is_over(&self, py: Python<'_>, event_loop: &EventLoop) -> bool {
        let mut passed = self.0.lock(py);
        passed.messages = passed.messages.wrapping_add(1);
        if !passed.messages.is_multiple_of(LOOK) {
            return false;
        }
        if !event_loop.is_idle() {
            return true;
        }
        let now = Instant::now();
        now.duration_since(*passed.looked.get_or_insert(now)) >= LONGEST
    }

    /// The task waits, so a new turn will begin.
    pub(super) fn ends(&self, py: Python<'_>) {
        *self.0.lock(py) = TurnSoFar::default();
    }
}
