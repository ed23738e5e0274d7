//! Releases the GIL for a moment, to see whether others want it.
//!
//! Apart because the pool and the server's loop both do: a thread with a new call lets running calls go first, and a loop
//! that never sleeps lets WSGI calls go first.

use std::time::{Duration, Instant};

use pyo3::prelude::*;

/// How long a thread releases the GIL. Who wants the GIL has taken it by then. The system makes it about twice as long.
const PAUSE: Duration = Duration::from_micros(50);

/// Releases the GIL for a moment and takes it again. Returns whether others had it meanwhile.
pub fn others_take_gil(py: Python<'_>) -> bool {
    let wanted = py.detach(|| {
        std::thread::sleep(PAUSE);
        Instant::now()
    });
    wanted.elapsed() >= PAUSE
}
