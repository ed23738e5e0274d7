//! One request on its way to an application: its head, its body, and why it may be refused.
//!
//! It is the same for HTTP/1 and HTTP/2.

pub mod activity;
pub mod app_load;
pub mod body;
pub mod body_copy;
pub mod error;
pub mod half_closed;
pub mod head;
pub mod identity;
pub mod named;
pub mod parts;
pub mod pump;
pub mod recorder;
pub mod refusals;
pub mod routed;
mod spool;
pub mod upgrade;
