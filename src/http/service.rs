//! What every connection of the server shares: settings, applications, and what stands beside them.
//!
//! Kept apart because it is put together once, at start, and only read from then on.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::access_log::AccessLog;
use crate::config::live_shares::LiveShares;
use crate::config::settings::Settings;
use crate::gateway::app::{App, Gateway};
use crate::http::document::Document;
use crate::http::forwarded::Proxies;
use crate::metrics::{Metrics, Routing};
use crate::net::admission::Admission;
use crate::net::tls::Tls;
use crate::response::compression::Compression;
use crate::response::own_fields::OwnFields;
use crate::response::static_files::StaticFiles;
use crate::runtime::wear::Wear;
use crate::shadow::{Lends, Shadowing};
use crate::wire::Limits;

/// What every connection of the server shares.
#[derive(Debug)]
pub struct Service {
    /// The settings.
    pub settings: Settings,
    /// Who answers what. Looked at once for each request; may be another one for the next.
    pub routing: Arc<ArcSwap<Routing>>,
    /// The live shares.
    pub shares: Arc<LiveShares>,
    /// The applications, in the order of the plan.
    pub apps: Vec<Arc<App>>,
    /// What is refused, and when.
    pub limits: Arc<Limits>,
    /// The certificates, if TCP connections are encrypted.
    pub tls: Option<Arc<Tls>>,
    /// What is in front of the server, if anything.
    pub proxies: Option<Proxies>,
    /// The access log, if it is on.
    pub access_log: Option<AccessLog>,
    /// The fields that every answer gets.
    pub own_fields: OwnFields,
    /// What is counted, if anybody asks.
    pub metrics: Option<Arc<Metrics>>,
    /// How answers of applications are compressed, if they are.
    pub compression: Option<Compression>,
    /// The folders of static files, if there are any.
    pub static_files: Option<StaticFiles>,
    /// The OpenAPI document, if it is served.
    pub document: Option<Arc<Document>>,
    /// The requests that a second application gets too, if there are any.
    pub shadowing: Option<Arc<Shadowing>>,
    /// Counts requests, if they are limited.
    pub wear: Option<Arc<Wear>>,
    /// Counts connections, if they are limited.
    pub admission: Option<Arc<Admission>>,
}

impl Service {
    /// Whether every application is called as ASGI.
    pub fn all_asgi(&self) -> bool {
        self.apps.iter().all(|app| matches!(app.gateway, Gateway::Asgi(_)))
    }
}

impl Lends for Service {
    fn apps(&self) -> &[Arc<App>] {
        &self.apps
    }

    fn settings(&self) -> &Settings {
        &self.settings
    }
}
