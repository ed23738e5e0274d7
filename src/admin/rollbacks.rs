//! Applies what the judge of rollbacks decides: changes the share, logs it, and calls the hook.
//!
//! `rollback/` decides, and knows neither workers nor the log. The judge runs every second on the thread of the admin
//! listener, so no request waits for it.

use std::time::{Duration, Instant, SystemTime};

use serde_json::json;

use super::process::Process;
use super::workers::Workers;
use crate::config::live_rollbacks::{decide, of_actions};
use crate::log::timestamp::timestamp;
use crate::rollback::{self, Action, Judge};
use crate::route::Percent;

/// How often the judge runs.
const EVERY: Duration = Duration::from_secs(1);

impl Process {
    /// Judges the watched rules of a process that serves alone.
    pub async fn keep_judging(&self) {
        let mut judge = Judge::default();
        loop {
            tokio::time::sleep(EVERY).await;
            let actions = self.shares.judge(&mut judge);
            let name = |rule: &str| self.share_list().into_iter().find(|own| own.rule == rule).map(|own| own.app);
            for action in &actions {
                tell(action, &name(action.rule()).unwrap_or_default());
            }
        }
    }
}

impl Workers {
    /// Judges the watched rules of all workers together.
    pub async fn keep_judging(&self) {
        loop {
            tokio::time::sleep(EVERY).await;
            let actions = {
                let mut state = self.lock();
                let state = &mut *state;
                decide(&mut state.judge, &mut state.shares, Instant::now())
            };
            if actions.is_empty() {
                continue;
            }
            self.spread(&of_actions(&actions)).await;
            for action in &actions {
                tell(action, &self.app_of(action.rule()));
            }
        }
    }

    fn app_of(&self, rule: &str) -> String {
        let state = self.lock();
        let mut shares =
            state.workers.values().filter_map(|worker| Some(&worker.last.as_ref()?.status.shares)).flatten();
        shares.find(|own| own.rule == rule).map(|own| own.app.clone()).unwrap_or_default()
    }
}

fn tell(action: &Action, app: &str) {
    match action {
        Action::Advance { rule, from, to, .. } => {
            let (from, to) = (Percent::of_buckets(*from), Percent::of_buckets(*to));
            crate::log::line(format_args!("raised the share of `{rule}` from {from} to {to} (advance)"));
        }
        Action::RollBack { rule, from, reason, window, hook, .. } => {
            let from = Percent::of_buckets(*from).to_string();
            crate::log::line(format_args!("warning: rolled back the share of `{rule}` from {from} to 0%: {reason}"));
            crate::log::line(format_args!("hint: set it again with `rsgi share '{rule}:{from}'`"));
            if let Some(hook) = hook {
                let document = json!({
                    "event": "rolled back",
                    "rule": rule,
                    "app": app,
                    "from": from,
                    "to": "0%",
                    "reason": reason,
                    "window": window,
                    "at": timestamp(SystemTime::now()),
                });
                rollback::call(hook.clone(), document.to_string());
            }
        }
    }
}
