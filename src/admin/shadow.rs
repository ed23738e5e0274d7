//! `/shadow.json` of the admin listener: the results of the comparison of shadow traffic, of all processes together.
//!
//! This is the only path that needs Python, which knows how to add results up. It does so only in a supervisor, whose
//! interpreter runs no application, and on a thread that no other path waits for. A process that serves alone shows the
//! summary that Python has already written.

use pyo3::prelude::*;

use super::workers::Workers;

/// The document, from the summary of each process; `None` if no process has shadow traffic.
pub(super) async fn document(mut summaries: Vec<String>) -> Option<String> {
    let mut document = match summaries.len() {
        0 => return None,
        1 => summaries.pop().unwrap_or_default(),
        _ => {
            let added = tokio::task::spawn_blocking(move || Python::attach(|py| merged(py, &summaries))).await.ok()?;
            added.unwrap_or_else(|error| {
                crate::log::line(format_args!("error: cannot add up shadow traffic: {error}"));
                "{}".to_owned()
            })
        }
    };
    document.push('\n');
    Some(document)
}

fn merged(py: Python<'_>, summaries: &[String]) -> PyResult<String> {
    py.import("rsgi.process.shadow")?.call_method1("merged_json", (summaries,))?.extract()
}

impl Workers {
    /// The results of each worker, including workers that have ended.
    pub async fn shadow_summaries(&self) -> Vec<String> {
        self.ask_all().await;
        let state = self.lock();
        let running = state.workers.values().filter_map(|worker| worker.last.as_ref()?.shadow.clone());
        state.ended.shadow.iter().cloned().chain(running).collect()
    }
}
