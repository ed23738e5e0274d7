//! The counters of a running server. They exist only if there is an admin listener.
//!
//! `admin/` shows them. The places that count have an `Option`, which is `None` without an admin listener. In reading
//! order: `family` is the list of all metrics, `event` and `connection` count single events, `histogram` and
//! `route_series` count requests, `sample` has the numbers for output, and `text` writes them for Prometheus.
//!
//! To add a metric, add a row in `family`. If it counts events, also add a row in `event`, and the line that counts.

mod connection;
mod event;
mod family;
mod histogram;
mod route_series;
mod sample;
mod text;

use std::sync::Arc;

pub use self::connection::{OpenConnection, Protocol};
pub use self::event::Event;
pub use self::family::{Family, documented};
pub use self::histogram::bounds;
pub use self::route_series::{Counted, DecidedBy, RouteSeries, Routing};
pub use self::sample::{Sample, Samples, Value};
pub use self::text::TextFormat;

use self::connection::Open;
use self::event::Events;
use self::route_series::Routes;

/// All counters of one process.
#[derive(Debug)]
pub struct Metrics {
    events: Events,
    open: Open,
    routes: Routes,
}

impl Metrics {
    /// All at zero, for these applications in the order of the plan.
    pub fn new(apps: Vec<Arc<str>>) -> Arc<Self> {
        Arc::new(Self { events: Events::default(), open: Open::default(), routes: Routes::new(apps) })
    }

    /// Counts an event.
    pub fn count(&self, event: Event) {
        self.events.count(event);
    }

    /// Adds the counts so far to `samples`.
    pub fn samples(&self, samples: &mut Vec<Sample>) {
        self.events.samples(samples);
        self.open.samples(samples);
        self.routes.samples(samples);
    }
}
