//! What is counted while the server runs, when there is an admin listener to show it.
//!
//! Kept apart from `admin/`, which shows the numbers, and from the places that count: those hold an `Option`, which is `None`
//! when nobody asks. In reading order: `family` is the list of all metrics, `event` and
//! `connection` what is counted one by one, `histogram` and
//! `route_series` what is counted for each request, `sample` the numbers on their way out, `text` how Prometheus reads them.
//!
//! To add a metric: a row in `family`; where it counts events, a row in `event`, and the line that counts.

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

/// All that one process counts.
#[derive(Debug)]
pub struct Metrics {
    events: Events,
    open: Open,
    routes: Routes,
}

impl Metrics {
    /// Nothing yet, for these applications in the order of the plan.
    pub fn new(apps: Vec<Arc<str>>) -> Arc<Self> {
        Arc::new(Self { events: Events::default(), open: Open::default(), routes: Routes::new(apps) })
    }

    /// Counts one.
    pub fn count(&self, event: Event) {
        self.events.count(event);
    }

    /// What was counted so far.
    pub fn samples(&self, samples: &mut Vec<Sample>) {
        self.events.samples(samples);
        self.open.samples(samples);
        self.routes.samples(samples);
    }
}
