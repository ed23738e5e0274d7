//! The connection with a service of Rust on one side and a raw client on the other.
//!
//! Apart from the unit tests because what is tried here is all of it at once, with the bytes cut in every way.

mod harness;
mod order;
mod refusals;
mod timeouts;
mod upgrades;
