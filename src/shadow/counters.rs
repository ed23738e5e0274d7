//! Counts what happens to sampled requests.
//!
//! These counters are not in `metrics/`, because they also exist without an admin listener. When the server stops, it
//! logs what it drops.

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
    /// The queue (`--shadow-queue`) is full.
    Queue: "queue_full";
    /// Live requests left no room for too long.
    Busy: "busy";
    /// The thread of the comparison is behind.
    Comparer: "comparer_behind";
    /// The server stops.
    Stopping: "stopping";
    /// The client left before the end of its response.
    ClientLeft: "client_left";
    /// The server answered in the application's place.
    Refused: "refused";
    /// The body of the request is larger than `--shadow-limit`, or the application did not read all of it.
    Body: "request_body";
    /// The response depends on what the client already has, such as a 304.
    Conditional: "conditional";
    /// The response is a stream of events.
    Stream: "stream";
    /// The server itself failed.
    Failed: "failed";
}

/// The counters of one process.
#[derive(Debug)]
pub struct Counters {
    /// By application, in the order of the plan.
    sent: Box<[(Arc<str>, AtomicU64)]>,
    dropped: [AtomicU64; REASONS.len()],
    compared: AtomicU64,
    differing: AtomicU64,
    /// The summary of the comparison, as JSON.
    summary: Mutex<Option<String>>,
}

impl Counters {
    /// All zero, for these applications.
    pub fn new(apps: impl Iterator<Item = Arc<str>>) -> Self {
        Self {
            sent: apps.map(|app| (app, AtomicU64::new(0))).collect(),
            dropped: std::array::from_fn(|_| AtomicU64::new(0)),
            compared: AtomicU64::new(0),
            differing: AtomicU64::new(0),
            summary: Mutex::default(),
        }
    }

    /// Counts a request that was sent to the application at `place`.
    pub fn sent(&self, place: usize) {
        if let Some((_, number)) = self.sent.get(place) {
            number.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a request that is not compared.
    pub fn dropped(&self, reason: Dropped) {
        if let Some(number) = self.dropped.get(reason as usize) {
            number.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Sets the results of the comparison: how many requests it compared, how many of them differ, and its summary as
    /// JSON.
    pub fn publish(&self, compared: u64, differing: u64, summary: String) {
        self.compared.store(compared, Ordering::Relaxed);
        self.differing.store(differing, Ordering::Relaxed);
        *self.summary.lock().unwrap_or_else(PoisonError::into_inner) = Some(summary);
    }

    /// The summary of the comparison; `None` before there is one.
    pub fn summary(&self) -> Option<String> {
        self.summary.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All counters, also those at zero, so that monitoring sees the first increase.
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
