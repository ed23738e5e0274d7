//! The shadow traffic of a server: takes a sample of the requests, and puts them into the queue.
//!
//! Connections use only this file of the folder.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use pyo3::prelude::*;

use super::capture::Capture;
use super::counters::{Counters, Dropped};
use super::exchanges::{Exchange, Handed, ShadowExchanges};
use super::queue::{Queue, QueuedRequest};
use super::rules::Rules;
use crate::config::plan::Plan;
use crate::config::settings::Settings;
use crate::config::startup_error::StartupError;
use crate::request::body::RawBody;
use crate::request::body_copy::BodyCopy;
use crate::request::head::RequestHead;
use crate::request::identity;
use crate::response::follower::Follower;
use crate::route::{Decision, RouteRequest};

/// The state of shadow traffic in a server.
#[derive(Debug)]
pub struct Shadowing {
    rules: ArcSwap<Rules>,
    /// What happened to sampled requests.
    pub counters: Arc<Counters>,
    pub(super) queue: Queue,
    /// The way to the comparison.
    handed: Arc<Handed>,
    exchanges: Mutex<Option<ShadowExchanges>>,
    /// How many shadow requests run at a time.
    pub(super) concurrency: usize,
    /// How long a response may take.
    pub(super) timeout: Duration,
    /// How many bytes of a body are kept.
    pub(super) limit: usize,
    /// Whether safe requests are recorded, with or without a rule.
    records: bool,
}

impl Shadowing {
    /// The shadow traffic of a plan. `None` if the plan has none and nothing is recorded.
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

    /// Uses other rules from the next request on. Requests that wait keep theirs.
    pub fn go_by(&self, rules: Rules) {
        self.rules.store(Arc::new(rules));
    }

    /// The exchanges for Python. They are returned once.
    pub fn take_exchanges(&self) -> Option<ShadowExchanges> {
        self.exchanges.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Follows a request if it is in the sample. `decision` says which application answers, and `mount` how many bytes
    /// of the path are its prefix.
    #[cold]
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

    /// Queues a request that has its response. If there is no room, it is dropped and counted.
    pub(super) fn enqueue(&self, waiting: Box<QueuedRequest>) {
        if let Err(dropped) = self.queue.push(waiting) {
            self.counters.dropped(dropped);
        }
    }

    /// Hands over an exchange to be compared or recorded. If that thread is behind, the exchange is dropped and
    /// counted.
    pub(super) fn hand_over(&self, exchange: Box<Exchange>) {
        if !self.handed.push(exchange) {
            self.counters.dropped(Dropped::Comparer);
        }
    }
}
