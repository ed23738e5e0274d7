//! The requests and WebSockets that one application has now, and how many requests it may have.
//!
//! Requests know this of their application and nothing else. So they need no gateway.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use crate::request::refusals::Refusals;

/// What one application has to do.
#[derive(Debug)]
pub struct AppLoad {
    /// Its target, such as `old:app`.
    pub name: Arc<str>,
    /// Its place in the plan.
    pub index: usize,
    /// Its requests whose answers are not out.
    pub unanswered: AtomicUsize,
    /// How many there may be.
    pub limit: Option<usize>,
    /// Those that were too many.
    pub refusals: Arc<Refusals>,
    /// Its WebSockets.
    pub websockets: WebSockets,
}

impl AppLoad {
    /// An application without requests, which may have `limit` of them.
    pub fn new(name: Arc<str>, index: usize, limit: Option<usize>) -> Arc<Self> {
        let (unanswered, refusals, websockets) = Default::default();
        Arc::new(Self { name, index, unanswered, limit, refusals, websockets })
    }
}

/// How many WebSockets an application has.
#[derive(Debug, Default)]
pub struct WebSockets {
    /// Those that were accepted so far.
    pub accepted: AtomicUsize,
    /// Those that are open.
    pub open: AtomicUsize,
}
