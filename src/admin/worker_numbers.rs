//! The numbers of all workers together, or of a process that serves alone.
//!
//! `workers.rs` has the reports of the workers.

use serde_json::Value;

use super::stage::WorkerStage;
use super::status::{self, Report};
use super::workers::Workers;
use crate::metrics::{Family, Sample, Samples, Value as Number};

impl Workers {
    /// The numbers of all workers.
    pub async fn samples(&self) -> Samples {
        let silent = self.ask_all().await;
        self.samples_known(&silent)
    }

    /// The last known numbers of all workers. Workers in `silent` have not replied.
    pub(super) fn samples_known(&self, silent: &[usize]) -> Samples {
        let state = self.lock();
        let mut samples = state.ended.samples.clone();
        for (number, worker) in &state.workers {
            let name = number.to_string();
            if worker.is_reachable() {
                let up = usize::from(!silent.contains(number));
                samples.add(&name, &[Sample::count(Family::WorkerUp, &[], up)]);
            }
            if let Some(report) = &worker.last {
                samples.add(&name, &report.samples);
            }
        }
        let count = |stage| state.workers.values().filter(|worker| worker.stage == stage).count();
        let counts = [WorkerStage::Starting, WorkerStage::Serving, WorkerStage::Leaving]
            .map(|stage| (stage.name(), count(stage)));
        add_workers(&mut samples, &counts, state.wanted);
        for (reason, count) in &state.restarts {
            samples.add("", &[Sample::count(Family::Restarts, &[("reason", reason)], *count)]);
        }
        samples
    }

    /// The numbers of a process that serves alone.
    pub fn of_one(report: &Report, state: &str) -> Samples {
        let mut samples = Samples::default();
        samples.add("1", &report.samples);
        samples.add("1", &[Sample::count(Family::WorkerUp, &[], 1)]);
        let now = if state == "draining" { WorkerStage::Leaving.name() } else { state };
        let names = [WorkerStage::Starting, WorkerStage::Serving, WorkerStage::Leaving].map(WorkerStage::name);
        add_workers(&mut samples, &names.map(|name| (name, usize::from(name == now))), 1);
        samples
    }

    /// The status of each worker.
    pub async fn statuses(&self) -> Vec<Value> {
        let silent = self.ask_all().await;
        self.statuses_known(&silent)
    }

    /// The last known status of each worker. Workers in `silent` have not replied.
    pub(super) fn statuses_known(&self, silent: &[usize]) -> Vec<Value> {
        let state = self.lock();
        let shown = state.workers.iter().filter_map(|(number, worker)| {
            let report = worker.last.as_ref()?;
            let replied = worker.is_reachable() && !silent.contains(number);
            Some(status::worker(*number, worker.stage.name(), replied, &report.status))
        });
        shown.collect()
    }
}

fn add_workers(samples: &mut Samples, counts: &[(&str, usize)], wanted: usize) {
    for (state, count) in counts.iter().chain([&("wanted", wanted)]) {
        samples.add("", &[Sample::new(Family::Workers, &[("state", state)], Number::Count(*count as u64))]);
    }
}
