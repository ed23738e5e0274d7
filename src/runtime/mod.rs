//! Who runs tokio, and how calls and responses cross between tokio and Python.
//!
//! [`driver`] runs tokio. [`event_loop`] takes calls to the asyncio thread, and [`response_queue`] brings responses
//! back. [`calls`] lists the running calls. [`shutdown`] has the phases of the shutdown. [`wear`] says when a worker
//! should be replaced.

pub mod calls;
pub mod driver;
pub mod event_loop;
pub mod reply;
pub mod response_queue;
pub mod shutdown;
pub mod wear;
