//! The heartbeat of a worker: a byte for its supervisor at intervals, from the thread that drives the sockets.
//!
//! A task of the runtime runs exactly while the sockets are driven. A busy interpreter, or an application that blocks its
//! threads, does not stop it, unless the event loop drives.

use std::io;
use std::time::Duration;

use tokio::net::unix::pipe::{OpenOptions, Sender};
use tokio::time::{MissedTickBehavior, interval};

/// Takes over the writing end of a pipe by its number. Called in the context of the runtime.
///
/// # Errors
/// When it is none.
pub fn open(descriptor: i32) -> io::Result<Sender> {
    OpenOptions::new().open_sender(format!("/dev/fd/{descriptor}"))
}

/// Beats until the supervisor has gone.
pub async fn beat(pipe: Sender, every: Duration) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match pipe.try_write(&[1]) {
            // A full pipe says that there were enough.
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}
