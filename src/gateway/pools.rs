//! The pools of threads for WSGI applications: a shared one, and one for each application with its own `wsgi_threads`.
//!
//! An application with its own threads is not slowed down by a slow application, and does not slow down others. The
//! idle threads of one pool also drive tokio: those of the shared pool if there is one, else those of the first other
//! pool.

use std::sync::Arc;

use pyo3::prelude::*;
use rsgi_bridge::pool::Pool;

use crate::config::plan::AppSpec;
use crate::config::settings::Settings;

/// The prefix of the pool name of an application with its own threads. The application's name follows.
pub const OWN: &str = "rsgi-wsgi-";

/// The pools of one server. Bridges that are called directly have their own, which are not here.
#[derive(Debug, Clone, Default)]
pub struct Pools {
    shared: Option<Arc<Pool>>,
    own: Vec<Option<Arc<Pool>>>,
}

impl Pools {
    /// Starts the threads that `apps` need.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start(py: Python<'_>, apps: &[AppSpec], settings: &Settings) -> PyResult<Self> {
        let queue = settings.wsgi_queue;
        let own = |app: &AppSpec| {
            let threads = app.own_threads.filter(|_| app.is_wsgi())?;
            Some(Pool::start(py, &format!("{OWN}{}", app.name), threads, queue))
        };
        let own = apps.iter().map(|app| own(app).transpose()).collect::<PyResult<Vec<_>>>()?;
        let is_shared = apps.iter().any(|app| app.is_wsgi() && app.own_threads.is_none());
        let shared = is_shared.then(|| Pool::start(py, "rsgi-wsgi", settings.wsgi_threads, queue)).transpose()?;
        Ok(Self { shared, own })
    }

    /// The pool of the application at `place`: its own, or the shared one.
    pub fn of(&self, place: usize) -> Option<&Arc<Pool>> {
        self.own.get(place).and_then(Option::as_ref).or(self.shared.as_ref())
    }

    /// The pool whose idle threads may drive tokio.
    pub fn driving(&self) -> Option<&Arc<Pool>> {
        self.shared.as_ref().or_else(|| self.own.iter().flatten().next())
    }

    /// Lets all idle threads end.
    pub fn stop(&self) {
        for pool in self.own.iter().chain([&self.shared]).flatten() {
            pool.stop();
        }
    }
}
