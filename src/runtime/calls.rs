//! The running calls of all applications.
//!
//! A call runs from its start until the application returns, even if its connection has closed: a background task runs
//! after the response, and a handler may continue after its client has left. The server ends when all calls have ended.
//! It logs the calls that it did not wait for.
//!
//! Spec: PEP 3333 (`close()` belongs to the call); ASGI "Applications" (a call ends when its awaitable does).

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use http::{Method, Uri};
use rsgi_bridge::pipe::HangUp;
use slab::Slab;

use crate::metrics::RouteSeries;
use crate::request::head::RequestHead;

/// All running calls of all applications of the server.
#[derive(Debug, Default)]
pub struct Calls(Mutex<CallsState>);

#[derive(Debug, Default)]
struct CallsState {
    /// The names of the applications, in the order of [`AppCalls::app`].
    names: Vec<Arc<str>>,
    running: Slab<CallEntry>,
    /// The number of calls that have started so far.
    begun: u64,
    /// Whether responses without a length must end now.
    streams_end: bool,
    /// The task that waits for the last call to end.
    waiting: Option<Waker>,
}

#[derive(Debug)]
struct CallEntry {
    number: u64,
    app: usize,
    method: Method,
    target: Uri,
    since: Instant,
    /// The route, if metrics count by route.
    series: Option<Arc<RouteSeries>>,
    /// Ends the response, if it has no length.
    stream: Option<Arc<dyn HangUp>>,
}

/// The calls of one application.
#[derive(Debug)]
pub struct AppCalls {
    all: Arc<Calls>,
    /// The place of the application's name.
    app: usize,
}

/// A description of a running call.
#[derive(Debug)]
pub struct CallDescription {
    /// The name of the application.
    pub app: Arc<str>,
    /// Method and path, such as `GET /path`.
    pub request: String,
    /// The method.
    pub method: Method,
    /// The label of the route in metrics, if they count by route.
    pub route: Option<String>,
    /// How long the call has run.
    pub age: Duration,
}

/// How many calls run, and the age of the oldest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// The number of running calls.
    pub calls: usize,
    /// The age of the oldest call; zero if no call runs.
    pub oldest: Duration,
}

/// The number of running calls by application, and the oldest calls.
#[derive(Debug, Default)]
pub struct PoolStats {
    /// The number of running calls, for each application that has any.
    pub by_app: Vec<(Arc<str>, usize)>,
    /// The oldest calls, oldest first.
    pub oldest: Vec<CallDescription>,
}

/// One running call. Dropping it ends the call.
#[derive(Debug)]
pub struct RunningCall(CallHandle);

/// A reference to a call that may have ended.
#[derive(Debug, Clone)]
pub struct CallHandle {
    all: Arc<Calls>,
    key: CallKey,
}

/// Which call it is, also after it has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallKey {
    place: usize,
    number: u64,
}

impl Calls {
    fn lock(&self) -> MutexGuard<'_, CallsState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many calls run.
    pub fn count(&self) -> Count {
        let state = self.lock();
        let oldest = state.running.iter().map(|(_, running)| running.since.elapsed()).max().unwrap_or_default();
        Count { calls: state.running.len(), oldest }
    }

    /// Describes all running calls, oldest first.
    pub fn list(&self) -> Vec<CallDescription> {
        let state = self.lock();
        let mut list: Vec<_> = state.running.iter().filter_map(|(_, running)| state.describe(running)).collect();
        drop(state);
        list.sort_by_key(|call| std::cmp::Reverse(call.age));
        list
    }

    /// Counts the running calls and describes the `most` oldest. It is fast even if many calls run.
    pub fn stats(&self, most: usize) -> PoolStats {
        let state = self.lock();
        let mut pool_stats = PoolStats::default();
        let mut ages: Vec<_> = state.running.iter().map(|(key, running)| (running.since, key)).collect();
        if ages.len() > most {
            ages.select_nth_unstable(most);
            ages.truncate(most);
        }
        ages.sort_unstable();
        let oldest = ages.iter().filter_map(|(_, key)| state.describe(state.running.get(*key)?));
        pool_stats.oldest = oldest.collect();
        let mut by_app = vec![0; state.names.len()];
        for (_, running) in &state.running {
            by_app.iter_mut().skip(running.app).take(1).for_each(|count| *count += 1);
        }
        let named = state.names.iter().cloned().zip(by_app);
        pool_stats.by_app = named.filter(|(_, count)| *count > 0).collect();
        pool_stats
    }

    /// Waits until no call runs.
    pub async fn ended(&self) {
        poll_fn(|context| {
            let mut state = self.lock();
            if state.running.is_empty() {
                return Poll::Ready(());
            }
            state.waiting = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    fn streams(&self, CallKey { place, number }: CallKey, stream: Arc<dyn HangUp>) {
        let mut state = self.lock();
        if state.streams_end {
            drop(state);
            stream.hang_up();
        } else if let Some(running) = state.running.get_mut(place).filter(|running| running.number == number) {
            running.stream = Some(stream);
        }
    }

    /// Ends the responses without a length, now and in the future: their applications see that the client has gone.
    pub fn end_streams(&self) {
        let streams: Vec<_> = {
            let mut state = self.lock();
            state.streams_end = true;
            state.running.iter_mut().filter_map(|(_, running)| running.stream.take()).collect()
        };
        for stream in streams {
            stream.hang_up();
        }
    }
}

impl AppCalls {
    /// The calls of the application `name`, as a part of `all`.
    pub fn new(all: &Arc<Calls>, name: &Arc<str>) -> Self {
        let mut state = all.lock();
        state.names.push(Arc::clone(name));
        Self { all: Arc::clone(all), app: state.names.len() - 1 }
    }

    /// Starts to count a call, until the result is dropped.
    pub fn begin(&self, head: &RequestHead) -> RunningCall {
        let (method, target) = (head.parts.method.clone(), head.parts.uri.clone());
        let mut state = self.all.lock();
        state.begun += 1;
        let number = state.begun;
        let (app, series) = (self.app, head.series.clone());
        let running = CallEntry { number, app, method, target, since: head.began, series, stream: None };
        let place = state.running.insert(running);
        RunningCall(CallHandle { all: Arc::clone(&self.all), key: CallKey { place, number } })
    }

    /// Notes that the response of a call has no length. `stream` ends it.
    pub fn streams(&self, call: CallKey, stream: Arc<dyn HangUp>) {
        self.all.streams(call, stream);
    }
}

impl CallsState {
    fn describe(&self, call: &CallEntry) -> Option<CallDescription> {
        let request = format!("{} {}", call.method, call.target.path());
        let route = call.series.as_ref().map(|series| series.route().to_owned());
        let (app, method) = (Arc::clone(self.names.get(call.app)?), call.method.clone());
        Some(CallDescription { app, request, method, route, age: call.since.elapsed() })
    }
}

impl RunningCall {
    /// A reference that may outlive the call.
    pub fn handle(&self) -> CallHandle {
        self.0.clone()
    }

    /// Whether `handle` refers to this call.
    pub fn is(&self, handle: &CallHandle) -> bool {
        self.0.key == handle.key
    }

    /// Which call it is.
    pub fn key(&self) -> CallKey {
        self.0.key
    }

    /// Notes that the response has no length. `stream` ends it.
    pub fn streams(&self, stream: Arc<dyn HangUp>) {
        self.0.all.streams(self.0.key, stream);
    }
}

impl CallHandle {
    /// Describes the call. `None` if it has ended.
    pub fn describe(&self) -> Option<CallDescription> {
        let state = self.all.lock();
        let CallKey { place, number } = self.key;
        let running = state.running.get(place).filter(|running| running.number == number)?;
        state.describe(running)
    }
}

impl Drop for RunningCall {
    fn drop(&mut self) {
        let (ended, waiting) = {
            let mut state = self.0.all.lock();
            let ended = state.running.try_remove(self.0.key.place);
            (ended, state.running.is_empty().then(|| state.waiting.take()).flatten())
        };
        drop(ended);
        if let Some(waker) = waiting {
            waker.wake();
        }
    }
}
