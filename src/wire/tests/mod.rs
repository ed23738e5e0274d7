//! The guard with hyper on one side and a raw client on the other.
//!
//! Apart from the unit tests because what is tried here is the agreement of two state machines: hyper's and ours.

mod harness;
mod order;
mod refusals;
mod timeouts;
mod upgrades;
