//! Sockets before they carry HTTP: addresses, files of Unix sockets, TLS, and the number of connections.

pub mod admission;
pub mod back_off;
pub mod binding;
pub mod listeners;
pub mod replayed;
pub mod tls;
pub mod unix_path;
