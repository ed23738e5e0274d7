//! The current requests and WebSockets of one application, and how many requests it may have.
//!
//! Requests know this about their application and nothing else, so they need no gateway.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::request::refusals::Refusals;

/// The load of one application.
#[derive(Debug)]
pub struct AppLoad {
    /// The target of the application, such as `old:app`.
    pub name: Arc<str>,
    /// The index of the application in the plan.
    pub index: usize,
    /// Requests whose response was not sent yet.
    pub in_flight: AtomicUsize,
    /// The most such requests.
    pub limit: Option<usize>,
    /// The refused requests.
    pub refusals: Arc<Refusals>,
    /// Its WebSockets.
    pub websockets: WebSockets,
}

impl AppLoad {
    /// An application without requests, which may have `limit` of them.
    pub fn new(name: Arc<str>, index: usize, limit: Option<usize>) -> Arc<Self> {
        let (in_flight, refusals, websockets) = Default::default();
        Arc::new(Self { name, index, in_flight, limit, refusals, websockets })
    }

    /// Counts a request that the server makes itself, until the permit is dropped.
    pub fn enter(&self) -> LoadPermit<'_> {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
        LoadPermit(self)
    }

    /// As [`AppLoad::enter`]; `None` if the application may not have another request.
    pub fn try_enter(&self) -> Option<LoadPermit<'_>> {
        let before = self.in_flight.fetch_add(1, Ordering::AcqRel);
        let permit = LoadPermit(self);
        self.limit.is_none_or(|limit| before < limit).then_some(permit)
    }
}

/// One request of the server itself, while this lives.
#[derive(Debug)]
pub struct LoadPermit<'a>(&'a AppLoad);

impl Drop for LoadPermit<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The number of WebSockets of an application.
#[derive(Debug, Default)]
pub struct WebSockets {
    /// WebSockets accepted so far.
    pub accepted: AtomicUsize,
    /// Open WebSockets.
    pub open: AtomicUsize,
}
