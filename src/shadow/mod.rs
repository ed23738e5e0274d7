//! Shadow traffic: a sample of the requests also goes to a second application, and the two responses are compared.
//!
//! Apart from the gateways, which call applications, and from the connection, whose client never notices. In reading order:
//! `rules` says which requests, `capture` follows a sampled request to its end, `queue`
//! keeps those that wait, `quiet` says when live requests leave room, `runner` sends them to the second application, `record` is
//! what came of it, `exchanges` hands both responses to the thread that compares them in Python; `counters` counts.
//!
//! Spec: `docs/shadow.md`.

mod capture;
mod counters;
mod exchanges;
mod queue;
mod quiet;
mod record;
mod rules;
mod runner;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::HeaderName;
use pyo3::prelude::*;

pub use self::counters::Counters;
pub use self::exchanges::ShadowExchanges;
pub use self::rules::Rules;
pub use self::runner::{Lends, run};

use self::capture::Capture;
use self::counters::Dropped;
use self::exchanges::{Exchange, Handed};
use self::queue::{Queue, Waiting};
use crate::config::plan::Plan;
use crate::config::settings::Settings;
use crate::config::startup_error::StartupError;
use crate::request::body::RawBody;
use crate::request::body_copy::BodyCopy;
use crate::request::head::RequestHead;
use crate::request::identity;
use crate::response::follower::Follower;
use crate::route::{Decision, RouteRequest};

/// The field by which an application can tell a shadow request. Clients cannot send it.
pub static SHADOW: HeaderName = HeaderName::from_static("x-rsgi-shadow");

/// What the requests of a server have to do with shadow traffic.
#[derive(Debug)]
pub struct Shadowing {
    rules: ArcSwap<Rules>,
    /// What happened to the requests.
    pub counters: Arc<Counters>,
    queue: Queue,
    /// The way to the comparison.
    handed: Arc<Handed>,
    exchanges: Mutex<Option<ShadowExchanges>>,
    concurrency: usize,
    timeout: Duration,
    /// Bytes of a body that are kept.
    limit: usize,
    /// Whether safe requests are recorded, with or without a rule.
    records: bool,
}

impl Shadowing {
    /// The shadow traffic of a plan; `None` when it has none, and nothing is recorded.
    ///
    /// # Errors
    /// When rules contradict the applications or each other.
    pub fn new(py: Python<'_>, plan: &Plan, settings: &Settings) -> Result<Option<Arc<Self>>, StartupError> {
        let rules = Rules::new(py, plan)?;
        let records = settings.record.is_some();
        if rules.is_empty() && !records {
            return Ok(None);
        }
        let names = plan.apps.iter().map(|app| app.name.as_str().into());
        let counters = Arc::new(Counters::new(names));
        let (queue, exchanges) = (Queue::new(settings.shadow_queue), ShadowExchanges::new(&counters));
        Ok(Some(Arc::new(Self {
            rules: ArcSwap::from_pointee(rules),
            counters,
            queue,
            handed: Arc::clone(&exchanges.handed),
            exchanges: Mutex::new(Some(exchanges)),
            concurrency: settings.shadow_concurrency,
            timeout: settings.shadow_timeout.0,
            limit: settings.shadow_limit,
            records,
        })))
    }

    /// Goes by other rules from the next request on. Those that wait go by theirs.
    pub fn go_by(&self, rules: Rules) {
        self.rules.store(Arc::new(rules));
    }

    /// What Python takes, once.
    pub fn take_exchanges(&self) -> Option<ShadowExchanges> {
        self.exchanges.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Follows a request from now on, if it is one of the sample. `decision` says who answers it, and `mount` how many bytes of the
    /// path lead there.
    pub fn sample(
        self: &Arc<Self>,
        request: &RouteRequest<'_>,
        (head, mount, body): (&RequestHead, usize, &RawBody),
        decision: Decision,
    ) -> Option<Box<dyn Follower>> {
        let rules = self.rules.load();
        let alone = matches!(decision, Decision::App { .. });
        let chosen = rules
            .find(request)
            .filter(|(_, rule)| identity::bucket() < rule.sample && !(alone && decision.first() == Some(rule.to)));
        let records = self.records && head.parts.method.is_safe();
        if chosen.is_none() && !records {
            return None;
        }
        let body = (!body.is_end()).then(|| Arc::new(BodyCopy::new(self.limit)));
        let label = rules.label(chosen.map(|(_, rule)| rule), request);
        let rule = chosen.map(|(place, _)| (Arc::clone(&rules), place));
        Some(Box::new(Capture::new(Arc::clone(self), (rule, label, records), (head, mount), body)))
    }

    /// Takes a request that has its response. What finds no room is counted.
    fn enqueue(&self, waiting: Box<Waiting>) {
        if let Err(dropped) = self.queue.push(waiting) {
            self.counters.dropped(dropped);
        }
    }

    /// Hands both responses over for the comparison, or drops them when the thread there is behind.
    fn hand_over(&self, exchange: Box<Exchange>) {
        if !self.handed.push(exchange) {
            self.counters.dropped(Dropped::Comparer);
        }
    }
}
