//! When a second processor pays: one thread for the sockets, and another one for the applications.
//!
//! Apart because the WSGI threads (`fallback.rs`) and the asyncio loop (`loop_load.rs`, `beside_loop.rs`) go by it.

use std::thread::available_parallelism;
use std::time::Duration;

/// A call that takes less than this is short. Measured: between 20 and 37 µs of Python, a second processor begins to
/// pay.
pub(super) const SHORT: Duration = Duration::from_micros(20);

/// Whether there are more processors than serving processes.
pub(super) fn spare_processor(workers: usize) -> bool {
    available_parallelism().is_ok_and(|processors| workers < processors.get())
}
