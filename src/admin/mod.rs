//! The admin listener: health, readiness, metrics and status, for who watches the server.
//!
//! Kept apart from everything that serves. It has a thread and a runtime of its own and never asks Python, so that it answers while
//! the interpreter is held and the event loop is blocked, and whatever its clients do, no request waits for it. Of several processes
//! the supervisor listens and asks its workers. In reading order: `address` says where it listens and who may look, `http` answers (`shares`: what can be changed),
//! `process` is what one process says of itself, `status` the form in which it does; `line` brings that from a worker to its
//! supervisor, `workers` puts it together there, `supervisor` is what Python sees of that. `thread` runs it all.

mod address;
mod http;
mod line;
mod process;
mod shares;
mod status;
mod supervisor;
mod thread;
mod worker_shares;
mod workers;

pub use self::address::{Door, listen};
pub use self::supervisor::{Admin, AdminLine, metrics};
pub use self::thread::{AdminThread, start};
