//! From an accepted socket to a connection that speaks HTTP.
//!
//! [`listener`] accepts, [`proxy_protocol`] reads the address of the client, and [`protocol`] detects the protocol.
//! There are no requests here yet.

pub mod listener;
pub mod protocol;
pub mod proxy_protocol;
