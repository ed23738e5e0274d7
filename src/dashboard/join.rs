//! Adds the counters to the routes that they belong to.
//!
//! Each request is counted once: for the route with its method, or in the rest. Times have no method, so routes with
//! the same path share them.

use std::collections::{BTreeMap, HashMap};

use super::both::{Both, EACH, Which};
use super::map::RouteMap;
use super::numbers::RouteNumbers;
use crate::metrics::{Family, Samples, Value};

/// Finds the routes of each application and label.
#[derive(Debug, Default)]
pub struct Index {
    places: HashMap<String, HashMap<String, Vec<MapPosition>>>,
    routes: usize,
}

#[derive(Debug, Clone)]
struct MapPosition {
    route: usize,
    which: Which,
    methods: Vec<String>,
}

/// The numbers of all routes.
#[derive(Debug, Clone, Default)]
pub struct Joined {
    /// In the order of the route list.
    pub routes: Vec<Both<RouteNumbers>>,
    /// By application and label: numbers that belong to no route of the list.
    pub rest: BTreeMap<(String, String), RouteNumbers>,
    /// By application.
    pub apps: BTreeMap<String, RouteNumbers>,
}

impl Index {
    /// An index for a list of routes.
    pub fn new(map: &RouteMap) -> Self {
        let mut index = Self { places: HashMap::new(), routes: map.routes.len() };
        for (route, entry) in map.routes.iter().enumerate() {
            for (which, side) in EACH.into_iter().filter_map(|which| Some((which, entry.side(which)?))) {
                let labels = index.places.entry(side.app.clone()).or_default();
                for label in &side.routes {
                    let place = MapPosition { route, which, methods: entry.methods.clone() };
                    labels.entry(label.clone()).or_default().push(place);
                }
            }
        }
        index
    }

    fn at(&self, app: &str, label: &str) -> &[MapPosition] {
        self.places.get(app).and_then(|labels| labels.get(label)).map_or(&[], Vec::as_slice)
    }

    /// Adds the counters to the routes.
    pub fn join(&self, samples: &Samples) -> Joined {
        let mut joined = Joined { routes: vec![Both::default(); self.routes], ..Joined::default() };
        for (labels, value) in samples.of(Family::Requests) {
            let ([app, route, method, status], Value::Count(count)) = (labels, value) else { continue };
            joined.apps.entry(app.clone()).or_default().add_requests(status, *count);
            joined.numbers(place_of(self.at(app, route), method, status), app, route).add_requests(status, *count);
        }
        for (labels, value) in samples.of(Family::Duration) {
            let ([app, route], Value::Times { buckets, .. }) = (labels, value) else { continue };
            joined.apps.entry(app.clone()).or_default().add_times(buckets);
            let places = self.at(app, route);
            for place in places {
                joined.numbers(Some(place), app, route).add_times(buckets);
            }
            if places.is_empty() {
                joined.numbers(None, app, route).add_times(buckets);
            }
        }
        joined
    }
}

impl Joined {
    fn numbers(&mut self, place: Option<&MapPosition>, app: &str, label: &str) -> &mut RouteNumbers {
        match place.and_then(|place| Some(self.routes.get_mut(place.route)?.get_mut(place.which))) {
            Some(numbers) => numbers,
            None => self.rest.entry((app.to_owned(), label.to_owned())).or_default(),
        }
    }
}

/// The route with this method; if there is none, the first route of the path.
fn place_of<'a>(places: &'a [MapPosition], method: &str, status: &str) -> Option<&'a MapPosition> {
    let with = |wanted: &str| places.iter().find(|place| place.methods.iter().any(|method| method == wanted));
    // The handshake of a WebSocket is a GET, or over HTTP/2 a CONNECT.
    let is_handshake = status == "1xx" || method == "CONNECT";
    let socket = if is_handshake { with("WS") } else { None };
    let get = if method == "HEAD" { with("GET") } else { None };
    socket.or_else(|| with(method)).or(get).or_else(|| with("*")).or_else(|| places.first())
}

#[cfg(test)]
mod tests {
    use super::super::map::{RouteEntry, RouteSide};
    use super::*;
    use crate::metrics::Sample;

    fn entry(path: &str, methods: &[&str]) -> RouteEntry {
        let methods = methods.iter().map(|method| (*method).to_owned()).collect();
        let side = RouteSide { app: "old".into(), routes: vec![path.to_owned()], ..RouteSide::default() };
        RouteEntry { path: path.to_owned(), methods, old: Some(side), ..RouteEntry::default() }
    }

    #[test]
    fn every_request_is_counted_once() {
        let routes = vec![entry("/a", &["GET"]), entry("/a", &["POST"]), entry("/a", &["WS"]), entry("/b", &["*"])];
        let index = Index::new(&RouteMap { routes, ..RouteMap::default() });
        let mut samples = Samples::default();
        let counts = [
            ("/a", "GET", "2xx"),
            ("/a", "HEAD", "2xx"),
            ("/a", "GET", "1xx"),
            ("/a", "POST", "5xx"),
            ("/a", "PUT", "4xx"),
            ("/b", "PUT", "2xx"),
            ("other", "GET", "4xx"),
        ];
        for (route, method, status) in counts {
            let labels = [("app", "old"), ("route", route), ("method", method), ("status", status)];
            samples.add("1", &[Sample::count(Family::Requests, &labels, 1)]);
        }
        let joined = index.join(&samples);
        let requests: Vec<_> = joined.routes.iter().map(|sides| (sides.old.requests, sides.old.errors)).collect();
        assert_eq!(requests, [(3, 0), (1, 1), (1, 0), (1, 0)], "GET has HEAD and, as the first, PUT");
        let rest: Vec<_> = joined.rest.iter().map(|((_, label), numbers)| (label.as_str(), numbers.requests)).collect();
        assert_eq!(rest, [("other", 1)]);
        assert_eq!(joined.apps["old"].requests, 7);
    }
}
