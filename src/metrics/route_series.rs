//! Counters for each request: by application, route, method and status.
//!
//! This is the hot path. The counters of a request are found once, with its route, in a slot of the router. After that,
//! they are counted without a lock and without comparing names. There are at most [`MOST_ROUTES`] routes. Further ones
//! are counted together.
//!
//! Spec: RFC 9110 9.1 (the methods that have a name), 15 (classes of status codes).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use http::Method;

use super::family::Family;
use super::histogram::Histogram;
use super::sample::{Sample, Value};
use super::{Event, Metrics};
use crate::rollback::{Guard, Tallied, WatchedRules};
use crate::route::{Decided, Lot, Reason, Router};

/// How many routes of a process have their own counters.
const MOST_ROUTES: usize = 2000;

/// The route of requests for an application whose route is not known.
const OTHER: &str = "other";

/// The route of requests beyond [`MOST_ROUTES`].
const OVERFLOW: &str = "overflow";

/// The application and the route of requests that reached no application.
const NONE: &str = "none";

/// The last one stands for all other methods.
const METHODS: [&str; 10] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "other"];

/// The first one stands for requests without a response, because the client left before. The last one stands for codes
/// without a class.
const CLASSES: [&str; 7] = [NONE, "1xx", "2xx", "3xx", "4xx", "5xx", "other"];

/// The counters of one route of one application.
#[derive(Debug)]
pub struct RouteSeries {
    app: Arc<str>,
    route: Box<str>,
    requests: [[AtomicU64; CLASSES.len()]; METHODS.len()],
    duration: Histogram,
    queue: Histogram,
    request_bytes: AtomicU64,
    response_bytes: AtomicU64,
}

impl RouteSeries {
    fn new(app: &Arc<str>, route: &str) -> Arc<Self> {
        Arc::new(Self {
            app: Arc::clone(app),
            route: route.into(),
            requests: Default::default(),
            duration: Histogram::default(),
            queue: Histogram::default(),
            request_bytes: AtomicU64::new(0),
            response_bytes: AtomicU64::new(0),
        })
    }

    /// The route, for output.
    pub fn route(&self) -> &str {
        &self.route
    }

    /// Counts the waiting time of a request whose application is called now. Its head was complete at `began`.
    pub fn called(&self, began: Instant) {
        self.queue.observe(began.elapsed());
    }

    /// Counts bytes of a request body that have arrived.
    pub fn received(&self, bytes: usize) {
        self.request_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn samples(&self, samples: &mut Vec<Sample>) {
        let labels = [("app", &*self.app), ("route", &*self.route)];
        for (numbers, method) in self.requests.iter().zip(METHODS) {
            for (number, status) in numbers.iter().zip(CLASSES) {
                let count = number.load(Ordering::Relaxed);
                if count > 0 {
                    let labels = [labels[0], labels[1], ("method", method), ("status", status)];
                    samples.push(Sample::new(Family::Requests, &labels, Value::Count(count)));
                }
            }
        }
        for (family, histogram) in [(Family::Duration, &self.duration), (Family::Queue, &self.queue)] {
            samples.extend(histogram.value().map(|times| Sample::new(family, &labels, times)));
        }
        let bytes = [(Family::RequestBytes, &self.request_bytes), (Family::ResponseBytes, &self.response_bytes)];
        for (family, number) in bytes {
            let count = number.load(Ordering::Relaxed);
            if count > 0 {
                samples.push(Sample::new(family, &labels, Value::Count(count)));
            }
        }
    }
}

/// The counters of all routes.
#[derive(Debug)]
pub(super) struct Routes {
    apps: Vec<AppRoutes>,
    none: Arc<RouteSeries>,
    /// Those of named routes.
    named: Mutex<Vec<Arc<RouteSeries>>>,
}

#[derive(Debug)]
struct AppRoutes {
    name: Arc<str>,
    other: Arc<RouteSeries>,
    overflow: Arc<RouteSeries>,
}

impl Routes {
    pub(super) fn new(apps: Vec<Arc<str>>) -> Self {
        let apps = apps.into_iter().map(|name| {
            let (other, overflow) = (RouteSeries::new(&name, OTHER), RouteSeries::new(&name, OVERFLOW));
            AppRoutes { name, other, overflow }
        });
        let none = RouteSeries::new(&NONE.into(), NONE);
        Self { apps: apps.collect(), none, named: Mutex::default() }
    }

    fn other(&self, app: usize) -> &Arc<RouteSeries> {
        self.apps.get(app).map_or(&self.none, |app| &app.other)
    }

    /// The counters of a named route. The search by name happens once for each slot of a router.
    fn named(&self, app: usize, route: &str) -> Arc<RouteSeries> {
        let Some(app) = self.apps.get(app) else { return Arc::clone(&self.none) };
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(series) = named.iter().find(|series| *series.route == *route && Arc::ptr_eq(&series.app, &app.name))
        {
            return Arc::clone(series);
        }
        if named.len() >= MOST_ROUTES {
            return Arc::clone(&app.overflow);
        }
        let series = RouteSeries::new(&app.name, route);
        named.push(Arc::clone(&series));
        series
    }

    pub(super) fn samples(&self, samples: &mut Vec<Sample>) {
        let named = self.named.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.none.samples(samples);
        for app in &self.apps {
            app.other.samples(samples);
            app.overflow.samples(samples);
        }
        for series in named {
            series.samples(samples);
        }
    }
}

/// A router, and the counters for its decisions.
#[derive(Debug)]
pub struct Routing {
    /// Decides which application answers.
    pub router: Router,
    /// One slot for each rule, mount and route. It is filled at its first request.
    slots: Box<[OnceLock<Arc<RouteSeries>>]>,
    /// The rules whose shares are watched, if there are any.
    pub watched: Option<Arc<WatchedRules>>,
}

impl Routing {
    /// For `router`. Requests are counted if there are `metrics`.
    pub fn new(router: Router, metrics: Option<&Arc<Metrics>>) -> Self {
        let slots = metrics.map_or(0, |_| router.all_places());
        Self { router, slots: (0..slots).map(|_| OnceLock::new()).collect(), watched: None }
    }

    /// Watches the rules that have a guard.
    pub fn watch(mut self, guards: Vec<Option<Guard>>) -> Self {
        self.watched = WatchedRules::new(guards);
        self
    }
}

/// The decision about a request, as far as its counters need it.
#[derive(Debug, Clone, Copy)]
pub struct DecidedBy {
    /// The decision.
    pub decided: Decided,
    /// The application that is called, or called first.
    pub app: usize,
    /// The index of the application's own route, if the decision names no route.
    pub own: Option<usize>,
    /// The application that is called second, and the index of its own route.
    pub then: Option<(usize, Option<usize>)>,
}

/// The counters of one request, which counts when it ends.
#[derive(Debug)]
pub struct Counted {
    metrics: Arc<Metrics>,
    series: Arc<RouteSeries>,
    /// The counters if the second application answers.
    second: Option<Arc<RouteSeries>>,
    method: u8,
    refused: Option<Event>,
    /// Counts the request for watched shares.
    tallied: Option<Box<Tallied>>,
}

impl Counted {
    /// A request before the routing decision.
    pub fn new(metrics: &Arc<Metrics>, method: &Method) -> Self {
        let place = METHODS.iter().position(|name| *name == method.as_str()).unwrap_or(METHODS.len() - 1);
        let method = u8::try_from(place).unwrap_or_default();
        Self {
            metrics: Arc::clone(metrics),
            series: Arc::clone(&metrics.routes.none),
            second: None,
            method,
            refused: None,
            tallied: None,
        }
    }

    /// Finds the counters for a decision.
    pub fn decided_by(&mut self, routing: &Routing, by: &DecidedBy) {
        if by.decided.checked != 0
            && let Some(watched) = &routing.watched
        {
            self.tallied = tallied(watched, &by.decided);
        }
        self.series = self.found(routing, Some(by.decided.reason), by.app, by.own);
        self.second = by.then.map(|(app, own)| self.found(routing, None, app, own));
    }

    fn found(&self, routing: &Routing, reason: Option<Reason>, app: usize, own: Option<usize>) -> Arc<RouteSeries> {
        let (all, router) = (&self.metrics.routes, &routing.router);
        let place = own.or_else(|| router.place_of(reason?));
        let Some(slot) = place.and_then(|place| routing.slots.get(place)) else { return Arc::clone(all.other(app)) };
        let template = || match own {
            Some(place) => router.own_path(place),
            None => router.template_of(reason?),
        };
        Arc::clone(slot.get_or_init(|| all.named(app, template().unwrap_or(OTHER))))
    }

    /// Another application gets the request, as the second one.
    pub fn passed_to(&mut self, app: usize) {
        let other = self.metrics.routes.other(app);
        if Arc::ptr_eq(&other.app, &self.series.app) {
            return;
        }
        let second = self.second.take().filter(|second| Arc::ptr_eq(&other.app, &second.app));
        self.series = second.unwrap_or_else(|| Arc::clone(other));
    }

    /// The counters that the request uses while it runs.
    pub fn series(&self) -> Arc<RouteSeries> {
        Arc::clone(&self.series)
    }

    /// The server answers in the application's place.
    pub fn refused(&mut self, event: Event) {
        self.refused = Some(event);
    }

    /// Counts the request at its end.
    pub fn end(&self, took: Duration, status: u16, bytes: u64, broken: bool) {
        if let Some(tallied) = &self.tallied {
            tallied.end(took, status, broken);
        }
        let series = &self.series;
        let numbers = series.requests.get(usize::from(self.method));
        let class = usize::from(status / 100).min(CLASSES.len() - 1);
        if let Some(number) = numbers.and_then(|numbers| numbers.get(class)) {
            number.fetch_add(1, Ordering::Relaxed);
        }
        series.duration.observe(took);
        if bytes > 0 {
            series.response_bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        if let Some(event) = self.refused {
            self.metrics.count(event);
        }
    }
}

/// Counts only clients whose side chance has decided: not testers, and not clients without a bucket.
fn tallied(watched: &Arc<WatchedRules>, decided: &Decided) -> Option<Box<Tallied>> {
    let (Lot::Brought(bucket) | Lot::Drawn(bucket) | Lot::Hashed(bucket)) = decided.share?.lot else { return None };
    let rule = if let Reason::Rule(rule) = decided.reason { Some(rule) } else { None };
    Some(Box::new(Tallied::new(watched, decided.checked, rule, bucket)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_have_an_end() {
        let routes = Routes::new(vec!["a".into(), "b".into()]);
        for number in 0..MOST_ROUTES + 20 {
            routes.named(0, &format!("/{number}"));
        }
        assert!(Arc::ptr_eq(&routes.named(0, "/7"), &routes.named(0, "/7")), "a route is found again");
        assert_eq!(&*routes.named(1, "/7").route, OVERFLOW, "it is another application's, and one too many");
        assert_eq!(&*routes.named(2, "/7").route, NONE);
        assert_eq!(routes.named.lock().unwrap_or_else(PoisonError::into_inner).len(), MOST_ROUTES);
    }

    #[test]
    fn whatever_method_and_status_are_there_is_a_number_for_them() {
        let metrics = Metrics::new(vec!["a".into()]);
        let counted = Counted::new(&metrics, &Method::from_bytes(b"BREW").unwrap_or_default());
        for status in [0, 101, 204, 599, 600, 999] {
            counted.end(Duration::ZERO, status, 0, false);
        }
        let mut samples = Vec::new();
        metrics.routes.samples(&mut samples);
        let found: Vec<_> = samples.iter().filter(|sample| sample.family == Family::Requests).collect();
        let statuses: Vec<_> = found.iter().map(|sample| sample.labels[3].as_str()).collect();
        assert_eq!(statuses, ["none", "1xx", "2xx", "5xx", "other"]);
        assert!(found.iter().all(|sample| sample.labels[2] == "other"));
    }
}
