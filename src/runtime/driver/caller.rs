//! The thread of the pool that runs calls.
//!
//! The fallback driver cannot see why a call takes long. If the thread sleeps, it waits for I/O or for a lock. If it can
//! run, it computes, or other processes have the processor. Only Linux tells.

use std::sync::atomic::AtomicI32;

/// See the top of this file. 0 before the first call. If several threads run calls, the one that began last.
#[derive(Debug, Default)]
pub(super) struct Caller(AtomicI32);

#[cfg(target_os = "linux")]
impl Caller {
    /// The current thread begins to run calls.
    pub(super) fn is_here(&self) {
        thread_local!(static ID: i32 = rustix::thread::gettid().as_raw_nonzero().get());
        self.0.store(ID.with(|id| *id), std::sync::atomic::Ordering::Relaxed);
    }

    /// Whether the thread runs or waits for a processor.
    pub(super) fn can_run(&self) -> bool {
        let id = self.0.load(std::sync::atomic::Ordering::Relaxed);
        // proc(5): the state follows the name, which is in parentheses and may have any characters.
        std::fs::read_to_string(format!("/proc/self/task/{id}/stat"))
            .is_ok_and(|line| line.rsplit_once(')').is_some_and(|(_, state)| state.starts_with(" R")))
    }
}

#[cfg(not(target_os = "linux"))]
impl Caller {
    pub(super) fn is_here(&self) {
        let _unknown = &self.0;
    }

    pub(super) fn can_run(&self) -> bool {
        false
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_waits_cannot_run() {
        let caller = Caller::default();
        assert!(!caller.can_run(), "no thread has the id 0");
        caller.is_here();
        assert!(caller.can_run(), "this thread asks");
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        std::thread::scope(|scope| {
            let caller = &caller;
            let waits = scope.spawn(move || {
                caller.is_here();
                receiver.recv()
            });
            let slept = (0..10_000).any(|_| {
                std::thread::yield_now();
                !caller.can_run()
            });
            drop(sender);
            assert!(waits.join().is_ok_and(|received| received.is_err()));
            assert!(slept, "a thread that waits for a message does not run");
        });
    }
}
