//! Adds up the counts of all processes, compares them window by window, and decides: roll back, raise the share, or
//! neither.
//!
//! There is one judge for all processes. Each process reports its counts since its start, so none is lost and none
//! counts twice. A window ends when its time is over and both sides have enough requests. If the share or the settings
//! of a rule change, its windows start again.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::action::{Action, WindowReport};
use super::comparison::{Cause, Window};
use super::guard::Guard;
use super::tally::Side;

/// How many windows in a row must be worse in the same way.
const IN_A_ROW: u32 = 2;

/// A share of all clients, in buckets. There is nothing to compare with.
const ALL: u16 = crate::route::BUCKETS;

/// If no process reports a rule for this long, nothing is decided about it.
const SILENCE: Duration = Duration::from_secs(10);

/// How long the counts of a process that has ended are kept.
const MEMORY: Duration = Duration::from_secs(60);

/// The counts of a watched rule in one process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Watched {
    /// The rule, without its share.
    pub rule: String,
    /// The configured share in buckets.
    pub configured: u16,
    /// Its settings.
    pub guard: Guard,
    /// The id of the counters. New counters start at zero.
    pub id: u64,
    /// Inside the share.
    pub inside: Side,
    /// Outside the share.
    pub outside: Side,
}

/// The current setting of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// The share in buckets.
    pub share: u16,
    /// Whether the share may be raised.
    pub advances: bool,
}

/// The state of a watched rule.
#[derive(Debug)]
struct Watch {
    guard: Guard,
    configured: u16,
    setting: Setting,
    /// When this share was set.
    since: Instant,
    window: Window,
    began: Instant,
    /// In which way the last windows were worse, and how many in a row.
    worse: Option<(Cause, u32)>,
    /// How many windows with this share were compared.
    compared: u32,
    /// When a process last reported it.
    heard: Instant,
}

/// Decides about the shares of all watched rules.
#[derive(Debug, Default)]
pub struct Judge {
    rules: BTreeMap<String, Watch>,
    /// The last counts, by id and rule.
    last: HashMap<(u64, String), (Side, Side, Instant)>,
}

impl Judge {
    /// Adds the counts of a process.
    pub fn hear(&mut self, reported: &[Watched], now: Instant) {
        for Watched { rule, configured, guard, id, inside, outside } in reported {
            let (old_inside, old_outside, _) =
                self.last.remove(&(*id, rule.clone())).unwrap_or_else(|| (Side::default(), Side::default(), now));
            self.last.insert((*id, rule.clone()), (inside.clone(), outside.clone(), now));
            let watch = self.rules.entry(rule.clone()).or_insert_with(|| Watch::new(guard, *configured, now));
            watch.heard = now;
            if watch.guard != *guard || watch.configured != *configured {
                *watch = Watch::new(guard, *configured, now);
            }
            watch.window.inside.add(inside, &old_inside);
            watch.window.outside.add(outside, &old_outside);
        }
    }

    /// Decides. `in_force` returns the current setting of a rule with this text and this configured share.
    pub fn decide(&mut self, in_force: impl Fn(&str, u16) -> Setting, now: Instant) -> Vec<Action> {
        self.last.retain(|_, (_, _, heard)| now.duration_since(*heard) < MEMORY);
        self.rules.retain(|_, watch| now.duration_since(watch.heard) < MEMORY);
        let current = self.rules.iter_mut().filter(|(_, watch)| now.duration_since(watch.heard) < SILENCE);
        current.filter_map(|(rule, watch)| watch.decide(rule, in_force(rule, watch.configured), now)).collect()
    }
}

impl Watch {
    fn new(guard: &Guard, configured: u16, now: Instant) -> Self {
        Self {
            guard: guard.clone(),
            configured,
            setting: Setting { share: configured, advances: true },
            since: now,
            window: Window::default(),
            began: now,
            worse: None,
            compared: 0,
            heard: now,
        }
    }

    fn begin(&mut self, setting: Setting, now: Instant) {
        *self = Self { setting, heard: self.heard, ..Self::new(&self.guard, self.configured, now) };
    }

    fn decide(&mut self, rule: &str, setting: Setting, now: Instant) -> Option<Action> {
        let lasted = now.duration_since(self.began);
        if self.setting != setting || !(1..ALL).contains(&setting.share) {
            self.begin(setting, now);
        } else if lasted >= self.guard.window && self.window.has(self.guard.minimum) {
            let window = std::mem::take(&mut self.window);
            self.began = now;
            self.compared += 1;
            if let Some(cause) = self.is_worse(&window) {
                return Some(self.roll_back(rule, cause, &window, lasted, now));
            }
        }
        self.advance(rule, now)
    }

    /// The cause, if enough windows in a row had it.
    fn is_worse(&mut self, window: &Window) -> Option<Cause> {
        self.worse = window.compare(&self.guard).map(|cause| match self.worse {
            Some((before, windows)) if before == cause => (cause, windows + 1),
            _ => (cause, 1),
        });
        self.worse.filter(|(_, windows)| *windows >= IN_A_ROW).map(|(cause, _)| cause)
    }

    fn roll_back(&mut self, rule: &str, cause: Cause, window: &Window, lasted: Duration, now: Instant) -> Action {
        let from = self.setting.share;
        self.begin(Setting { share: 0, advances: false }, now);
        Action::RollBack {
            rule: rule.to_owned(),
            configured: self.configured,
            from,
            reason: window.describe(cause),
            window: WindowReport::new(window, lasted),
            hook: self.guard.hook.clone(),
        }
    }

    /// The next step, if this one has lasted long enough and the last window was not worse.
    fn advance(&mut self, rule: &str, now: Instant) -> Option<Action> {
        let advance = self.guard.advance.as_ref().filter(|_| self.setting.advances)?;
        let from = self.setting.share;
        let is_proven = from > 0 && self.compared > 0 && self.worse.is_none();
        let to = advance.next(from).filter(|_| is_proven && now.duration_since(self.since) >= advance.after)?;
        self.begin(Setting { share: to, advances: true }, now);
        Some(Action::Advance { rule: rule.to_owned(), configured: self.configured, from, to })
    }
}

#[cfg(test)]
mod tests {
    use super::super::guard::Advance;
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn guard() -> Guard {
        let advance = Some(Advance { steps: vec![500, 2500, 10_000], after: Duration::from_secs(60) });
        Guard { window: 10 * SECOND, minimum: 100, failures: 0.01, p99: Some(2.0), hook: None, advance }
    }

    /// A rule whose processes report every second.
    struct Bench {
        judge: Judge,
        now: Instant,
        setting: Setting,
        sides: BTreeMap<u64, ([u64; 2], [u64; 2])>,
        guard: Guard,
    }

    impl Bench {
        fn new(guard: Guard) -> Self {
            let setting = Setting { share: 500, advances: true };
            Self { judge: Judge::default(), now: Instant::now(), setting, sides: BTreeMap::new(), guard }
        }

        /// Lets a second pass. Each pair has the requests and failures of this process in that second.
        fn second(&mut self, id: u64, inside: [u64; 2], outside: [u64; 2]) -> Vec<Action> {
            self.now += SECOND;
            let sides = self.sides.entry(id).or_default();
            for (sum, more) in [(&mut sides.0, inside), (&mut sides.1, outside)] {
                sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
            }
            let side = |[all, bad]: [u64; 2]| Side::of_slots([(5, all, u64::MAX)], bad, u64::MAX);
            let (inside, outside) = (side(sides.0), side(sides.1));
            let (rule, guard) = ("/x=new".to_owned(), self.guard.clone());
            self.judge.hear(&[Watched { rule, configured: 500, guard, id, inside, outside }], self.now);
            let actions = self.judge.decide(|_, _| self.setting, self.now);
            for action in &actions {
                self.setting = match action {
                    Action::RollBack { .. } => Setting { share: 0, advances: false },
                    Action::Advance { to, .. } => Setting { share: *to, advances: true },
                };
            }
            actions
        }

        /// Lets seconds pass until an action. Returns their number and the action.
        fn until(&mut self, seconds: u32, inside: [u64; 2], outside: [u64; 2]) -> Option<(u32, Action)> {
            (1..=seconds).find_map(|second| self.second(1, inside, outside).pop().map(|action| (second, action)))
        }
    }

    #[test]
    fn two_windows_in_a_row_roll_back_and_that_once() {
        let mut bench = Bench::new(guard());
        let (seconds, action) = bench.until(100, [20, 10], [400, 1]).unwrap_or_else(|| panic!("nothing"));
        let Action::RollBack { from, reason, window, .. } = action else { panic!("{action:?}") };
        // The first report starts the first window.
        assert_eq!((seconds, from), (21, 500));
        assert_eq!(reason, "requests that failed: 100 of 200 (50.0%) in the share, 10 of 4000 (0.2%) of the others");
        assert_eq!((window.inside.failures, window.outside.requests), (100, 4000));
        assert!(bench.until(100, [0, 0], [400, 1]).is_none());
    }

    #[test]
    fn a_bad_window_between_good_ones_does_not() {
        let mut bench = Bench::new(Guard { advance: None, ..guard() });
        bench.second(1, [0, 0], [0, 0]);
        for _ in 0..5 {
            assert!(bench.until(10, [20, 10], [400, 1]).is_none());
            assert!(bench.until(10, [20, 0], [400, 1]).is_none());
        }
    }

    #[test]
    fn a_window_goes_on_until_there_is_enough() {
        let mut bench = Bench::new(guard());
        let (seconds, _) = bench.until(1000, [1, 1], [20, 0]).unwrap_or_else(|| panic!("nothing"));
        assert_eq!(seconds, 200, "two windows of 100 requests");
    }

    #[test]
    fn the_counts_of_all_processes_count_and_none_twice() {
        let mut bench = Bench::new(Guard { minimum: 150, advance: None, ..guard() });
        for second in 0..16 {
            // Nine requests per second, first in one process, then in another.
            let process = if second < 8 { 1 } else { 2 };
            assert!(bench.second(process, [9, 9], [100, 0]).is_empty(), "{second}");
        }
        assert_eq!(bench.judge.rules.values().map(|watch| watch.window.inside.requests()).sum::<u64>(), 144);
        let found = (0..18).find_map(|_| bench.second(3, [9, 9], [100, 0]).pop());
        assert!(matches!(found, Some(Action::RollBack { .. })), "{found:?}");
    }

    #[test]
    fn a_share_rises_step_by_step_and_not_without_proof() {
        let mut bench = Bench::new(guard());
        assert!(bench.until(300, [1, 0], [0, 0]).is_none(), "there is nothing to compare with");
        let mut bench = Bench::new(guard());
        for (seconds, next) in [(61, 2500), (60, 10_000)] {
            let (took, action) = bench.until(200, [50, 0], [500, 0]).unwrap_or_else(|| panic!("nothing"));
            assert!(matches!(action, Action::Advance { to, .. } if to == next), "{action:?}");
            assert_eq!(took, seconds);
        }
        assert!(bench.until(200, [500, 500], [0, 0]).is_none(), "all clients have it");
    }

    #[test]
    fn who_sets_a_share_holds_it() {
        for setting in [Setting { share: 1000, advances: false }, Setting { share: 0, advances: true }] {
            let mut bench = Bench::new(guard());
            bench.setting = setting;
            assert!(bench.until(300, [50, 0], [500, 0]).is_none(), "{setting:?}");
        }
    }

    #[test]
    fn a_step_that_fails_ends_it() {
        let mut bench = Bench::new(guard());
        assert!(matches!(bench.until(100, [50, 0], [500, 0]), Some((_, Action::Advance { .. }))));
        assert!(matches!(bench.until(100, [50, 50], [500, 0]), Some((20, Action::RollBack { from: 2500, .. }))));
        assert!(bench.until(300, [0, 0], [500, 0]).is_none());
    }
}
