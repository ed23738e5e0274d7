//! Who runs tokio, and how calls and responses cross between tokio and Python.
//!
//! [`driver`] runs tokio. [`event_loop`] takes calls to the asyncio thread, and [`response_queue`] brings responses back. [`calls`] lists the calls that run. [`shutdown`] tells everybody the phase of the end.

pub mod calls;
pub mod driver;
pub mod event_loop;
pub mod response_queue;
pub mod shutdown;
pub mod wear;
