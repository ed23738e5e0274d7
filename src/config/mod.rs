//! The settings of the server, and the plan: which applications there are, and who answers what.
//!
//! Python reads flags, files and applications. This room has the result as Rust values.

pub mod choice;
pub mod live_rollbacks;
pub mod live_shares;
pub mod plan;
pub mod settings;
pub mod startup_error;
