//! From an accepted socket to a connection that speaks HTTP.
//!
//! This room has no requests: it accepts ([`listener`]), hears who the client is ([`proxy_protocol`]), and finds out the protocol ([`protocol`]).

pub mod listener;
pub mod protocol;
pub mod proxy_protocol;
