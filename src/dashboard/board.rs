//! The dashboard of one server: takes snapshots of its numbers, and writes `/routes.json` and the messages of
//! `/events`.
//!
//! It belongs to the thread of the admin listener.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};

use super::both::{Both, EACH, Which};
use super::events::{EventBody, LastTaken};
use super::history::History;
use super::join::{Index, Joined};
use super::map::{RouteEntry, RouteMap, RouteSide};
use super::numbers::{RouteNumbers, rounded};
use super::window::{Minute, RECENT, RouteWindow, Traffic};
use crate::metrics::Samples;

/// The most streams of events at a time.
const MOST_STREAMS: usize = 16;

/// All that the dashboard shows, at one moment.
#[derive(Debug)]
pub struct Scene {
    /// The counters.
    pub samples: Samples,
    /// The version of the list of routes, and its text.
    pub map: (u64, Option<Arc<str>>),
    /// State, workers and shares.
    pub server: Value,
}

/// The data of the dashboard.
#[derive(Debug)]
pub struct Board {
    inner: Mutex<Inner>,
    began: u64,
    events: watch::Sender<Arc<str>>,
    streams: Arc<Semaphore>,
}

#[derive(Debug)]
struct Inner {
    revision: u64,
    map: Arc<RouteMap>,
    index: Index,
    window: RouteWindow,
    traffic: Traffic,
    history: Option<History>,
}

impl Default for Board {
    fn default() -> Self {
        let window = RouteWindow::new(0, Joined::default(), Instant::now());
        let (map, index, traffic) = (Arc::default(), Index::default(), Traffic::default());
        let inner = Inner { revision: 0, map, index, window, traffic, history: None };
        let streams = Arc::new(Semaphore::new(MOST_STREAMS));
        Self { inner: Mutex::new(inner), began: clock(), events: watch::Sender::new("".into()), streams }
    }
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a snapshot.
    pub fn observe(&self, scene: &Scene) {
        self.lock().observe(scene);
    }

    /// `/routes.json`.
    pub fn routes(&self, scene: &Scene) -> Value {
        let mut inner = self.lock();
        let joined = inner.observe(scene);
        inner.document(&joined, scene, self.began)
    }

    /// Whether there is a stream of events.
    pub fn is_watched(&self) -> bool {
        self.events.receiver_count() > 0
    }

    /// Takes a snapshot, and sends a message to all streams.
    pub fn publish(&self, scene: &Scene) {
        let mut inner = self.lock();
        let joined = inner.observe(scene);
        let message = inner.message(&joined, scene).to_string();
        drop(inner);
        self.events.send_replace(message.into());
    }

    /// A stream of events; `None` if there are too many.
    pub fn stream(&self, taken: &Arc<LastTaken>) -> Option<EventBody> {
        let permit = Arc::clone(&self.streams).try_acquire_owned().ok()?;
        Some(EventBody::new(self.events.subscribe(), Arc::clone(taken), permit))
    }

    /// `/history.json`.
    pub fn history(&self) -> Arc<str> {
        match &self.lock().history {
            Some(history) => Arc::clone(&history.text),
            None => json!({ "history": null, "counting_since": self.began }).to_string().into(),
        }
    }

    /// Replaces the history.
    ///
    /// # Errors
    /// When the text is not a history.
    pub fn set_history(&self, text: &str) -> Result<(), serde_json::Error> {
        let history = History::parse(text)?;
        self.lock().history = Some(history);
        Ok(())
    }
}

impl Inner {
    fn observe(&mut self, scene: &Scene) -> Joined {
        let now = Instant::now();
        if let (revision, Some(text)) = &scene.map
            && *revision != self.revision
        {
            self.replace_map(*revision, text, &scene.samples, now);
        }
        let joined = self.index.join(&scene.samples);
        self.window.observe(&joined, now, clock());
        self.traffic.observe(Both::of(|which| self.requests_of(&joined, which)), clock());
        joined
    }

    fn replace_map(&mut self, revision: u64, text: &str, samples: &Samples, now: Instant) {
        let first = self.revision == 0;
        self.revision = revision;
        let Ok(map) = serde_json::from_str::<RouteMap>(text) else {
            return crate::log::debug(format_args!("the list of routes for the dashboard cannot be read"));
        };
        self.index = Index::new(&map);
        // All counters started at zero, so with the first list everything since then counts.
        let (before, begin) = match self.window.begin().filter(|_| first) {
            Some(begin) => (Joined::default(), begin),
            None => (self.index.join(samples), now),
        };
        self.window = RouteWindow::new(map.routes.len(), before, begin);
        self.map = Arc::new(map);
    }

    fn requests_of(&self, joined: &Joined, which: Which) -> u64 {
        self.apps_of(which).filter_map(|app| joined.apps.get(app)).map(|numbers| numbers.requests).sum()
    }

    fn apps_of(&self, which: Which) -> impl Iterator<Item = &str> {
        self.map.apps.iter().filter(move |app| app.interface == which.interface()).map(|app| app.name.as_str())
    }

    fn document(&self, joined: &Joined, scene: &Scene, began: u64) -> Value {
        let map = &self.map;
        let routes: Vec<_> = map.routes.iter().enumerate().map(|(at, it)| self.route(joined, scene, at, it)).collect();
        let rest = joined.rest.iter().map(|((app, label), numbers)| {
            let mut rest = json!({ "app": app, "route": label });
            merge(&mut rest, numbers.document());
            rest
        });
        json!({
            "version": 1,
            "revision": self.revision,
            "ready": self.revision > 0,
            "now": clock(),
            "counting_since": began,
            "recent_seconds": self.window.seconds(Instant::now()).min(RECENT.as_secs_f64() + 30.0).round(),
            "mode": map.mode,
            "reason": map.reason,
            "summary": map.summary,
            "migrated": map.migrated,
            "old": map.old,
            "by_protocol": map.by_protocol,
            "apps": self.apps(joined),
            "traffic": self.traffic(joined),
            "history": self.history.as_ref().map(History::document),
            "server": scene.server,
            "routes": routes,
            "rest": rest.collect::<Vec<_>>(),
        })
    }

    fn message(&self, joined: &Joined, scene: &Scene) -> Value {
        let sides = joined.routes.iter().enumerate().flat_map(|(route, sides)| EACH.map(|which| (route, which, sides)));
        let asked = sides.filter(|(_, which, sides)| sides.get(*which).requests > 0);
        let numbers = asked.map(|(route, which, sides)| {
            let recent = compact(&self.window.recent(joined, route, which));
            json!([route, which.name(), compact(sides.get(which)), recent, self.window.last_seen(route, which)])
        });
        json!({
            "revision": self.revision,
            "now": clock(),
            "recent_seconds": self.window.seconds(Instant::now()).round(),
            "apps": self.apps(joined),
            "traffic": self.traffic(joined),
            "server": scene.server,
            "numbers": numbers.collect::<Vec<_>>(),
        })
    }

    fn apps(&self, joined: &Joined) -> Vec<Value> {
        let numbers = |name: &str| joined.apps.get(name).cloned().unwrap_or_default();
        let shown = self.map.apps.iter().map(|app| {
            let mut shown = serde_json::to_value(app).unwrap_or_default();
            merge(&mut shown, numbers(&app.name).document());
            merge(&mut shown, json!({ "recent": self.window.recent_app(joined, &app.name).document() }));
            shown
        });
        shown.collect()
    }

    fn traffic(&self, joined: &Joined) -> Value {
        let recent = |which| self.apps_of(which).map(|app| self.window.recent_app(joined, app).requests).sum::<u64>();
        let minutes = self.traffic.minutes();
        let minutes = minutes.map(|Minute { time, requests }| json!([time, requests.old, requests.new]));
        json!({
            "old": self.requests_of(joined, Which::Old),
            "new": self.requests_of(joined, Which::New),
            "recent": { "old": recent(Which::Old), "new": recent(Which::New) },
            "minutes": minutes.collect::<Vec<_>>(),
        })
    }

    fn route(&self, joined: &Joined, scene: &Scene, at: usize, entry: &RouteEntry) -> Value {
        let mut shown = serde_json::to_value(entry).unwrap_or_default();
        let share = entry.rule.as_ref().and_then(|rule| {
            let shares = scene.server.get("shares")?.as_array()?;
            shares.iter().find(|share| share.get("rule").is_some_and(|own| own == rule))
        });
        let mut safe = false;
        for (which, side) in EACH.into_iter().filter_map(|which| Some((which, entry.side(which)?))) {
            let (last_seen, quiet) = self.quiet(side, self.window.last_seen(at, which));
            if which == Which::Old {
                safe = quiet.zip(self.history.as_ref()).is_some_and(|(days, history)| days >= history.enough());
            }
            let mut numbers = joined.routes.get(at).map(|sides| sides.get(which).document()).unwrap_or_default();
            merge(
                &mut numbers,
                json!({
                    "recent": self.window.recent(joined, at, which).document(),
                    "last_seen": last_seen,
                    "quiet_days": quiet.map(|days| (days * 100.0).floor() / 100.0),
                }),
            );
            if let Some(shown) = shown.get_mut(which.name()) {
                merge(shown, numbers);
            }
        }
        merge(&mut shown, json!({ "share": share, "safe_to_delete": safe }));
        shown
    }

    /// The last request of a route, also from before a restart, and for how many counted days it had none.
    #[expect(clippy::cast_precision_loss, reason = "seconds")]
    fn quiet(&self, side: &RouteSide, live: Option<u64>) -> (Option<u64>, Option<f64>) {
        let Some(history) = &self.history else { return (live, None) };
        let since = live.map(|at| clock().saturating_sub(at) as f64 / 86_400.0);
        let quiet = history.quiet_days(&side.app, &side.routes).map(|days| days.min(since.unwrap_or(f64::INFINITY)));
        (live.max(history.last_seen(&side.app, &side.routes)), quiet)
    }
}

fn merge(into: &mut Value, more: Value) {
    if let (Some(into), Value::Object(more)) = (into.as_object_mut(), more) {
        into.extend(more);
    }
}

fn compact(numbers: &RouteNumbers) -> Value {
    let quantile = |part| numbers.quantile(part).map(rounded);
    json!([numbers.requests, numbers.errors, quantile(0.5), quantile(0.99)])
}

/// Seconds since 1970.
fn clock() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs())
}
