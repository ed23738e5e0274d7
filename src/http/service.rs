//! What all connections of the server share, such as settings and applications.
//!
//! It is made once at the start, and only read after that.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::access_log::AccessLog;
use crate::config::live_shares::LiveShares;
use crate::config::settings::Settings;
use crate::gateway::app::{App, Gateway};
use crate::grip::Grip;
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

/// What all connections of the server share.
#[derive(Debug)]
pub struct Service {
    /// The settings.
    pub settings: Settings,
    /// The router. Each request loads it once; a reload replaces it.
    pub routing: Arc<ArcSwap<Routing>>,
    /// The live shares.
    pub shares: Arc<LiveShares>,
    /// The applications, in the order of the plan.
    pub apps: Vec<Arc<App>>,
    /// Limits and timeouts of connections.
    pub limits: Arc<Limits>,
    /// The certificates, if TCP connections are encrypted.
    pub tls: Option<Arc<Tls>>,
    /// The proxies in front of the server, if any are configured.
    pub proxies: Option<Proxies>,
    /// The access log, if it is on.
    pub access_log: Option<AccessLog>,
    /// The fields that every response gets.
    pub own_fields: OwnFields,
    /// The counters, if there is an admin listener.
    pub metrics: Option<Arc<Metrics>>,
    /// How responses of applications are compressed, if they are.
    pub compression: Option<Compression>,
    /// The folders of static files, if there are any.
    pub static_files: Option<StaticFiles>,
    /// The `OpenAPI` document, if it is served.
    pub document: Option<Arc<Document>>,
    /// Shadow traffic: the requests that a second application also gets.
    pub shadowing: Option<Arc<Shadowing>>,
    /// Holds responses, if they may ask for it.
    pub grip: Option<Arc<Grip>>,
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
