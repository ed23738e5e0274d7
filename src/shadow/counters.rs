//! Counts what becomes of sampled requests.
//!
//! Apart from `metrics/`, because these numbers exist without an admin listener too: a stop says what it drops.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::metrics::{Family, Sample, Value};

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident: $label:literal;)*) => {
        /// Why a sampled request is not compared.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(usize)]
        pub enum Dropped {
            $($(#[$doc])* $name,)*
        }

        /// The label of each, in the order of the enumeration.
        const REASONS: &[&str] = &[$($label,)*];
    };
}

reasons! {
    /// `--shadow-queue` is full.
    Queue: "queue_full";
    /// Live requests left no room for too long.
    Busy: "busy";
    /// The comparison is behind.
    Comparer: "comparer_behind";
    /// The server stops.
    Stopping: "stopping";
    /// The client has left before the end of its response.
    ClientLeft: "client_left";
    /// The server answered in the application's place.
    Refused: "refused";
    /// The body of the request is larger than `--shadow-limit`, or the application did not read all of it.
    Body: "request_body";
    /// The response depends on what the client has already, as a 304 does.
    Conditional: "conditional";
    /// The response is a stream of events.
    Stream: "stream";
    /// The server itself failed.
    Failed: "failed";
}

/// Numbers of one process.
#[derive(Debug)]
pub struct Counters {
    /// By application, in the order of the plan.
    sent: Box<[(Arc<str>, AtomicU64)]>,
    dropped: [AtomicU64; REASONS.len()],
    compared: AtomicU64,
    differing: AtomicU64,
    /// What the comparison says of itself, as JSON.
    summary: Mutex<Option<String>>,
}

impl Counters {
    /// Nothing yet, for these applications.
    pub fn new(apps: impl Iterator<Item = Arc<str>>) -> Self {
        Self {
            sent: apps.map(|app| (app, AtomicU64::new(0))).collect(),
            dropped: std::array::from_fn(|_| AtomicU64::new(0)),
            compared: AtomicU64::new(0),
            differing: AtomicU64::new(0),
            summary: Mutex::default(),
        }
    }

    /// A request was sent to the application at `place`.
    pub fn sent(&self, place: usize) {
        if let Some((_, number)) = self.sent.get(place) {
            number.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A request is not compared.
    pub fn dropped(&self, reason: Dropped) {
        if let Some(number) = self.dropped.get(reason as usize) {
            number.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What the comparison has come to: how many it compared, how many of them differ, and the rest as JSON.
    pub fn publish(&self, compared: u64, differing: u64, summary: String) {
        self.compared.store(compared, Ordering::Relaxed);
        self.differing.store(differing, Ordering::Relaxed);
        *self.summary.lock().unwrap_or_else(PoisonError::into_inner) = Some(summary);
    }

    /// What the comparison says of itself; `None` before it has begun.
    pub fn summary(&self) -> Option<String> {
        self.summary.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All numbers, also those that are zero: what is there from the beginning can be seen to grow.
    pub fn samples(&self, samples: &mut Vec<Sample>) {
        let count = |number: &AtomicU64| Value::Count(number.load(Ordering::Relaxed));
        for (app, number) in &self.sent {
            samples.push(Sample::new(Family::ShadowSent, &[("app", app)], count(number)));
        }
        for (number, reason) in self.dropped.iter().zip(REASONS) {
            samples.push(Sample::new(Family::ShadowDropped, &[("reason", reason)], count(number)));
        }
        samples.push(Sample::new(Family::ShadowCompared, &[], count(&self.compared)));
        samples.push(Sample::new(Family::ShadowDiffering, &[], count(&self.differing)));
    }
}
