//! What all holds of a server share: the hub, the key of `Grip-Sig`, and the limits.
//!
//! Put together once, at start.

use std::sync::Arc;

use rsgi_bridge::request::fields::RequestFields;

use super::followers::Followers;
use super::hub::Hub;
use super::publishing;
use super::signature::Signer;
use crate::config::settings::Settings;
use crate::config::startup_error::StartupError;

const GRIP_SIG: &str = "grip-sig";

/// What the responses of a server share.
#[derive(Debug)]
pub struct Grip {
    /// Its holds.
    pub hub: Arc<Hub>,
    signer: Signer,
    /// Who asks the application again.
    pub(super) followers: Followers,
    pub(super) most_channels: usize,
    /// Bytes that wait for one client.
    pub(super) buffer: usize,
}

impl Grip {
    /// As the settings want it; `None` without `--grip`.
    ///
    /// # Errors
    /// When they contradict each other.
    pub fn new(settings: &Settings) -> Result<Option<Arc<Self>>, StartupError> {
        if !settings.grip {
            return Ok(None);
        }
        if settings.is_multiprocess() && settings.admin.is_none() {
            return Err(StartupError::new(
                "`--grip` with several processes needs `--admin`, through which they publish to each other",
                "set an address, for example `--admin 127.0.0.1:9090`",
            ));
        }
        let signer = Signer::new(settings.grip_key.as_deref(), &settings.grip_issuer).map_err(|why| {
            StartupError::new(format!("`--grip-key` is no key: {why}"), "use any text, or `base64:` and base64")
        })?;
        let hub = Hub::new(settings.grip_max_holds, settings.grip_buffer, settings.grip_message_wait.0);
        publishing::serve(&hub);
        Ok(Some(Arc::new(Self {
            hub,
            signer,
            followers: Followers::new(settings.grip_max_followers),
            most_channels: settings.grip_max_channels,
            buffer: settings.grip_buffer,
        })))
    }

    /// Gives a request the token, and takes out what only this server may say.
    pub fn sign(&self, fields: &mut RequestFields) {
        Self::clean(fields);
        fields.append(GRIP_SIG, self.signer.token().as_bytes());
    }

    /// Takes out what only this server may say.
    pub fn clean(fields: &mut RequestFields) {
        let ours =
            |(name, _): (&[u8], &[u8])| name.starts_with(b"grip-").then(|| String::from_utf8_lossy(name).into_owned());
        let names: Vec<_> = fields.iter().filter_map(ours).collect();
        for name in names {
            fields.remove(&name);
        }
    }
}
