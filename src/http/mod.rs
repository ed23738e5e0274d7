//! The requests of a connection, over HTTP/1 ([`h1`]) and HTTP/2 ([`h2`], by hyper; [`stream`] answers its requests).
//!
//! Both bring each request to [`connection`]. [`choose`] asks the router and calls the gateway. [`direct`] is a shorter
//! way for most requests. [`service`] is what all connections share. [`forwarded`] applies what a trusted proxy says about the client. [`health`] answers health
//! checks. [`document`] serves the document of `--openapi`.

mod choose;
pub mod connection;
pub mod direct;
pub mod document;
pub mod forwarded;
pub mod h1;
pub mod h2;
pub mod health;
pub mod service;
mod stream;
