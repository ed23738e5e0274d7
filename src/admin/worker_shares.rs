//! The live shares of all workers.
//!
//! `workers.rs` collects numbers. Live shares go to each worker with the next question, and to a new worker before it serves.
//! The report of a worker shows whether it uses them.

use super::stage::WorkerStage;
use super::status::Report;
use super::workers::{WorkerState, Workers};
use crate::config::live_shares::{SetShare, ShareStatus, merge};
use crate::route::Percent;

impl WorkerState {
    /// Drops the live shares of rules that have changed, by the report of a serving worker.
    pub(super) fn forget_changed(&mut self, number: usize, report: &Report) {
        if self.workers.get(&number).is_none_or(|worker| worker.stage != WorkerStage::Serving) {
            return;
        }
        let known = &report.status.shares;
        let is_as_it_was = |own: &ShareStatus, set: &SetShare| {
            Percent::parse(&own.configured).is_some_and(|configured| set.is_for(&own.rule, configured))
        };
        self.shares.retain(|set| known.iter().any(|own| is_as_it_was(own, set)));
    }
}

impl Workers {
    /// The rules with a share, from a serving worker.
    pub async fn shares(&self) -> Vec<ShareStatus> {
        self.ask_all().await;
        let state = self.lock();
        let serving = state.workers.values().filter(|worker| worker.stage == WorkerStage::Serving);
        serving
            .rev()
            .find_map(|worker| worker.last.as_ref())
            .map(|report| report.status.shares.clone())
            .unwrap_or_default()
    }

    /// Sets shares. Returns how many workers use them, and how many workers there are.
    pub async fn set_shares(&self, set: &[SetShare]) -> (usize, usize) {
        merge(&mut self.lock().shares, set);
        self.spread(set).await
    }

    /// Sends the live shares to all workers. Returns how many use those of `set`, and how many workers there are.
    pub(super) async fn spread(&self, set: &[SetShare]) -> (usize, usize) {
        {
            let mut state = self.lock();
            // A starting worker has read the older shares already. Send them again, but do not wait for it.
            let starting = state.workers.values_mut().filter(|worker| worker.stage == WorkerStage::Starting);
            starting.for_each(|worker| {
                worker.ask();
            });
        }
        self.ask_all().await;
        let state = self.lock();
        let reports = state.workers.values().filter(|worker| worker.is_reachable()).map(|worker| worker.last.as_ref());
        let goes_by = |report: &Report| {
            set.iter().all(|set| {
                let own = report.status.shares.iter().find(|own| own.rule == set.rule);
                own.and_then(|own| Percent::parse(&own.share)).is_some_and(|share| share.buckets() == set.share)
            })
        };
        let (took, all) =
            reports.fold((0, 0), |(took, all), report| (took + usize::from(report.is_some_and(goes_by)), all + 1));
        (took, all)
    }
}
