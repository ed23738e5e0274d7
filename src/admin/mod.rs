//! The admin listener: health, readiness, metrics and status, for monitoring.
//!
//! It has its own thread and runtime and never needs Python. So it answers while the GIL is held or the event loop is
//! blocked. No request waits for it, whatever its clients do. With several processes, the supervisor listens and asks
//! its workers.
//!
//! In reading order: `address` has the address and the access rules. `http` answers (`browser`: what pages may do;
//! `shares`: changes shares; `shadow`: adds up shadow traffic; `scene`: the numbers of the dashboard). `process`
//! collects the data of one process, and `status` formats it. `line` sends it from a worker to its supervisor, and
//! `workers` combines it there (`ended`: workers that have ended). `rollbacks` applies what the judge of rollbacks
//! decides. `supervisor` and `dashboard` are the Python interface. `thread` runs everything.

mod address;
mod browser;
mod dashboard;
mod ended;
mod http;
mod line;
mod process;
mod rollbacks;
mod scene;
mod shadow;
mod shares;
mod stage;
mod status;
mod supervisor;
mod thread;
mod worker_numbers;
mod worker_shares;
mod workers;

pub use self::address::{Door, listen};
pub use self::dashboard::Dashboard;
pub use self::supervisor::{Admin, AdminLine, metrics};
pub use self::thread::{AdminThread, start};
