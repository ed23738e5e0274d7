//! Shares that were set while the server runs.
//!
//! A reload replaces the router, but keeps these shares. A live share is dropped when the configured share of its rule
//! changes, or when the rule is removed. So a reload for another reason, such as new certificates, does not undo a live
//! change, and a new share in the configuration file wins.
//!
//! A rollback also sets a live share. That one stays when the configured share changes, because the person who changes
//! the file may not know about the rollback.
//!
//! With several processes, the supervisor has the live shares and sends them to its workers (`admin/workers.rs`).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};

use crate::config::live_rollbacks::{RollbackStatus, decide};
use crate::metrics::Routing;
use crate::rollback::{Action, Judge, Watched};
use crate::route::{Percent, Router, SharedRule};

/// The live share of one rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetShare {
    /// The rule, without its share.
    pub rule: String,
    /// The configured share at the time of the change, in buckets.
    pub configured: u16,
    /// The live share, in buckets.
    pub share: u16,
    /// What set it.
    #[serde(default)]
    pub by: SetBy,
}

/// What set a live share.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SetBy {
    /// A person. The share does not rise.
    #[default]
    Person,
    /// `advance`, or a person who lets the share rise.
    Advance,
    /// A rollback.
    Rollback {
        /// The reason, in words.
        reason: String,
        /// The time.
        at: String,
    },
}

impl SetShare {
    /// Whether it is for this rule with this configured share.
    pub fn is_for(&self, rule: &str, configured: Percent) -> bool {
        self.rule == rule && (self.configured == configured.buckets() || matches!(self.by, SetBy::Rollback { .. }))
    }
}

/// One rule with a share, for output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareStatus {
    /// The rule, without its share.
    pub rule: String,
    /// The application of the rule.
    pub app: String,
    /// The current share, such as `5%`.
    pub share: String,
    /// The configured share.
    pub configured: String,
    /// The state of its rollback, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<RollbackStatus>,
}

impl ShareStatus {
    /// The change that gives the rule another share.
    pub fn set(&self, share: Percent, by: SetBy) -> SetShare {
        let configured = Percent::parse(&self.configured).unwrap_or(share);
        SetShare { rule: self.rule.clone(), configured: configured.buckets(), share: share.buckets(), by }
    }
}

/// A rule, its application, and requests and failures, inside and outside its share.
type Totals = (String, usize, [(u64, u64); 2]);

/// The router of a process and its live shares.
#[derive(Debug)]
pub struct LiveShares {
    routing: Arc<ArcSwap<Routing>>,
    set: Mutex<Vec<SetShare>>,
}

impl LiveShares {
    /// Without live shares.
    pub fn new(routing: &Arc<ArcSwap<Routing>>) -> Self {
        Self { routing: Arc::clone(routing), set: Mutex::default() }
    }

    /// Replaces the router. Drops the live shares of rules that have changed.
    pub fn route_by(&self, routing: Routing) {
        let mut set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        let shares: Vec<_> = routing.router.shares().collect();
        set.retain(|each| shares.iter().any(|own| each.is_for(own.text, own.configured)));
        apply(&set, &routing.router);
        remind(&set);
        self.routing.store(Arc::new(routing));
    }

    /// Replaces all live shares.
    pub fn replace(&self, all: Vec<SetShare>) {
        let mut set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        if *set != all {
            *set = all;
            apply(&set, &self.routing.load().router);
        }
    }

    /// Logs which rules stay rolled back.
    pub fn remind(&self) {
        remind(&self.set.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The counts of the watched rules, for the judge. Each call reports the clients since the call before.
    pub fn watched(&self) -> Vec<Watched> {
        let routing = self.routing.load();
        let Some(watched) = &routing.watched else { return Vec::new() };
        let reported = routing.router.shares().filter_map(|SharedRule { rule, text, configured, .. }| {
            let (guard, tally) = watched.of(rule)?;
            let (inside, outside) = tally.look();
            let (rule, configured, guard, id) = (text.to_owned(), configured.buckets(), guard.clone(), watched.id);
            Some(Watched { rule, configured, guard, id, inside, outside })
        });
        reported.collect()
    }

    /// Lets the judge decide for this process alone, and applies the result.
    pub fn judge(&self, judge: &mut Judge) -> Vec<Action> {
        let mut set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        judge.hear(&self.watched(), now);
        let actions = decide(judge, &mut set, now);
        if !actions.is_empty() {
            apply(&set, &self.routing.load().router);
        }
        actions
    }

    /// The requests that the shares of watched rules decided.
    pub fn totals(&self) -> Vec<Totals> {
        let routing = self.routing.load();
        let Some(watched) = &routing.watched else { return Vec::new() };
        let counted = routing.router.shares().filter_map(|SharedRule { rule, text, app, .. }| {
            watched.of(rule).map(|(_, tally)| (text.to_owned(), app.0, tally.totals()))
        });
        counted.collect()
    }

    /// Sets the shares of some rules.
    pub fn add(&self, more: &[SetShare]) {
        let mut set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        merge(&mut set, more);
        apply(&set, &self.routing.load().router);
    }

    /// The rules with a share. `name` is the name of an application.
    pub fn list(&self, name: impl Fn(usize) -> String) -> Vec<ShareStatus> {
        let set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        let routing = self.routing.load();
        let shown = routing.router.shares().map(|shared| ShareStatus {
            rule: shared.text.to_owned(),
            app: name(shared.app.0),
            share: shared.share.to_string(),
            configured: shared.configured.to_string(),
            rollback: RollbackStatus::of(&set, &routing, &shared),
        });
        shown.collect()
    }
}

/// Adds or replaces live shares.
pub fn merge(set: &mut Vec<SetShare>, more: &[SetShare]) {
    set.retain(|own| !more.iter().any(|other| other.rule == own.rule));
    set.extend_from_slice(more);
}

fn remind(set: &[SetShare]) {
    for SetShare { rule, by, .. } in set {
        if let SetBy::Rollback { at, .. } = by {
            crate::log::line(format_args!("the share of `{rule}` stays at 0%: it was rolled back ({at})"));
        }
    }
}

fn apply(set: &[SetShare], router: &Router) {
    let shares: Vec<_> = router.shares().map(|own| (own.rule, own.text.to_owned(), own.configured)).collect();
    for (rule, text, configured) in shares {
        let own = set.iter().find(|each| each.is_for(&text, configured));
        router.set_share(rule, own.map_or(configured, |own| Percent::of_buckets(own.share)));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot make its router should fail")]
    use super::*;
    use crate::route::{AppIndex, Interface, Mode, MountSpec, PathSpec, RuleSpec};

    fn routing(rules: &[(&str, u16)]) -> Routing {
        let mount =
            |app, prefix: &str| MountSpec { app: AppIndex(app), interface: Interface::Asgi, prefix: prefix.into() };
        let rule = |(path, share): &(&str, u16)| RuleSpec {
            methods: None,
            host: None,
            path: PathSpec::Template((*path).into()),
            fields: Vec::new(),
            scheme: None,
            websocket: None,
            app: AppIndex(1),
            share: Some(Percent::of_buckets(*share)),
            text: format!("{path}=new"),
            source: String::new(),
        };
        let rules: Vec<_> = rules.iter().map(rule).collect();
        let router = Router::new(&[mount(0, ""), mount(1, "/new")], &rules, &Mode::Mounts).unwrap();
        Routing::new(router, None)
    }

    fn live(rules: &[(&str, u16)]) -> LiveShares {
        LiveShares::new(&Arc::new(ArcSwap::from_pointee(routing(rules))))
    }

    fn shares(live: &LiveShares) -> Vec<String> {
        live.list(|_| "new".into()).into_iter().map(|each| format!("{} {}", each.rule, each.share)).collect()
    }

    fn set(rule: &str, configured: u16, share: u16) -> SetShare {
        SetShare { rule: rule.into(), configured, share, by: SetBy::Person }
    }

    #[test]
    fn what_was_set_outlives_a_reload_that_is_about_something_else() {
        let live = live(&[("/a", 500), ("/b", 500)]);
        live.add(&[set("/a=new", 500, 0), set("/b=new", 500, 2500)]);
        assert_eq!(shares(&live), ["/a=new 0%", "/b=new 25%"]);
        live.route_by(routing(&[("/c", 100), ("/a", 500), ("/b", 1000)]));
        assert_eq!(shares(&live), ["/c=new 1%", "/a=new 0%", "/b=new 10%"], "the file says another share of /b");
        live.route_by(routing(&[("/a", 500), ("/b", 500)]));
        assert_eq!(shares(&live), ["/a=new 0%", "/b=new 5%"], "what was set of /b is forgotten");
    }

    #[test]
    fn the_share_of_the_rule_itself_can_be_set_again() {
        let live = live(&[("/a", 500)]);
        live.add(&[set("/a=new", 500, 0)]);
        live.add(&[set("/a=new", 500, 500)]);
        assert_eq!(shares(&live), ["/a=new 5%"]);
        live.route_by(routing(&[("/a", 500)]));
        assert_eq!(shares(&live), ["/a=new 5%"]);
    }

    #[test]
    fn a_rollback_outlives_every_reload_until_the_share_is_set() {
        let live = live(&[("/a", 500)]);
        let by = SetBy::Rollback { reason: "it fails".into(), at: "now".into() };
        live.add(&[SetShare { by, ..set("/a=new", 500, 0) }]);
        let status = live.list(|_| "new".into()).remove(0).rollback.unwrap();
        assert_eq!((status.state.as_str(), status.reason.as_deref()), ("rolled back", Some("it fails")));
        live.route_by(routing(&[("/a", 2500)]));
        assert_eq!(shares(&live), ["/a=new 0%"], "the file says another share");
        live.add(&[set("/a=new", 2500, 100)]);
        assert_eq!(shares(&live), ["/a=new 1%"]);
        assert_eq!(live.list(|_| "new".into()).remove(0).rollback, None, "the rule has no guard");
        live.route_by(routing(&[("/a", 500)]));
        assert_eq!(shares(&live), ["/a=new 5%"]);
    }

    #[test]
    fn what_is_not_set_any_more_is_as_it_was_made() {
        let live = live(&[("/a", 500), ("/b", 500)]);
        live.replace(vec![set("/a=new", 500, 10_000), set("/b=new", 600, 0)]);
        assert_eq!(shares(&live), ["/a=new 100%", "/b=new 5%"], "the rule had another share");
        live.replace(Vec::new());
        assert_eq!(shares(&live), ["/a=new 5%", "/b=new 5%"]);
    }
}
