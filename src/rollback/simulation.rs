//! Simulates days of traffic: how often a share is rolled back by mistake, and how soon if it should be.
//!
//! The real judge decides, with the default settings. The numbers are random, but the same in each run.
//! `docs/rollback.md` has the results, and this test fails if they differ. Only for tests.

#![allow(clippy::cast_precision_loss, reason = "nobody has 2^53 requests in a window")]
#![allow(clippy::indexing_slicing, reason = "the places are those of the arrays")]

use std::time::{Duration, Instant};

use super::action::Action;
use super::comparison::Window;
use super::guard::Guard;
use super::judge::{Judge, Setting, Watched};
use super::tally::Side;

const PAGE: &str = include_str!("../../docs/rollback.md");

const WINDOW: Duration = Duration::from_secs(30);
const WINDOWS_PER_DAY: u32 = 2880;
const EVERYBODY: u64 = u64::MAX;

/// The random numbers of `SplitMix64`.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn chance(&mut self, chance: f64) -> bool {
        (self.next() >> 11) as f64 * 2.0_f64.powi(-53) < chance
    }
}

/// Response times with a long tail: half of them are longer than `median`, and 1 % are longer than 3.2 times that.
struct Times(Vec<u8>);

impl Times {
    fn new(median: Duration) -> Self {
        let slot = |place: u32| {
            let part = (f64::from(place) + 0.5) / 65_536.0;
            Side::slot_of(median.mul_f64((part / (1.0 - part)).powf(0.25)))
        };
        Self((0..65_536).map(slot).collect())
    }
}

/// One side of the traffic.
struct SimulatedTraffic {
    requests: u64,
    failing: f64,
    times: Times,
}

impl SimulatedTraffic {
    fn new(requests: u64, failing: f64, median: Duration) -> Self {
        Self { requests, failing, times: Times::new(median) }
    }

    /// The requests of one window, each from another client.
    fn window(&self, random: &mut Random) -> Side {
        let mut counts = [0_u64; 256];
        for _ in 0..self.requests.div_ceil(4) {
            let four = random.next();
            for place in [four, four >> 16, four >> 32, four >> 48] {
                counts[usize::from(self.times.0[(place & 0xffff) as usize])] += 1;
            }
        }
        let failures = (0..self.requests).filter(|_| random.chance(self.failing)).count() as u64;
        let slots = counts.iter().enumerate().map(|(slot, count)| (u8::try_from(slot).unwrap_or(0), *count, EVERYBODY));
        Side::of_slots(slots, failures, if failures > 0 { EVERYBODY } else { 0 })
    }
}

/// A rule with its own judge.
struct SimulatedRule {
    judge: Judge,
    now: Instant,
    watched: Watched,
}

impl SimulatedRule {
    fn new() -> Self {
        let (hook, advance) = (None, None);
        let guard = Guard { window: WINDOW, minimum: 100, failures: 0.01, p99: Some(2.0), hook, advance };
        let (inside, outside) = (Side::default(), Side::default());
        let watched = Watched { rule: "/x=new".into(), configured: 500, guard, id: 1, inside, outside };
        let mut rule = Self { judge: Judge::default(), now: Instant::now(), watched };
        rule.window(&Window::default());
        rule
    }

    /// Returns whether the share is rolled back after this window.
    fn window(&mut self, window: &Window) -> bool {
        let none = Side::default();
        self.watched.inside.add(&window.inside, &none);
        self.watched.outside.add(&window.outside, &none);
        self.judge.hear(std::slice::from_ref(&self.watched), self.now);
        let actions = self.judge.decide(|_, _| Setting { share: 500, advances: false }, self.now);
        self.now += WINDOW;
        matches!(actions.as_slice(), [Action::RollBack { .. }])
    }
}

/// The number of worse windows and of rollbacks in these days, if both sides are the same.
fn by_mistake(days: u32, inside: &SimulatedTraffic, outside: &SimulatedTraffic) -> (u32, u32) {
    let (mut random, mut rule) = (Random(u64::from(days)), SimulatedRule::new());
    let (mut worse, mut rollbacks) = (0, 0);
    for _ in 0..days * WINDOWS_PER_DAY {
        let window = Window { inside: inside.window(&mut random), outside: outside.window(&mut random) };
        worse += u32::from(window.compare(&rule.watched.guard).is_some());
        if rule.window(&window) {
            rollbacks += 1;
            rule = SimulatedRule::new();
        }
    }
    (worse, rollbacks)
}

/// How many windows pass until the rollback: the median, and the 95th percentile.
fn detection(inside: &SimulatedTraffic, outside: &SimulatedTraffic) -> (u32, u32) {
    let mut random = Random(7);
    let mut tries: Vec<u32> = (0..200)
        .map(|_| {
            let mut rule = SimulatedRule::new();
            let mut window = || Window { inside: inside.window(&mut random), outside: outside.window(&mut random) };
            (1..1000).find(|_| rule.window(&window())).unwrap_or(1000)
        })
        .collect();
    tries.sort_unstable();
    (tries[99], tries[189])
}

/// Checks that the page has these rows.
fn are_on_the_page(rows: &[String]) {
    let missing: Vec<_> = rows.iter().filter(|row| !PAGE.contains(row.as_str())).map(String::as_str).collect();
    assert!(missing.is_empty(), "docs/rollback.md has not these rows:\n{}", missing.join("\n"));
}

const USUAL: Duration = Duration::from_millis(20);

#[test]
fn equal_applications_are_hardly_ever_rolled_back() {
    let mut rows = Vec::new();
    for (days, new, old, failing) in [(100, 120, 2280, 0.005), (100, 120, 2280, 0.05), (20, 100, 9900, 0.005)] {
        let (inside, outside) =
            (SimulatedTraffic::new(new, failing, USUAL), SimulatedTraffic::new(old, failing, USUAL));
        let (worse, rollbacks) = by_mistake(days, &inside, &outside);
        let (percent, windows) = (100.0 * failing, days * WINDOWS_PER_DAY);
        rows.push(format!("| {new} | {old} | {percent}% | {days} | {worse} of {windows} | {rollbacks} |"));
        // Two worse windows in a row, at the rate of single ones, occur less than once in a hundred days.
        let rate = f64::from(worse) / f64::from(windows);
        assert!(rate * rate * f64::from(WINDOWS_PER_DAY) < 0.01, "{rate}");
    }
    are_on_the_page(&rows);
}

/// Some clients always fail, on both sides, because they poll a wrong link. Chance puts a few of them into the share.
#[test]
fn clients_that_always_fail_are_rarely_the_fault_of_an_application() {
    let mut random = Random(11);
    let mut rows = Vec::new();
    for sick in [4, 8, 12] {
        let mut rollbacks = 0;
        for _ in 0..1000 {
            let mut rule = SimulatedRule::new();
            let inside = (0..sick).filter(|_| random.chance(0.05)).count() as u64;
            // 20 clients inside and 380 outside, each with six requests in a window.
            let side = |clients: u64, sick: u64| {
                Side::of_slots([(Side::slot_of(USUAL), 6 * clients, EVERYBODY)], 6 * sick, (1 << sick) - 1)
            };
            let window = Window { inside: side(20, inside), outside: side(380, sick - inside) };
            rollbacks += u32::from((0..20).any(|_| rule.window(&window)));
        }
        rows.push(format!("| {sick} of 400 | {rollbacks} of 1000 |"));
        assert!(rollbacks < 50, "{rollbacks}");
    }
    are_on_the_page(&rows);
}

#[test]
fn applications_that_are_worse_are_rolled_back_soon() {
    let outside = SimulatedTraffic::new(2280, 0.005, USUAL);
    let mut rows = Vec::new();
    for (what, failing, median) in [
        ("all requests fail", 1.0, USUAL),
        ("20% fail", 0.2, USUAL),
        ("10% fail", 0.1, USUAL),
        ("5% fail", 0.05, USUAL),
        ("5 times slower", 0.005, 5 * USUAL),
        ("3 times slower", 0.005, 3 * USUAL),
        ("2.5 times slower", 0.005, 5 * USUAL / 2),
    ] {
        let (median, most) = detection(&SimulatedTraffic::new(120, failing, median), &outside);
        let seconds = |windows: u32| windows * 30;
        rows.push(format!("| {what} | {} s | {} s |", seconds(median), seconds(most)));
    }
    are_on_the_page(&rows);
}
