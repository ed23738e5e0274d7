//! The history that Python keeps on disk (`python/rsgi/history/`), and the counters that Python gets for it.
//!
//! Python writes it, because it has `SQLite`. Nothing here waits for Python, so a full or slow disk delays no response.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::map::{MapCell, RouteMap};
use crate::metrics::{Family, Samples, Value as Number};

/// The history as text, and the parts that the routes need.
#[derive(Debug)]
pub struct History {
    /// The text of `/history.json`.
    pub text: Arc<str>,
    summary: Summary,
    routes: HashMap<String, HashMap<String, LabelHistory>>,
}

#[derive(Debug, Deserialize)]
struct Summary {
    since: u64,
    counted_days: f64,
    quiet_days: f64,
    routes: Vec<KeptRoute>,
}

#[derive(Debug, Deserialize)]
struct KeptRoute {
    app: String,
    route: String,
    #[serde(flatten)]
    kept: LabelHistory,
}

/// The history of one label of one application.
#[derive(Debug, Clone, Copy, Deserialize)]
struct LabelHistory {
    /// The last request, in seconds since 1970.
    last_seen: Option<u64>,
    /// For how many counted days there was no request.
    quiet_days: f64,
}

impl History {
    /// Reads the history that Python has written.
    ///
    /// # Errors
    /// When the text is not a history.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        let mut summary: Summary = serde_json::from_str(text)?;
        let mut routes: HashMap<String, HashMap<String, LabelHistory>> = HashMap::new();
        for KeptRoute { app, route, kept } in std::mem::take(&mut summary.routes) {
            routes.entry(app).or_default().insert(route, kept);
        }
        Ok(Self { text: text.into(), summary, routes })
    }

    fn kept(&self, app: &str, label: &str) -> Option<LabelHistory> {
        self.routes.get(app)?.get(label).copied()
    }

    /// The last request of any of these labels of an application.
    pub fn last_seen(&self, app: &str, labels: &[String]) -> Option<u64> {
        labels.iter().filter_map(|label| self.kept(app, label)?.last_seen).max()
    }

    /// For how many counted days none of these labels had a request. `None` if the history has no entry for one of
    /// them.
    pub fn quiet_days(&self, app: &str, labels: &[String]) -> Option<f64> {
        let mut quiet = self.kept(app, "overflow").map_or(f64::INFINITY, |kept| kept.quiet_days);
        for label in labels {
            quiet = quiet.min(self.kept(app, label)?.quiet_days);
        }
        quiet.is_finite().then_some(quiet)
    }

    /// How many quiet days make a route safe to delete.
    pub fn enough(&self) -> f64 {
        self.summary.quiet_days
    }

    /// The time that the history covers.
    pub fn document(&self) -> Value {
        let Summary { since, counted_days, quiet_days, .. } = self.summary;
        json!({ "since": since, "counted_days": counted_days, "quiet_days": quiet_days })
    }
}

/// All counters by application and label, as JSON for Python. `series` has requests and errors; `known` has the labels
/// of the route list.
pub fn counters(samples: &Samples, map: &MapCell) -> String {
    let map: Option<RouteMap> = map.get().1.and_then(|map| serde_json::from_str(&map).ok());
    let mut counts: Vec<(&str, &str, u64, u64)> = Vec::new();
    for (labels, value) in samples.of(Family::Requests) {
        let ([app, route, _, status], Number::Count(count)) = (labels, value) else { continue };
        let errors = if matches!(status.as_str(), "5xx" | "other") { *count } else { 0 };
        match counts.last_mut().filter(|last| last.0 == app && last.1 == route) {
            Some(last) => (last.2, last.3) = (last.2 + count, last.3 + errors),
            None => counts.push((app, route, *count, errors)),
        }
    }
    let sides = map.iter().flat_map(|map| &map.routes).flat_map(|entry| [&entry.old, &entry.new]).flatten();
    let known: Vec<_> = sides.flat_map(|side| side.routes.iter().map(|label| (&side.app, label))).collect();
    let apps = map.iter().flat_map(|map| &map.apps).map(|app| (&app.name, &app.interface));
    json!({ "series": counts, "known": known, "apps": apps.collect::<Vec<_>>() }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Sample;

    #[test]
    fn only_what_is_known_of_all_labels_is_quiet() {
        let text = r#"{"since": 1, "counted_days": 40.5, "quiet_days": 30, "routes": [
            {"app": "old", "route": "/a", "last_seen": 7, "quiet_days": 35},
            {"app": "old", "route": "/a/", "last_seen": null, "quiet_days": 40.5}], "traffic": {}}"#;
        let history = History::parse(text).unwrap_or_else(|error| panic!("{error}"));
        let labels = |labels: &[&str]| labels.iter().map(|label| (*label).to_owned()).collect::<Vec<_>>();
        assert_eq!(history.quiet_days("old", &labels(&["/a", "/a/"])), Some(35.0));
        assert_eq!(history.last_seen("old", &labels(&["/a", "/a/"])), Some(7));
        assert_eq!(history.quiet_days("old", &labels(&["/a", "/new"])), None);
        assert_eq!(history.quiet_days("new", &[]), None);
        let more = text.replace("\"/a/\"", "\"overflow\"").replace("40.5}]", "2}]");
        let history = History::parse(&more).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(history.quiet_days("old", &labels(&["/a"])), Some(2.0), "it may have been counted there");
        assert!(History::parse("{}").is_err());
    }

    #[test]
    fn counters_are_by_application_and_label() {
        let mut samples = Samples::default();
        for (method, status, count) in [("GET", "2xx", 3), ("GET", "5xx", 1), ("POST", "2xx", 2)] {
            let labels = [("app", "a"), ("route", "/x"), ("method", method), ("status", status)];
            samples.add("1", &[Sample::count(Family::Requests, &labels, count)]);
        }
        let read: Value = serde_json::from_str(&counters(&samples, &MapCell::default())).unwrap_or_default();
        assert_eq!(read, json!({ "series": [["a", "/x", 6, 1]], "known": [], "apps": [] }));
    }
}
