//! Gives the dashboard the numbers of this process or of all workers: when a client asks, and every second while
//! streams are open.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{MissedTickBehavior, interval};

use super::http::{NumberSource, Show};
use super::status::{self, ServerFacts};
use super::workers::Workers;
use crate::dashboard::Scene;

/// How often there is a message while a stream is open.
const WATCHED: Duration = Duration::from_secs(1);

/// Without a stream, a snapshot is taken only once in this many intervals. So the dashboard has the last minutes when
/// somebody opens it.
const UNWATCHED: u32 = 15;

impl NumberSource {
    /// All data of the dashboard.
    pub(super) async fn scene(&self, facts: &ServerFacts) -> Scene {
        match self {
            Self::Process(process) => {
                let report = process.report();
                let worker = status::worker(1, process.state(), true, &report.status);
                let server = trimmed(facts.document(process.state(), vec![worker]));
                Scene { samples: Workers::of_one(&report, process.state()), map: process.map.get(), server }
            }
            Self::Workers(workers) => {
                let silent = workers.ask_all().await;
                let server = trimmed(facts.document(workers.state(), workers.statuses_known(&silent)));
                Scene { samples: workers.samples_known(&silent), map: workers.map.get(), server }
            }
        }
    }
}

/// Removes fields that only `/status.json` shows.
fn trimmed(mut document: Value) -> Value {
    if let Some(fields) = document.as_object_mut() {
        fields.remove("settings");
        fields.remove("apps");
    }
    let workers = document.get_mut("workers").and_then(Value::as_array_mut);
    for worker in workers.into_iter().flatten().filter_map(Value::as_object_mut) {
        worker.retain(|name, _| !matches!(name.as_str(), "apps" | "shares" | "calls"));
    }
    document
}

/// Updates the dashboard until this future is dropped.
pub(super) async fn keep_up(show: Arc<Show>) {
    let mut ticks = interval(WATCHED);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for tick in (0..UNWATCHED).cycle() {
        ticks.tick().await;
        let is_watched = show.board.is_watched();
        if is_watched || tick == 0 {
            let scene = show.source.scene(&show.facts).await;
            if is_watched { show.board.publish(&scene) } else { show.board.observe(&scene) }
        }
    }
}
