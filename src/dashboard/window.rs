//! The last minutes: the counts in them, when each route was last requested, and how the traffic was divided.
//!
//! A snapshot is kept every half minute. Snapshots older than five minutes are dropped. For traffic, the counts of each
//! minute of the last three hours are kept.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::both::{Both, EACH, Which};
use super::join::Joined;
use super::numbers::RouteNumbers;

/// The time that the recent numbers cover.
pub const RECENT: Duration = Duration::from_secs(300);

/// The time between two snapshots.
const EVERY: Duration = Duration::from_secs(30);

/// For how many minutes traffic is kept.
const MOST_MINUTES: usize = 180;

/// The recent numbers of the routes of one list.
#[derive(Debug)]
pub struct RouteWindow {
    snapshots: VecDeque<(Instant, Joined)>,
    last: Joined,
    /// When each route was last requested, in seconds since 1970.
    last_seen: Vec<Both<Option<u64>>>,
}

/// Requests of the old and of the new applications in one minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Minute {
    /// Its start, in seconds since 1970.
    pub time: u64,
    /// Requests of the old and the new applications.
    pub requests: Both<u64>,
}

impl RouteWindow {
    /// A window for `routes` routes. `before` has the counts until now.
    pub fn new(routes: usize, before: Joined, now: Instant) -> Self {
        Self {
            snapshots: VecDeque::from([(now, before.clone())]),
            last: before,
            last_seen: vec![Both::default(); routes],
        }
    }

    /// When the oldest snapshot was taken.
    pub fn begin(&self) -> Option<Instant> {
        self.snapshots.front().map(|(at, _)| *at)
    }

    /// Takes new counts.
    pub fn observe(&mut self, joined: &Joined, now: Instant, clock: u64) {
        let old = self.last.routes.iter().chain(std::iter::repeat(&NOTHING));
        for ((seen, now), before) in self.last_seen.iter_mut().zip(&joined.routes).zip(old) {
            for which in EACH {
                if now.get(which).requests > before.get(which).requests {
                    *seen.get_mut(which) = Some(clock);
                }
            }
        }
        self.last = joined.clone();
        if self.snapshots.back().is_none_or(|(at, _)| now.duration_since(*at) >= EVERY) {
            self.snapshots.push_back((now, joined.clone()));
        }
        while self.snapshots.len() > 1 && self.snapshots.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= RECENT)
        {
            self.snapshots.pop_front();
        }
    }

    /// How many seconds the recent numbers cover.
    pub fn seconds(&self, now: Instant) -> f64 {
        self.snapshots.front().map_or(0.0, |(at, _)| now.duration_since(*at).as_secs_f64())
    }

    /// The recent numbers of a route.
    pub fn recent(&self, joined: &Joined, route: usize, which: Which) -> RouteNumbers {
        let numbers = |all: &Joined| all.routes.get(route).map(|sides| sides.get(which).clone()).unwrap_or_default();
        let before = self.snapshots.front().map(|(_, before)| numbers(before)).unwrap_or_default();
        numbers(joined).since(&before)
    }

    /// The recent numbers of an application.
    pub fn recent_app(&self, joined: &Joined, app: &str) -> RouteNumbers {
        let before = self.snapshots.front().and_then(|(_, before)| before.apps.get(app)).cloned();
        joined.apps.get(app).cloned().unwrap_or_default().since(&before.unwrap_or_default())
    }

    /// When a request for a route was last seen.
    pub fn last_seen(&self, route: usize, which: Which) -> Option<u64> {
        self.last_seen.get(route).and_then(|sides| *sides.get(which))
    }
}

static NOTHING: Both<RouteNumbers> = Both {
    old: RouteNumbers { requests: 0, errors: 0, buckets: Vec::new() },
    new: RouteNumbers { requests: 0, errors: 0, buckets: Vec::new() },
};

/// The traffic of the last hours, minute by minute.
#[derive(Debug, Default)]
pub struct Traffic {
    minutes: VecDeque<Minute>,
    last: Both<u64>,
}

impl Traffic {
    /// Takes the total requests of the old and the new applications.
    pub fn observe(&mut self, requests: Both<u64>, clock: u64) {
        let time = clock - clock % 60;
        if self.minutes.back().is_none_or(|minute| minute.time != time) {
            self.minutes.push_back(Minute { time, requests: Both::default() });
            if self.minutes.len() > MOST_MINUTES {
                self.minutes.pop_front();
            }
        }
        if let Some(minute) = self.minutes.back_mut() {
            for which in EACH {
                *minute.requests.get_mut(which) += requests.get(which).saturating_sub(*self.last.get(which));
            }
        }
        self.last = requests;
    }

    /// All minutes, the oldest first.
    pub fn minutes(&self) -> impl Iterator<Item = &Minute> {
        self.minutes.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(requests: u64) -> Joined {
        let numbers = RouteNumbers { requests, errors: 0, buckets: vec![requests] };
        Joined { routes: vec![Both { old: numbers, new: RouteNumbers::default() }], ..Joined::default() }
    }

    #[test]
    fn old_requests_leave_the_window_and_stay_counted() {
        let began = Instant::now();
        let mut window = RouteWindow::new(1, Joined::default(), began);
        for second in 0..=600 {
            let now = began + Duration::from_secs(second);
            window.observe(&joined(if second < 60 { second } else { 60 }), now, 1_000 + second);
        }
        let now = began + Duration::from_secs(600);
        assert!((300.0..=330.0).contains(&window.seconds(now)), "{}", window.seconds(now));
        assert_eq!(window.recent(&joined(60), 0, Which::Old).requests, 0);
        assert_eq!(window.recent(&joined(62), 0, Which::Old).requests, 2);
        assert_eq!((window.last_seen(0, Which::Old), window.last_seen(0, Which::New)), (Some(1_060), None));
        assert!(window.snapshots.len() <= 12);
    }

    #[test]
    fn traffic_is_kept_by_the_minute() {
        let both = |old, new| Both { old, new };
        let mut traffic = Traffic::default();
        traffic.observe(both(3, 1), 60);
        traffic.observe(both(5, 1), 119);
        traffic.observe(both(5, 9), 120);
        let minutes: Vec<_> = traffic.minutes().map(|minute| (minute.time, minute.requests)).collect();
        assert_eq!(minutes, [(60, both(5, 1)), (120, both(0, 8))]);
        for minute in 0..400 {
            traffic.observe(both(5, 9), minute * 60);
        }
        assert_eq!(traffic.minutes().count(), MOST_MINUTES);
    }
}
