//! The heartbeat of a worker: the driving thread regularly writes a byte to the supervisor.
//!
//! It is a task of the tokio runtime, so it runs only while a thread drives the runtime. A busy interpreter or an
//! application that blocks its threads does not stop it, unless the event loop drives.

use std::io;
use std::time::Duration;

use tokio::net::unix::pipe::{OpenOptions, Sender};
use tokio::time::{MissedTickBehavior, interval};

/// Opens the writing end of a pipe by its descriptor. Call it in the context of the runtime.
///
/// # Errors
/// When the descriptor is not a pipe.
pub fn open(descriptor: i32) -> io::Result<Sender> {
    OpenOptions::new().open_sender(format!("/dev/fd/{descriptor}"))
}

/// Writes a byte at each interval, until the supervisor has ended.
pub async fn beat(pipe: Sender, every: Duration) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match pipe.try_write(&[1]) {
            // If the pipe is full, the supervisor has enough bytes to read.
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}
