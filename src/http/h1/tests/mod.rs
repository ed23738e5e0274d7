//! Tests the connection between a service in Rust and a client that sends raw bytes.
//!
//! The tests cover the whole connection, with the bytes divided in every way.

mod harness;
mod order;
mod refusals;
mod timeouts;
mod turns;
mod upgrades;
