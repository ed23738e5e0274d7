//! What rollbacks do to live shares: whoever set a share decides whether it may rise, and the judge also sets shares.
//!
//! `live_shares.rs` keeps the live shares, and does not know the judge's view of them.

use std::time::{Instant, SystemTime};

use serde::{Deserialize, Serialize};

use crate::config::live_shares::{SetBy, SetShare, merge};
use crate::log::timestamp::timestamp;
use crate::metrics::Routing;
use crate::rollback::{Action, Judge, Setting};
use crate::route::{Percent, SharedRule};

/// The rollback of one rule, for output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollbackStatus {
    /// `watching` or `rolled back`.
    pub state: String,
    /// Why the share was rolled back.
    pub reason: Option<String>,
    /// When it was rolled back.
    pub at: Option<String>,
    /// The shares of `advance`.
    pub steps: Vec<String>,
    /// The next of them, if the share may rise.
    pub next: Option<String>,
}

impl RollbackStatus {
    /// The state for a rule; `None` if it has no rollback.
    pub fn of(set: &[SetShare], routing: &Routing, shared: &SharedRule<'_>) -> Option<Self> {
        let guard = routing.watched.as_ref().and_then(|watched| watched.of(shared.rule)).map(|(guard, _)| guard);
        let own = set.iter().find(|each| each.is_for(shared.text, shared.configured));
        let rolled_back = match own.map(|own| &own.by) {
            Some(SetBy::Rollback { reason, at }) => Some((reason.clone(), at.clone())),
            _ => None,
        };
        if guard.is_none() && rolled_back.is_none() {
            return None;
        }
        let state = if rolled_back.is_some() { "rolled back" } else { "watching" };
        let advance = guard.and_then(|guard| guard.advance.as_ref());
        let rises = in_force(set, shared.text, shared.configured.buckets()).advances && shared.share.buckets() > 0;
        let text = |share: u16| Percent::of_buckets(share).to_string();
        let (reason, at) = rolled_back.unzip();
        Some(Self {
            state: state.to_owned(),
            reason,
            at,
            steps: advance.map_or_else(Vec::new, |advance| advance.steps.iter().copied().map(text).collect()),
            next: advance.filter(|_| rises).and_then(|advance| advance.next(shared.share.buckets())).map(text),
        })
    }
}

/// Lets the judge decide, and adds the result to the live shares.
pub fn decide(judge: &mut Judge, set: &mut Vec<SetShare>, now: Instant) -> Vec<Action> {
    let actions = judge.decide(|rule, configured| in_force(set, rule, configured), now);
    merge(set, &of_actions(&actions));
    actions
}

/// The live shares that result from these actions.
pub fn of_actions(actions: &[Action]) -> Vec<SetShare> {
    actions.iter().map(change).collect()
}

fn in_force(set: &[SetShare], rule: &str, configured: u16) -> Setting {
    match set.iter().find(|each| each.is_for(rule, Percent::of_buckets(configured))) {
        Some(own) => Setting { share: own.share, advances: own.by == SetBy::Advance },
        None => Setting { share: configured, advances: true },
    }
}

fn change(action: &Action) -> SetShare {
    match action {
        Action::RollBack { rule, configured, reason, .. } => SetShare {
            rule: rule.clone(),
            configured: *configured,
            share: 0,
            by: SetBy::Rollback { reason: reason.clone(), at: timestamp(SystemTime::now()) },
        },
        Action::Advance { rule, configured, to, .. } => {
            SetShare { rule: rule.clone(), configured: *configured, share: *to, by: SetBy::Advance }
        }
    }
}
