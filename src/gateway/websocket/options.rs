//! The settings of one WebSocket.

use std::time::Duration;

use super::offer::Agreed;
use crate::config::settings::Settings;

/// The settings of one WebSocket.
#[derive(Debug, Clone, Copy)]
pub struct SocketOptions {
    /// The largest message after decompression, in bytes.
    pub(super) message: usize,
    /// Time between pings; zero turns them off.
    pub ping_interval: Duration,
    /// How long the client may be silent after a ping.
    pub ping_timeout: Duration,
    /// The agreed parameters of compression, if any.
    pub(super) compression: Option<Agreed>,
}

impl SocketOptions {
    /// From the settings, and what was agreed on with the client.
    pub fn new(settings: &Settings, compression: Option<Agreed>) -> Self {
        Self {
            message: settings.ws_max_message,
            ping_interval: settings.ws_ping_interval.0,
            ping_timeout: settings.ws_ping_timeout.0,
            compression,
        }
    }
}
