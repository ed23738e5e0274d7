//! The serving process: how it starts, what runs in it, and how it ends.
//!
//! [`server`] is the object that Python starts, and `preparation` makes its parts. [`startup`] runs before the first
//! request. [`running`] waits for the end, and [`drain`] decides when it has come. [`worker`] and [`heartbeat`] talk to a supervisor.

pub mod allocator;
pub mod drain;
pub mod heartbeat;
mod preparation;
pub mod running;
pub mod server;
pub mod startup;
pub mod worker;
