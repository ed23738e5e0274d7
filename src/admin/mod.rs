//! The admin listener: health, readiness, metrics and status, for monitoring.
//!
//! It has its own thread and runtime and never needs Python. So it answers while the GIL is held or the event loop is
//! blocked. No request waits for it, whatever its clients do. With several processes, the supervisor listens and asks its
//! workers. In reading order: `address` has the address and the access rules, `http` answers (`shares`: changes shares; `shadow`: adds up shadow traffic), `process` collects the data
//! of one process, `status` formats it; `line` sends it from a worker to its supervisor, `workers` combines it there (`ended`: also of those that have ended),
//! `rollbacks` applies what the judge of rollbacks decides,
//! `supervisor` is the Python interface; `thread` runs everything.

mod address;
mod ended;
mod http;
mod line;
mod process;
mod rollbacks;
mod shadow;
mod shares;
mod stage;
mod status;
mod supervisor;
mod thread;
mod worker_shares;
mod workers;

pub use self::address::{Door, listen};
pub use self::supervisor::{Admin, AdminLine, metrics};
pub use self::thread::{AdminThread, start};
