//! The settings of the server, and the plan: the applications, and which of them answers what.
//!
//! Python reads flags, files and applications. This folder has the result as Rust values.

pub mod choice;
pub mod live_rollbacks;
pub mod live_shares;
pub mod plan;
pub mod settings;
pub mod startup_error;
